"""New owners are placed by capacity; the others' servers go on while one is away or full."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from portal.capacity import used_buckets
from portal.provisioner.placing import LOOK_AGAIN_S, Placing, Room, choose
from schema.database import Sessions, create_engine_for, reading, sessions_for
from schema.models import Inverter, MoveState, Owner, OwnerMove, OwnerPlacement, Placement, PlacementState
from tests.databases import bring_up_to_date

pytestmark = pytest.mark.integration
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
A, B, C = "http://a:8086", "http://b:8086", "http://c:8086"


@dataclass
class Town:
    """A database of owners with places."""

    sessions: Sessions

    async def owner(self, *, inverters: int = 1, server: str = "", org_id: str = "") -> UUID:
        """A newcomer; with a ``server`` and ``org_id`` somebody who has been there for long."""
        owner_id, state = uuid4(), PlacementState.READY if org_id else PlacementState.PENDING
        async with self.sessions.begin() as session:
            session.add(Owner(id=owner_id, name="x", created_at=NOW))
            await session.flush()
            session.add(OwnerPlacement(owner_id=owner_id, server=server, org_id=org_id, state=state, updated_at=NOW))
            for _ in range(inverters):
                inverter_id = uuid4()
                session.add(Inverter(id=inverter_id, owner_id=owner_id, name="x", serial="S23456", created_at=NOW))
                await session.flush()
                session.add(Placement(inverter_id=inverter_id, updated_at=NOW))
        return owner_id

    async def place(self, owner_id: UUID) -> OwnerPlacement:
        """The row as it stands."""
        async with reading(self.sessions) as session:
            return (await session.scalars(select(OwnerPlacement).where(OwnerPlacement.owner_id == owner_id))).one()

    def placing(self, *rooms: Room) -> Placing:
        """A provisioner that knows these servers."""
        return Placing(self.sessions, rooms, now=lambda: NOW)


@pytest.fixture
async def town(database_url: str) -> AsyncGenerator[Town, None]:
    """On both databases: counting is the database's work."""
    engine = create_engine_for(database_url)
    await bring_up_to_date(engine)
    yield Town(sessions_for(engine))
    await engine.dispose()


def test_the_least_used_share_wins_and_the_first_of_equals() -> None:
    """Shares, not counts: a large server takes more. A closed or full one takes nobody."""
    rooms = [Room(A, 100), Room(B, 1000), Room(C, 1000, open=False)]

    assert choose(rooms, {}, 1) == rooms[0]
    assert choose(rooms, {A: 10, B: 90}, 1) == rooms[1]
    assert choose(rooms, {A: 10, B: 110}, 1) == rooms[0]
    assert choose(rooms, {A: 99, B: 1000}, 2) is None


async def test_newcomers_spread_over_the_servers_and_count_with_what_is_to_come(town: Town) -> None:
    """Several at once: each counts for the next one, with inverters that wait, and with one where there is none yet."""
    placing = town.placing(Room(A, 4), Room(B, 8))
    for inverters in (1, 0, 1, 0, 1, 0):
        await town.owner(inverters=inverters)

    again_s = await placing.turn()
    async with reading(town.sessions) as session:
        used = await used_buckets(session)
    large = await town.owner(inverters=3)
    await placing.turn()

    assert again_s is None
    assert used == {A: 2, B: 4}
    assert (await town.place(large)).server == B


async def test_where_all_are_full_owners_wait_with_a_sentence_until_there_is_room(town: Town) -> None:
    """Pending, with what an administrator can do; a server that was added takes them at once."""
    await town.owner(server=A, org_id="0a", inverters=2)
    waiting = await town.owner(inverters=1)

    again_s = await town.placing(Room(A, 2), Room(B, 50, open=False)).turn()
    held = await town.place(waiting)
    await town.placing(Room(A, 2), Room(B, 50)).turn()
    helped = await town.place(waiting)

    assert again_s == LOOK_AGAIN_S
    assert held.server == ""
    assert held.last_error == (
        f"No InfluxDB server has room for 1 more buckets ({A}: 2 of 2). Add one to INFLUX_SERVERS, "
        "or give one more capacity (docs/capacity.md)."
    )
    assert (helped.server, helped.last_error) == (B, "")


async def test_without_an_open_server_nobody_new_is_placed(town: Town) -> None:
    """An operator may close all of them; the sentence says so."""
    waiting = await town.owner()

    await town.placing(Room(A, 50, open=False)).turn()

    assert (await town.place(waiting)).last_error.startswith("No InfluxDB server takes new owners")


async def test_a_server_nobody_has_a_token_for_is_named_and_a_mistyped_one_chosen_anew(town: Town) -> None:
    """Where something was made there, only the operator can say where that server is now; else any other will do."""
    begun, mistyped = await town.owner(server=C), await town.owner(server=C)
    async with town.sessions.begin() as session:
        row = await session.get_one(OwnerPlacement, begun)
        row.org_id = "0a"

    again_s = await town.placing(Room(A, 50)).turn()

    assert again_s == LOOK_AGAIN_S
    assert (await town.place(begun)).last_error == f"no operator token for the server {C}"
    assert (await town.place(mistyped)).server == A


async def test_an_owner_on_the_move_counts_on_both_servers(town: Town) -> None:
    """What is copied needs its room there before it is, and leaves room here only once it is cleaned away."""
    mover = await town.owner(server=A, org_id="0a", inverters=3)
    async with town.sessions.begin() as session:
        session.add(OwnerMove(owner_id=mover, server=B, started_at=NOW, updated_at=NOW))

    async with reading(town.sessions) as session:
        begun = await used_buckets(session)
    async with town.sessions.begin() as session:
        row = await session.get_one(OwnerMove, mover)
        row.state = MoveState.CANCELLED
    async with reading(town.sessions) as session:
        cancelled = await used_buckets(session)

    assert (begun, cancelled) == ({A: 3, B: 3}, {A: 3})
