"""Fills the templates of ``mosquitto/``: used by standalone, the tests and the container alike. No I/O, no secrets."""

from pathlib import Path

PASSWORDS = "passwords"
ACL = "acl"
CONFIGURATION = "mosquitto.conf"
GENERATION = "generation"
APPLIED = "applied"

_PLACEHOLDERS = ("@LISTENER@", "@FOLDER@", "@USER@")


class TemplateUnfilled(ValueError):
    """A value would break out of its line, or the template lacks a placeholder: it is not the template we know."""


def render(template: str, *, port: int, folder: Path | str, user: str, address: str = "") -> str:
    """The broker's configuration from ``mosquitto.conf`` joined with one of the ``persistence-*.conf``.

    ``folder`` holds ``passwords`` and ``acl`` and gets the broker's state; ``user`` is who the broker becomes when it
    is started as root and must be able to read and write there. An empty ``address`` listens on all interfaces.
    Raises ``TemplateUnfilled``.
    """
    values = (f"{port} {address}".strip(), str(folder), user)
    text = template
    for placeholder, value in zip(_PLACEHOLDERS, values, strict=True):
        if not value or "\n" in value or "@" in value:
            raise TemplateUnfilled(f"{placeholder} cannot be {value!r}")
        if placeholder not in text:
            raise TemplateUnfilled(f"the template has no {placeholder}")
        text = text.replace(placeholder, value)
    return text
