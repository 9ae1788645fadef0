"""What Mosquitto's own log says of a login: connected, refused, thrown out, gone. Lines of 2.0.11 and 2.1.2, as seen.

2.0.11 logs a wrong password without naming the login ("Client <unknown> disconnected, not authorised."), and a publish
to a foreign topic not at all: the ladder cannot tell these from silence. 2.1 names the user that was tried, which may
be any text: a stranger can make a line that *contains* every other one. So only whole lines count, and no name has a
blank (measured on 2.1.2: what is invented always ends with the address and "disconnected: not authorised.").
"""

import re
from enum import Enum
from typing import NamedTuple

from schema.topics import is_login


class BrokerEvent(Enum):
    """What happened to a login."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    TOO_LARGE = "too_large"
    # Somebody else came with the same login; its older connection was closed.
    TAKEN_OVER = "taken_over"
    ENDED = "ended"


class Told(NamedTuple):
    """One line. ``address`` is where the client is, without its port; ``program`` how it connects (protocol, session,
    keepalive). Both are empty where the line does not say.
    """

    login: str
    event: BrokerEvent
    address: str = ""
    program: str = ""


_TIME = r"(?:\S+: )?"
_CONNECTED = re.compile(
    _TIME + r"New client connected from (?P<address>\S+) as (?P<client>\S+) \((?P<program>p\d+, c\d, k\d+)"
    r"(?:, [^']*)?(?:, u'(?P<login>[^']*)')?\)\."
)
_ENDED = re.compile(_TIME + r"Client (?P<client>\S+) (?:\[(?P<address>\S+)\] )?(?P<how>\S.*)\.")
_TAKEN_OVER = re.compile(_TIME + r"Client (?P<client>\S+) already connected, closing old connection\.")

_HOW = {
    "disconnected": BrokerEvent.ENDED,
    "closed its connection": BrokerEvent.ENDED,
    "disconnected: connection closed by client": BrokerEvent.ENDED,
    "has exceeded timeout, disconnecting": BrokerEvent.ENDED,
    "disconnected: exceeded timeout": BrokerEvent.ENDED,
    "already connected, closing old connection": BrokerEvent.TAKEN_OVER,
    "disconnected: session taken over": BrokerEvent.TAKEN_OVER,
    "disconnected, not authorised": BrokerEvent.REFUSED,
    "disconnected: not authorised": BrokerEvent.REFUSED,
    "disconnected due to oversize packet": BrokerEvent.TOO_LARGE,
    "disconnected: oversize packet": BrokerEvent.TOO_LARGE,
}
# Whatever else ends a connection: one reason after these words, in small letters and without a full stop in between.
_OTHER_END = re.compile(r"disconnected(?:,|:| due to) [a-z][a-z /-]*")


def read(line: str) -> Told | None:
    """What a line of the broker's log says of a login; None for everything else."""
    connected = _CONNECTED.fullmatch(line)
    if connected:
        login = connected["login"] or connected["client"]
        if not is_login(login):
            return None
        return Told(login, BrokerEvent.ACCEPTED, _host(connected["address"]), connected["program"])
    ended = _ENDED.fullmatch(line)
    if ended is None or not is_login(ended["client"]):
        return None
    how = ended["how"]
    event = _HOW.get(how) or (BrokerEvent.ENDED if _OTHER_END.fullmatch(how) else None)
    return Told(ended["client"], event, _host(ended["address"] or "")) if event else None


def taken_over(line: str, client_ids: tuple[str, ...]) -> bool:
    """Whether the line says that one of these clients has connected a second time.

    2.0.11 closes the older connection without a DISCONNECT that gives the reason (2.1 sends 0x8E), but before it does
    so, the older connection hears this line, and the newer one does not (measured).
    """
    found = _TAKEN_OVER.fullmatch(line)
    return found is not None and found["client"] in client_ids


def _host(address: str) -> str:
    """Without the port behind the last colon."""
    return address.rpartition(":")[0] or address
