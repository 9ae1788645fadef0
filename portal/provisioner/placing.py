"""Chooses the InfluxDB server of each new owner, by capacity. It asks the database alone: no server is needed for it.

The choice is committed before anything is made there, so a provisioner that is killed goes on at the same server.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, select, update

from portal.capacity import buckets_of, used_buckets
from schema.changes import Channel, announce
from schema.database import Sessions, reading
from schema.models import OwnerPlacement, PlacementState, StoreServer

_log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 60.0
_AT_ONCE = 500
_ERROR_LENGTH = 300
_SHOWN_SERVERS = 3


@dataclass(frozen=True, slots=True)
class Room:
    """A server and the buckets it is meant for; one that is not ``open`` is given nobody new."""

    url: str
    capacity_buckets: int
    open: bool = True


def choose(rooms: Sequence[Room], used: Mapping[str, int], need: int, away: Collection[str] = ()) -> Room | None:
    """The open server with the least used share of its capacity; None where none has room for ``need`` more buckets.

    Servers that are ``away`` are the last choice.
    """
    fitting = [room for room in rooms if room.open and used.get(room.url, 0) + need <= room.capacity_buckets]
    return min(
        fitting, key=lambda room: (room.url in away, used.get(room.url, 0) / room.capacity_buckets), default=None
    )


def why_nowhere(rooms: Sequence[Room], used: Mapping[str, int], need: int) -> str:
    """What an administrator reads where ``choose`` found nothing."""
    taking = [room for room in rooms if room.open]
    if not taking:
        return "No InfluxDB server takes new owners: open one, or add one to INFLUX_SERVERS (docs/capacity.md)."
    shown = [f"{room.url}: {used.get(room.url, 0)} of {room.capacity_buckets}" for room in taking[:_SHOWN_SERVERS]]
    more = ", …" if len(taking) > _SHOWN_SERVERS else ""
    return (
        f"No InfluxDB server has room for {need} more buckets ({', '.join(shown)}{more}). Add one to INFLUX_SERVERS, "
        "or give one more capacity (docs/capacity.md)."
    )[:_ERROR_LENGTH]


class Placing:
    """``rooms`` are all servers the provisioner has an operator token for; ``now`` is the wall clock (UTC)."""

    def __init__(self, sessions: Sessions, rooms: Sequence[Room], *, now: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._rooms = rooms
        self._now = now
        self._urls = [room.url for room in rooms]
        self._waiting = 0

    async def turn(self) -> float | None:
        """Give everybody a server who has none; seconds until the next look where somebody could not be helped."""
        pending, stranger = OwnerPlacement.state == PlacementState.PENDING, OwnerPlacement.server.not_in(self._urls)
        # Nothing was made there yet, so another server is as good: its address may have been mistyped.
        wanting = await self._owners(pending, stranger, OwnerPlacement.org_id == "")
        waiting = 0
        for start in range(0, len(wanting), _AT_ONCE):
            waiting += await self._place(wanting[start : start + _AT_ONCE])
        if waiting > self._waiting:
            _log.error("placing.no_room", owners=waiting)
        self._waiting = waiting
        lost = await self._owners(pending, stranger, OwnerPlacement.org_id != "")
        for owner_id in lost:
            await self._note_lost(owner_id)
        return LOOK_AGAIN_S if waiting or lost else None

    async def _owners(self, *conditions: ColumnElement[bool]) -> Sequence[UUID]:
        """The longest waiting first."""
        statement = select(OwnerPlacement.owner_id).where(*conditions)
        async with reading(self._sessions) as session:
            return (await session.scalars(statement.order_by(OwnerPlacement.updated_at, OwnerPlacement.owner_id))).all()

    async def _place(self, owner_ids: Sequence[UUID]) -> int:
        """How many of them found no room."""
        left = 0
        async with self._sessions.begin() as session:
            used = await used_buckets(session)
            away = set(await session.scalars(select(StoreServer.url).where(StoreServer.last_error != "")))
            for owner_id in owner_ids:
                need = await buckets_of(session, owner_id)
                room = choose(self._rooms, used, need, away)
                row = update(OwnerPlacement).where(OwnerPlacement.owner_id == owner_id)
                if room is None:
                    left += 1
                    why = why_nowhere(self._rooms, used, need)
                    noted = row.where(OwnerPlacement.last_error != why)
                    await session.execute(noted.values(last_error=why, updated_at=self._now()))
                    continue
                used[room.url] += need
                await session.execute(row.values(server=room.url, last_error="", updated_at=self._now()))
            if left < len(owner_ids):
                # Whoever makes places there is woken; to everybody else this is no change.
                await announce(session, Channel.REGISTRY)
        return left

    async def _note_lost(self, owner_id: UUID) -> None:
        """An owner's place was begun at a server that is named nowhere any more."""
        async with self._sessions.begin() as session:
            row = await session.get(OwnerPlacement, owner_id)
            why = f"no operator token for the server {row.server}"[:_ERROR_LENGTH] if row else ""
            if row is not None and row.last_error != why:
                row.last_error, row.updated_at = why, self._now()
                _log.error("placing.no_token", owner_id=str(owner_id), server=row.server)
