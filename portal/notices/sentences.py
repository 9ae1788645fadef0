"""What notices say: what has happened, and what to do about it, in the reader's words. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from portal.dashboard.labels import label_of
from portal.dashboard.numbers import of_reader
from portal.words import N_, _, ngettext
from schema.models import NoticeKind
from schema.quantities import CATALOGUE

Details = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Saying:
    """A kind of notice in words: ``title`` names it in lists and mails, ``advice`` is what to do."""

    title: str
    text: Callable[[str, Details], str]
    advice: str


def _flapping(login: str, details: Details) -> str:
    times, minutes = details.get("times"), details.get("minutes")
    if times is None or minutes is None:
        return _("Two programs use the login %(login)s and throw each other out again and again.", login=login)
    return _(
        "Two programs use the login %(login)s and throw each other out: %(times)s times within %(minutes)s minutes.",
        login=login,
        times=times,
        minutes=minutes,
    )


def _impossible_power(_login: str, details: Details) -> str:
    name, value = details.get("quantity"), details.get("value")
    if name not in CATALOGUE or not isinstance(value, int | float):
        return _("Values were set aside again and again because no inverter of this size can have them.")
    shown = of_reader().measured(value, CATALOGUE[name].unit)
    return _(
        "Values were set aside again and again because they cannot be true, such as %(name)s %(value)s.",
        name=label_of(name),
        value=shown,
    )


def _clock_skew(_login: str, details: Details) -> str:
    seconds = details.get("seconds")
    if not isinstance(seconds, int | float):
        return _("The times in the messages are far from the time at which they arrive.")
    minutes = max(round(abs(seconds) / 60), 1)
    if seconds > 0:
        return ngettext(
            "The device's clock is %(num)s minute ahead.", "The device's clock is %(num)s minutes ahead.", minutes
        )
    return ngettext(
        "The device's clock is %(num)s minute behind.", "The device's clock is %(num)s minutes behind.", minutes
    )


def _failed_log_ins(login: str, details: Details) -> str:
    times, address = details.get("times"), details.get("address")
    if times is None:
        return _("Log-ins as %(login)s were refused: the secret was wrong.", login=login)
    if not address:
        return _("%(times)s log-ins as %(login)s were refused: the secret was wrong.", times=times, login=login)
    return _(
        "%(times)s log-ins as %(login)s from %(address)s were refused: the secret was wrong.",
        times=times,
        login=login,
        address=address,
    )


def _quarantined(login: str, details: Details) -> str:
    return _("The login %(login)s is in quarantine: what it sends is set aside.", login=login) + (
        " " + quarantine(str(details.get("why", "")))
    )


def _serial_freed(_login: str, details: Details) -> str:
    return _(
        "Nothing was heard for a year, so the serial %(serial)s is free for others. Your readings stay where they are.",
        serial=details.get("serial", ""),
    )


def _bucket_renewed(_login: str, _details: Details) -> str:
    return _("Its place in the store was gone and was made anew. Readings from before are lost; new ones are kept.")


def _token_renewed(_login: str, _details: Details) -> str:
    return _("A key to its place in the store had stopped working and was replaced. No reading was lost.")


def _store_moved(_login: str, details: Details) -> str:
    said = _(
        "Its readings have moved to another server: url, org_id, bucket_id and token of /influx_token are others now."
    )
    days = details.get("days")
    if not isinstance(days, int):
        return said
    until = ngettext(
        "What is written to the old place is still fetched for %(num)s day.",
        "What is written to the old place is still fetched for %(num)s days.",
        days,
    )
    return f"{said} {until}"


def _handed_over(_login: str, _details: Details) -> str:
    return _("This home was handed over to you. Whoever set it up has seen the secrets of its logins.")


_SAYINGS: dict[str, Saying] = {
    NoticeKind.FLAPPING: Saying(
        N_("Two programs use one login"),
        _flapping,
        N_("Give each program a login of its own, and enter it there."),
    ),
    NoticeKind.IMPOSSIBLE_POWER: Saying(
        N_("Values that cannot be true"),
        _impossible_power,
        N_("Check the rated power that you entered, and whether the program reads the right device."),
    ),
    NoticeKind.CLOCK_SKEW: Saying(
        N_("A clock is wrong"),
        _clock_skew,
        N_("Set the clock of the device or of the program. Until then readings may lie at a wrong time."),
    ),
    NoticeKind.FAILED_LOG_INS: Saying(
        N_("Log-ins were refused"),
        _failed_log_ins,
        N_(
            "If one of your programs still has an old secret, enter the new one there. If not, somebody may be trying "
            "to get in; without the secret that cannot succeed."
        ),
    ),
    NoticeKind.QUARANTINED: Saying(
        N_("A login is in quarantine"),
        _quarantined,
        N_("Look what uses it. Then make a new secret, or let it speak again."),
    ),
    NoticeKind.SERIAL_FREED: Saying(
        N_("A serial is free again"),
        _serial_freed,
        N_("If the device is still yours, nothing needs to be done: its next reading takes the serial back."),
    ),
    NoticeKind.BUCKET_RENEWED: Saying(
        N_("A place in the store was made anew"),
        _bucket_renewed,
        N_("There is nothing to be done. Whoever runs this service can tell you what had happened."),
    ),
    NoticeKind.HANDED_OVER: Saying(
        N_("Make new secrets"),
        _handed_over,
        N_("Make a new one for each login and enter it in its program: then nobody else can publish in your name."),
    ),
    NoticeKind.STORE_MOVED: Saying(
        N_("Programs that write by themselves need a new token"),
        _store_moved,
        N_(
            "Let each program that writes with a token of its own ask /influx_token again. What publishes over MQTT "
            "needs nothing."
        ),
    ),
    NoticeKind.TOKEN_RENEWED: Saying(
        N_("A key of the store was replaced"),
        _token_renewed,
        N_("There is nothing to be done."),
    ),
}

_QUARANTINED_FOR = {
    NoticeKind.FLAPPING: N_("Two devices spoke on it at once."),
    NoticeKind.IMPOSSIBLE_POWER: N_("Nothing that it sent could be true."),
    NoticeKind.CLOCK_SKEW: N_("Its times were far off."),
    NoticeKind.FAILED_LOG_INS: N_("Somebody tried many wrong secrets."),
}


def title(kind: str) -> str:
    """What lists and mails call the kind, in English, to be translated where it is shown."""
    return _SAYINGS[kind].title


def text(kind: str, *, login: str, details: Details) -> str:
    """What has happened."""
    return _SAYINGS[kind].text(login, details)


def advice(kind: str) -> str:
    """What to do about it."""
    return _(_SAYINGS[kind].advice)


def quarantine(why: str) -> str:
    """Why a login was put into quarantine; a reason that this version does not know is left out."""
    known = {str(kind): sentence for kind, sentence in _QUARANTINED_FOR.items()}
    return _(known[why]) if why in known else ""
