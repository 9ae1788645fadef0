"""The few words that scripts put into pages, in the reader's language. ``{}`` stands for what a script fills in."""

from portal.words import _


def script_words() -> dict[str, str]:
    """Words by the names that ``static/js`` knows them by; ages are those of ``dashboard.numbers.age``."""
    return {
        "now": _("just now"),
        "seconds": _("%(count)s s ago", count="{}"),
        "minutes": _("%(count)s min ago", count="{}"),
        "hours": _("%(count)s h ago", count="{}"),
        "copied": _("Copied"),
        "marked": _("Marked: press Ctrl+C"),
        "arrived": _("Your first watts are here."),
        "nothing": _("nothing was received"),
        "lines": _("Lines"),
        "away": _("A part of this installation does not answer. Please try again in a minute."),
        "old": _("The drawing could not be refreshed."),
    }
