"""What the broker's password file says, and when a new one may replace the old. Pure: no file, no database, no clock.

A short or broken file is dangerous: at a reload the broker throws out everybody whose line is missing (measured), and
2.1 stops on a broken one. So every line is checked, the bridge's own must be there, and a line may vanish only because
its login was revoked.
"""

import base64
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from schema.topics import BRIDGE_USER, is_login
from schema.verifiers import is_verifier, verifier

_SHOWN_NAMES = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One user of the broker; ``verifier`` is Mosquitto's own form (``schema.verifiers``)."""

    name: str
    verifier: str


class LoginsWouldVanish(Exception):
    """Logins of the present file are neither wanted nor revoked: keep the present file until a person has looked."""

    def __init__(self, names: Collection[str]) -> None:
        shown = ", ".join(sorted(names)[:_SHOWN_NAMES])
        super().__init__(
            f"{len(names)} logins stand in the broker's password file, but the database neither wants nor has revoked "
            f"them ({shown}{', …' if len(names) > _SHOWN_NAMES else ''}). Is this the right database? If they are "
            "meant to go, delete that file or run: python -m portal.provisioner --once --accept-vanished"
        )
        self.names = frozenset(names)


def text(logins: Iterable[Line], bridge: Line) -> tuple[str, list[str]]:
    """The file's text, the bridge first, and the names of logins left out because their line would be broken.

    Raises ``ValueError`` where the bridge's own line is not fit: without it no message would be read at all.
    """
    if bridge.name != BRIDGE_USER or not is_verifier(bridge.verifier):
        raise ValueError("the bridge's own line is not fit for the password file")
    lines, left_out = [f"{bridge.name}:{bridge.verifier}\n"], []
    for line in logins:
        if is_login(line.name) and is_verifier(line.verifier):
            lines.append(f"{line.name}:{line.verifier}\n")
        else:
            left_out.append(line.name)
    return "".join(lines), left_out


def parse(content: str) -> dict[str, str]:
    """Name → verifier of every line that ``text`` could have made; others are not ours and count for nothing."""
    found = (line.partition(":") for line in content.splitlines())
    return {name: kept for name, _, kept in found if is_verifier(kept) and (is_login(name) or name == BRIDGE_USER)}


def bridge_line(password: str, present: str | None) -> Line:
    """The bridge's line; the present verifier is kept where it fits, so that an equal file stays equal."""
    if present and is_verifier(present) and present == verifier(password, base64.b64decode(present.split("$")[3])):
        return Line(BRIDGE_USER, present)
    return Line(BRIDGE_USER, verifier(password))


def vanishing(present: Iterable[str], wanted: Iterable[str]) -> set[str]:
    """Logins that the new file would no longer have."""
    return set(present) - set(wanted) - {BRIDGE_USER}


def check_vanishing(vanished: Collection[str], revoked: Collection[str]) -> None:
    """Raises ``LoginsWouldVanish`` unless each vanished login is recorded as revoked."""
    if unexplained := set(vanished) - set(revoked):
        raise LoginsWouldVanish(unexplained)
