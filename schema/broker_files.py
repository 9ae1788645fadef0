"""Fills the templates of ``mosquitto/``: used by standalone, the tests and the container alike. No I/O, no secrets."""

from pathlib import Path

PASSWORDS = "passwords"
ACL = "acl"
CONFIGURATION = "mosquitto.conf"
GENERATION = "generation"
APPLIED = "applied"

BRIDGE_LISTENER = "bridge-listener.conf"
PERSISTENCE_2_0 = "persistence-2.0.conf"
PERSISTENCE_2_1 = "persistence-2.1.conf"
# Where Mosquitto 2.0 keeps its snapshot; where this file is, sessions and messages are in it.
SNAPSHOT = "mosquitto.db"

# The broker's own limits, as in the template: what the bridge's alarms compare with.
QUEUE_MESSAGES = 500_000
QUEUE_BYTES = 268_435_456

# Connections on the loggers' listener. Files the broker may open beyond them: the bridge, its state, its log.
MOST_CONNECTIONS = 20_000
RESERVED_FILES = 100
_FEWEST_CONNECTIONS = 50

_PLACEHOLDERS = ("@LISTENER@", "@FOLDER@", "@USER@", "@CONNECTIONS@")
_BRIDGE_PLACEHOLDER = "@BRIDGE_LISTENER@"
_PLUGIN_PLACEHOLDER = "@PLUGIN@"


class TemplateUnfilled(ValueError):
    """A value would break out of its line, or the template lacks a placeholder: it is not the template we know."""


def connections(open_files: int) -> int:
    """How many connections loggers may have where the broker may have ``open_files``; the bridge finds room beside."""
    return max(_FEWEST_CONNECTIONS, min(MOST_CONNECTIONS, open_files - RESERVED_FILES))


def keeps_changes_one_by_one(version: str) -> bool:
    """Whether a broker that calls itself ``mosquitto version 2.1.2`` can keep its state in SQLite (2.1 and newer)."""
    numbers = version.strip().rpartition(" ")[2].split(".")
    return len(numbers) > 1 and all(part.isdecimal() for part in numbers[:2]) and tuple(map(int, numbers[:2])) >= (2, 1)


def render(
    template: str,
    *,
    port: int,
    folder: Path | str,
    user: str,
    address: str = "",
    bridge_port: int | None = None,
    plugin: Path | str = "",
    most_connections: int = MOST_CONNECTIONS,
) -> str:
    """The broker's configuration from ``mosquitto.conf`` joined with one of the ``persistence-*.conf``.

    ``folder`` holds ``passwords`` and ``acl`` and gets the broker's state; ``user`` is who the broker becomes when it
    is started as root and must be able to read and write there. An empty ``address`` listens on all interfaces.
    ``bridge_port`` belongs to a template that ends with ``bridge-listener.conf``: the bridge's own port, on this
    computer alone. ``plugin`` belongs to ``persistence-2.1.conf``. Raises ``TemplateUnfilled``.
    """
    given = (f"{port} {address}".strip(), str(folder), user, str(most_connections))
    values = dict(zip(_PLACEHOLDERS, given, strict=True))
    if bridge_port is not None:
        values[_BRIDGE_PLACEHOLDER] = f"{bridge_port} 127.0.0.1"
    if plugin:
        values[_PLUGIN_PLACEHOLDER] = str(plugin)
    text = template
    for placeholder, value in values.items():
        if not value or "\n" in value or "@" in value:
            raise TemplateUnfilled(f"{placeholder} cannot be {value!r}")
        if placeholder not in text:
            raise TemplateUnfilled(f"the template has no {placeholder}")
        text = text.replace(placeholder, value)
    return text
