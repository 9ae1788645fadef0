"""What the broker's password file says, and when a new one may replace the old. Pure: no file, no database, no clock.

A short or broken file is dangerous: at a reload the broker throws out everybody whose line is missing (measured), and
2.1 stops on a broken one. So every line is checked, the bridge's own two must be there (the second is the canary of its
self-check), and a line may vanish only because its login was revoked.
"""

import base64
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from schema.topics import BRIDGE_USER, CANARY_USER, canary_secret, is_login
from schema.verifiers import is_verifier, verifier

_SHOWN_NAMES = 3
_OWN = (BRIDGE_USER, CANARY_USER)


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


def text(logins: Iterable[Line], own: Sequence[Line]) -> tuple[str, list[str]]:
    """The file's text, ``own_lines`` first, and the names of logins left out because their line would be broken.

    Raises ``ValueError`` where the bridge's own lines are not fit: without them no message would be read at all.
    """
    if tuple(line.name for line in own) != _OWN or not all(is_verifier(line.verifier) for line in own):
        raise ValueError("the bridge's own lines are not fit for the password file")
    lines, left_out = [f"{line.name}:{line.verifier}\n" for line in own], []
    for line in logins:
        if is_login(line.name) and is_verifier(line.verifier):
            lines.append(f"{line.name}:{line.verifier}\n")
        else:
            left_out.append(line.name)
    return "".join(lines), left_out


def parse(content: str) -> dict[str, str]:
    """Name → verifier of every line that ``text`` could have made; others are not ours and count for nothing."""
    found = (line.partition(":") for line in content.splitlines())
    return {name: kept for name, _, kept in found if is_verifier(kept) and (is_login(name) or name in _OWN)}


def own_lines(bridge_password: str, present: Mapping[str, str]) -> list[Line]:
    """The bridge's and its canary's; present verifiers are kept where they fit, so that an equal file stays equal."""
    secrets = zip(_OWN, (bridge_password, canary_secret(bridge_password)), strict=True)
    return [_line(name, secret, present.get(name)) for name, secret in secrets]


def _line(name: str, secret: str, present: str | None) -> Line:
    if present and is_verifier(present) and present == verifier(secret, base64.b64decode(present.split("$")[3])):
        return Line(name, present)
    return Line(name, verifier(secret))


def vanishing(present: Iterable[str], wanted: Iterable[str]) -> set[str]:
    """Logins that the new file would no longer have."""
    return set(present) - set(wanted) - set(_OWN)


def check_vanishing(vanished: Collection[str], revoked: Collection[str]) -> None:
    """Raises ``LoginsWouldVanish`` unless each vanished login is recorded as revoked."""
    if unexplained := set(vanished) - set(revoked):
        raise LoginsWouldVanish(unexplained)
