"""The stream behind an open page: what changed, checked against session and grants before it is written."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncEngine

from portal.dashboard import stations, verdict
from portal.dashboard.numbers import Numbers
from portal.dashboard.production import power_of, shown
from portal.dashboard.stations import Sight
from portal.dashboard.verdict import Verdict
from portal.dead_letters.sentences import nameless, refused
from portal.live import LiveFeed
from schema import live
from schema.database import Sessions, reading
from schema.models import LiveRow

KEEP_ALIVE_S = 15.0
CHECKED_FOR = timedelta(seconds=1)
"""A log-out or a revoked grant ends a stream within this time of its next event, or at the next keep-alive."""


@dataclass(frozen=True, slots=True)
class Event:
    """One message to a page: ``name`` is "inverter" or "overview"; without data it only keeps the line open."""

    name: str
    data: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who listens, in which language numbers are written, and whether to ``only`` some inverters: a page of a fleet."""

    account_id: UUID
    session_id: UUID
    numbers: Numbers
    only: Collection[UUID] = ()


class Stream:
    """The events of one open page, from its first state until its session ends, it leaves, or the server stops."""

    def __init__(
        self, watcher: Watcher, *, sessions: Sessions, live_engine: AsyncEngine, clock: Callable[[], datetime]
    ) -> None:
        self._watcher = watcher
        self._sessions = sessions
        self._live_engine = live_engine
        self._clock = clock
        self._rows: dict[UUID, LiveRow] = {}
        self._told: dict[UUID, Verdict] = {}
        self._told_of_all: Verdict | None = None
        self._checked_at: datetime | None = None
        self._asking: asyncio.Task[Sight | None] | None = None
        self._reading: asyncio.Task[dict[UUID, LiveRow]] | None = None

    async def events(self, feed: LiveFeed) -> AsyncGenerator[Event, None]:
        """First what is known now, then what changes; a line that keeps the connection open every 15 seconds."""
        sight = await self._look()
        if sight is None:
            return
        with feed.subscribed(sight.names, who=self._watcher.account_id) as subscription:
            self._reading = asyncio.create_task(live.of(self._live_engine, sight.names), name="portal.events.rows")
            self._rows = await asyncio.shield(self._reading)
            for event in self._changed(sight, dict(self._rows)):
                yield event
            while not subscription.closed:
                changed = {row.inverter_id: row for row in await subscription.take(KEEP_ALIVE_S)}
                sight = await self._looked(sight, at_once=not changed)
                if sight is None:
                    return
                subscription.inverters = frozenset(sight.names)
                if not changed:
                    yield Event("")
                for event in self._changed(sight, changed):
                    yield event

    async def _looked(self, sight: Sight, *, at_once: bool) -> Sight | None:
        """The sight, asked for again where the last answer is older than a second."""
        due = self._checked_at is None or self._clock() - self._checked_at >= CHECKED_FOR
        return await self._look() if due or at_once else sight

    async def _look(self) -> Sight | None:
        self._checked_at = now = self._clock()
        # A page that leaves cancels its stream at any moment: the question is asked to its end all the same, so that
        # its database connection goes back to the pool instead of being torn down.
        self._asking = asyncio.create_task(self._sight(now), name="portal.events.sight")
        return await asyncio.shield(self._asking)

    async def _sight(self, now: datetime) -> Sight | None:
        async with reading(self._sessions) as session:
            who = self._watcher
            return await stations.sight_of(session, who.account_id, who.session_id, now, who.only)

    def _changed(self, sight: Sight, changed: Mapping[UUID, LiveRow]) -> list[Event]:
        """An event for each changed inverter and each verdict that time has changed, then one about all of them."""
        now, numbers = self._clock(), self._watcher.numbers
        rows = {**self._rows, **changed}
        self._rows = {inverter: row for inverter, row in rows.items() if inverter in sight.names}
        found = {
            inverter: verdict.of_inverter(
                self._rows.get(inverter), zone, now, numbers, given_away_at=sight.given_away.get(inverter)
            )
            for inverter, zone in sight.zones.items()
        }
        events = [
            Event("inverter", _inverter(self._rows[inverter], said, sight.zones[inverter], now, numbers))
            for inverter, said in found.items()
            if inverter in self._rows and (inverter in changed or self._told.get(inverter) != said)
        ]
        fresh = [row for row in self._rows.values() if verdict.is_fresh(row, now)]
        watts = [power for row in fresh if (power := power_of(row.values)) is not None]
        total_w = sum(watts) if watts else None
        overall = verdict.of_all([(sight.names[inverter], said) for inverter, said in found.items()], total_w, numbers)
        if overall and (events or self._told_of_all != overall):
            zone = next(iter(sight.zones.values()))
            newest = max((row.reading_at for row in self._rows.values() if row.reading_at), default=None)
            said_of_all = {
                "verdict": _said(overall, zone, now, numbers),
                "power": asdict(numbers.power(total_w)),
                "newest": newest.isoformat() if newest else None,
            }
            events.append(Event("overview", said_of_all))
        self._told = dict(found)
        self._told_of_all = overall
        return events


def _inverter(row: LiveRow, said: Verdict, zone: ZoneInfo, now: datetime, numbers: Numbers) -> dict[str, object]:
    watts = power_of(row.values) if verdict.is_fresh(row, now) else None
    return {
        "id": str(row.inverter_id),
        "verdict": _said(said, zone, now, numbers),
        "power": asdict(numbers.power(watts)),
        "watts": watts,
        "values": row.values,
        "shown": {one.name: one.word or str(numbers.measured(one.value, one.unit)) for one in shown(row.values)},
        "reading_at": row.reading_at.isoformat() if row.reading_at else None,
        "seen_at": row.seen_at.isoformat() if row.seen_at else None,
        "rung": row.rung,
        "refusal": nameless(refused(row.refusal, row.refusal_detail)) if row.refusal else "",
    }


def _said(said: Verdict, zone: ZoneInfo, now: datetime, numbers: Numbers) -> dict[str, object]:
    """A verdict ready to be put into the page; where ``ago`` is true the page itself counts the age."""
    return {
        "state": said.state,
        "lead": said.lead,
        "text": said.text,
        "at": said.at.isoformat() if said.at else None,
        "at_text": numbers.moment(said.at, zone, now) if said.at else "",
        "ago": said.ago,
        "rest": said.rest,
    }


__all__ = ["KEEP_ALIVE_S", "Event", "Stream", "Watcher"]
