"""Two programs on one login throw each other out for ever (measured); a logger with a bad line only comes back. Pure.

Told apart by how they connect (address, protocol, session, keepalive), as the broker's log says it: two programs take
turns, one comes back to itself. Where both look alike, only the pace tells: two clients that reconnect within seconds
did it five times in ten seconds (stack-measurements 9), a logger whose dead connection the broker has not noticed yet
does it as often as its line breaks.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from bridge.tripwires import MOST_REMEMBERED, Trip, Wire
from bridge.tripwires.remembered import Remembered

# Take-overs in a minute that no single logger manages: one every six seconds, before the broker has noticed the end.
FAST_TIMES = 10
FAST_WITHIN = timedelta(minutes=1)
# Turns between two that connect differently. One would do for a mistake, a device that was replaced makes one.
TURNS = 5
TURNS_WITHIN = timedelta(minutes=15)
# Messages of each of two devices, each from its own address alone, that make the case clear: the login is in use in two
# places for two devices. Three, because a message may overtake the line of the log that tells where its sender is.
SPOKEN_IN_EACH_PLACE = 3
_SOON = timedelta(seconds=5)
_MOST_SESSIONS = 100


@dataclass(slots=True)
class _Session:
    """One connection of a login. ``own`` and ``other`` count messages of its own device and of another one."""

    at: datetime
    address: str
    program: str
    taken_over: bool
    own: int = 0
    other: int = 0


@dataclass(slots=True)
class _Login:
    sessions: deque[_Session] = field(default_factory=lambda: deque(maxlen=_MOST_SESSIONS))
    thrown_out_at: datetime | None = None


class Flapping:
    """Watches connections."""

    def __init__(self) -> None:
        self._logins: Remembered[str, _Login] = Remembered(_Login, MOST_REMEMBERED)
        self._flapping: set[str] = set()

    def thrown_out(self, login: str, at: datetime) -> None:
        """The broker has closed the login's connection because somebody came with the same one."""
        self._logins.touch(login).thrown_out_at = at

    def came(self, login: str, address: str, program: str, at: datetime) -> Trip | None:
        """The broker let it in."""
        state = self._logins.touch(login)
        taken_over = state.thrown_out_at is not None and timedelta(0) <= at - state.thrown_out_at <= _SOON
        state.thrown_out_at = None
        state.sessions.append(_Session(at, address, program, taken_over))
        if not taken_over:
            if not any(_recent(one, at) for one in state.sessions):
                self._flapping.discard(login)
            return None
        return self._judged(login, state, at)

    def spoke(self, login: str, received_at: datetime, *, own: bool) -> None:
        """A message of the login's own device came, or of another one. Who names no device says nothing here."""
        state = self._logins.get(login) if login in self._flapping else None
        if state is None:
            return
        session = next((one for one in reversed(state.sessions) if one.at <= received_at), None)
        if session is not None:
            session.own += own
            session.other += not own

    @property
    def watching(self) -> bool:
        """Whether it matters on any login who speaks."""
        return bool(self._flapping)

    def _judged(self, login: str, state: _Login, at: datetime) -> Trip | None:
        fast = sum(one.taken_over for one in state.sessions if at - one.at <= FAST_WITHIN)
        recent = [one for one in state.sessions if at - one.at <= TURNS_WITHIN]
        turns = _turns(recent)
        before = login in self._flapping
        if fast < FAST_TIMES and turns < TURNS:
            self._flapping.discard(login)
            return None
        if len(self._flapping) >= MOST_REMEMBERED:
            self._flapping.clear()
        self._flapping.add(login)
        times, minutes = (turns, TURNS_WITHIN) if turns >= TURNS else (fast, FAST_WITHIN)
        details = {"times": times, "minutes": int(minutes.total_seconds() // 60)}
        clear = _two_places(recent)
        return Trip(Wire.FLAPPING, login, None, details, 1 if before else times, at, quarantine=clear)


def _recent(session: _Session, at: datetime) -> bool:
    return session.taken_over and at - session.at <= TURNS_WITHIN


def _turns(sessions: list[_Session]) -> int:
    """How often one took over from another that connects differently and had been here before."""
    seen: set[tuple[str, str]] = set()
    turns = 0
    for before, now in pairwise(sessions):
        seen.add((before.address, before.program))
        changed = (now.address, now.program) != (before.address, before.program)
        turns += now.taken_over and changed
    # Somebody whose address changes with each connection never comes back to an earlier one.
    returned = len(seen) <= max(2, turns // 2)
    return turns if returned else 0


def _two_places(sessions: list[_Session]) -> bool:
    """Whether from one address its own device alone has spoken, and from another one another device alone."""
    own: dict[str, int] = {}
    other: dict[str, int] = {}
    for one in sessions:
        own[one.address] = own.get(one.address, 0) + one.own
        other[one.address] = other.get(one.address, 0) + one.other
    at_home = any(own[place] >= SPOKEN_IN_EACH_PLACE and not other[place] for place in own)
    abroad = any(other[place] >= SPOKEN_IN_EACH_PLACE and not own[place] for place in own)
    return at_home and abroad
