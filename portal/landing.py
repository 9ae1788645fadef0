"""Where to go after log-in: only places on this site. No I/O."""

from urllib.parse import urlsplit

HOME = "/"
_MOST_CHARACTERS = 500


def safe_next(wanted: str | None) -> str:
    """``wanted`` when it is a plain path on this site, else the overview.

    Browsers read a backslash as a slash and skip control characters, so that ``/\\evil.example`` would leave the
    site: a path with any of them is refused.
    """
    if not wanted or len(wanted) > _MOST_CHARACTERS or not wanted.isprintable():
        return HOME
    if not wanted.startswith("/") or wanted.startswith("//") or "\\" in wanted:
        return HOME
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return HOME
    return HOME if parts.scheme or parts.netloc else wanted
