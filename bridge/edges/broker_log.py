"""What Mosquitto's own log says of a login: connected, refused, thrown out. Lines of 2.0.11 and 2.1, seen on the wire.

2.0.11 logs a wrong password without naming the login ("Client <unknown> disconnected, not authorised."), and a publish
to a foreign topic not at all: the ladder cannot tell these from silence.
"""

import re
from enum import Enum

from schema.topics import is_login

_CONNECTED = re.compile(r"New client connected from \S+ as (?P<client>\S+) \(.*u'(?P<login>[^']*)'")
_ENDED = re.compile(r"Client (?P<client>\S+) (?:\[[^\]]*\] )?disconnected(?:: |, | due to )(?P<why>.+?)\.?$")


class BrokerEvent(Enum):
    """What happened to a login."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    TOO_LARGE = "too_large"


def read(line: str) -> tuple[str, BrokerEvent] | None:
    """The login a line of the broker's log is about and what happened to it; None for everything else."""
    connected = _CONNECTED.search(line)
    if connected:
        login = connected["login"] or connected["client"]
        return (login, BrokerEvent.ACCEPTED) if is_login(login) else None
    ended = _ENDED.search(line)
    if ended is None or not is_login(ended["client"]):
        return None
    if "oversize" in ended["why"]:
        return ended["client"], BrokerEvent.TOO_LARGE
    return (ended["client"], BrokerEvent.REFUSED) if "not authori" in ended["why"] else None
