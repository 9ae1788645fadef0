"""Lists in parts: the address of the part that follows. Pure.

A list's cursor is the id of the last entry that was given out, and entries come in the order of their ids: whatever is
added, renamed or deleted meanwhile, what was there all the time is listed once. What an id may open is decided anew at
each request.
"""

from urllib.parse import urlencode


def address(path: str, **parameters: str | list[str]) -> str:
    """A path of ours with its query; an empty value is left out."""
    return f"{path}?{urlencode({name: value for name, value in parameters.items() if value}, doseq=True)}"


def next_link(following: str | None) -> dict[str, str]:
    """The Link header (RFC 8288) that names the next part; none on the last one."""
    return {"Link": f'<{following}>; rel="next"'} if following else {}
