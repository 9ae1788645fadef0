"""Fills the templates of ``mosquitto/``: used by standalone, the tests and the container alike. No I/O, no secrets."""

from pathlib import Path

PASSWORDS = "passwords"
ACL = "acl"
CONFIGURATION = "mosquitto.conf"
GENERATION = "generation"
APPLIED = "applied"

BRIDGE_LISTENER = "bridge-listener.conf"

_PLACEHOLDERS = ("@LISTENER@", "@FOLDER@", "@USER@")
_BRIDGE_PLACEHOLDER = "@BRIDGE_LISTENER@"


class TemplateUnfilled(ValueError):
    """A value would break out of its line, or the template lacks a placeholder: it is not the template we know."""


def render(
    template: str, *, port: int, folder: Path | str, user: str, address: str = "", bridge_port: int | None = None
) -> str:
    """The broker's configuration from ``mosquitto.conf`` joined with one of the ``persistence-*.conf``.

    ``folder`` holds ``passwords`` and ``acl`` and gets the broker's state; ``user`` is who the broker becomes when it
    is started as root and must be able to read and write there. An empty ``address`` listens on all interfaces.
    ``bridge_port`` belongs to a template that ends with ``bridge-listener.conf``: the bridge's own port, on this
    computer alone. Raises ``TemplateUnfilled``.
    """
    values = dict(zip(_PLACEHOLDERS, (f"{port} {address}".strip(), str(folder), user), strict=True))
    if bridge_port is not None:
        values[_BRIDGE_PLACEHOLDER] = f"{bridge_port} 127.0.0.1"
    text = template
    for placeholder, value in values.items():
        if not value or "\n" in value or "@" in value:
            raise TemplateUnfilled(f"{placeholder} cannot be {value!r}")
        if placeholder not in text:
            raise TemplateUnfilled(f"the template has no {placeholder}")
        text = text.replace(placeholder, value)
    return text
