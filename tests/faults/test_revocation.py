"""A login is withdrawn, or a serial changes hands, in the middle of a stream: nothing changes sides, nothing is lost.

Each request to the store is recorded with the registry's version that was applied when it began. A revocation is
recorded as applied when the directory has its version: requests that begin later hold nothing of that login.
"""

import asyncio
import random
import sqlite3
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from bridge.app import Bridge
from schema.changes import registry_changed
from schema.models import Feed, Inverter, Login, Owner, OwnerPlacement, Placement, PlacementState
from schema.timeseries.port import Destination, StoreUnavailable
from schema.verifiers import new_login
from tests.bridge_set_up import SECRET, Home, Paired, Publisher, bridge, home
from tests.broker import broker
from tests.ledger import Ledger
from tests.waiting import until, until_async

pytestmark = pytest.mark.faults


@pytest.fixture
async def place(tmp_path: Path, database_url: str) -> AsyncIterator[Home]:
    """A database of each kind beside a broker."""
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server, database_url) as made:
            yield made


@dataclass
class Attempt:
    """One request: where to, what, and the version that was applied when it began."""

    inverter_id: UUID
    lines: Sequence[bytes]
    version: int


class SlowStore:
    """Takes its time for every request, remembers each, and may be away or hang."""

    durable = True

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.written: list[tuple[UUID, bytes]] = []
        self.bridge: Bridge | None = None
        self.away = False
        self.answers = asyncio.Event()
        self.answers.set()

    async def write(self, destination: Destination, lines: Sequence[bytes]) -> None:
        """Remember, wait, write."""
        assert self.bridge is not None
        version = self.bridge.registry.directory.version
        self.attempts.append(Attempt(destination.inverter_id, list(lines), version))
        await asyncio.sleep(0.01)
        await self.answers.wait()
        if self.away:
            raise StoreUnavailable("away")
        self.written.extend((destination.inverter_id, line) for line in lines)

    async def close(self) -> None:
        """Nothing to close."""

    def lines(self, paired: Paired) -> set[bytes]:
        """Distinct lines the inverter's place has got."""
        return {line for inverter_id, line in self.written if inverter_id == paired.inverter_id}


async def _all_ended(place: Home, one: Bridge, store: SlowStore, ledgers: Sequence[Ledger]) -> tuple[int, int]:
    """Wait until every acknowledged message is in the store or counted as a dead letter; how many are which."""

    async def ended() -> tuple[int, int] | None:
        stored = sum(len(store.lines(ledger.paired)) for ledger in ledgers)
        refused = sum(letter.count for letter in await place.letters())
        total = sum(len(ledger.sent) for ledger in ledgers)
        return (stored, refused) if stored + refused == total and not len(one.session.window) else None

    for ledger in ledgers:
        await ledger.acknowledged()
    found = await until_async(ended, limit_s=40.0)
    assert found is not None
    # What was replayed leaves the spool with the commit after the store's answer.
    await until(lambda: not any(_spooled(place, ledger.paired) for ledger in ledgers))
    return found


@pytest.mark.parametrize("store_is", ["slow", "hanging", "away"])
async def test_after_a_revocation_is_applied_nothing_of_the_login_is_stored(place: Home, store_is: str) -> None:
    """Requests that begin with the new version hold none of its lines; all of it is stored or a dead letter. A request
    under way may finish. What the spool had was acknowledged before, and is stored when the store is back.
    """
    seed = random.randrange(1_000_000)
    sys.stdout.write(f"seed {seed}\n")
    dice = random.Random(seed)
    alice, bob = await place.pair(), await place.pair(serial="2722222222")
    hers, his = Ledger(alice), Ledger(bob)
    store = SlowStore()
    async with (
        bridge(place, store) as one,
        Publisher(place.broker, alice.login) as logger,
        Publisher(place.broker, bob.login) as neighbour,
    ):
        store.bridge = one
        store.away = store_is == "away"
        hers.throw(logger, 600)
        his.throw(neighbour, 100)
        goal = dice.randrange(50, 400)
        await until(lambda: one.session.window.settled > goal)
        if store_is == "hanging":
            store.answers.clear()
            hers.throw(logger, 200)
            await hers.acknowledged()
        version = await _revoke(place, alice)
        hers.throw(logger, 100)
        await until(lambda: one.registry.directory.version >= version)
        hers.throw(logger, 50)
        await until(lambda: not one.keeper.pending)
        kept, kept_later = _spooled(place, alice), _spooled(place, alice, version)
        store.away = False
        store.answers.set()
        stored, refused = await _all_ended(place, one, store, [hers, his])
        later = [
            line
            for attempt in store.attempts
            if attempt.version >= version and attempt.inverter_id == alice.inverter_id
            for line in attempt.lines
        ]
        reasons = {letter.reason for letter in await place.letters()}

    assert kept_later == set()
    assert set(later) <= kept
    assert len(store.lines(bob)) == 100
    assert stored >= goal
    assert bool(kept) == (store_is == "away")
    assert refused >= (200 if store_is == "hanging" else 50)
    assert reasons == {"revoked_login"}


def _spooled(place: Home, paired: Paired, version: int = 0) -> set[bytes]:
    """The inverter's lines that the spool has now, of those that were handed to it with this version or a later one."""
    with sqlite3.connect(place.settings.spool_path) as spool:
        rows = spool.execute("SELECT body FROM record WHERE version >= ?", (version,)).fetchall()
    spool.close()
    return {bytes(row[0]) for row in rows if paired.serial.encode() in bytes(row[0])}


async def _revoke(place: Home, paired: Paired) -> int:
    async with place.sessions() as session, session.begin():
        version = await registry_changed(session, inverter_id=paired.inverter_id)
        gone = update(Login).where(Login.name == paired.login)
        await session.execute(gone.values(revoked_at=datetime.now(UTC)))
    return version


async def test_a_serial_that_changes_hands_takes_no_reading_with_it(place: Home) -> None:
    """Alice's inverter is Bob's from one version on; the device goes on with her login for a while and then uses his.
    No request of a later version goes to her, none of an earlier one to him.
    """
    alice = await place.pair(serial="2711111111")
    hers = Ledger(alice)
    store = SlowStore()
    async with bridge(place, store) as one, Publisher(place.broker, alice.login) as before:
        store.bridge = one
        hers.throw(before, 400)
        await until(lambda: one.session.window.settled > 100)
        bob, version = await _hand_over(place, alice)
        hers.throw(before, 50)
        await until(lambda: one.registry.directory.version >= version)
        hers.throw(before, 50)
        his = Ledger(bob, seconds_ago=20_000)
        async with Publisher(place.broker, bob.login) as after:
            his.throw(after, 100)
            stored, refused = await _all_ended(place, one, store, [hers, his])
        async with place.sessions() as session:
            holder = (await session.scalars(select(Inverter.id).where(Inverter.active_serial == "2711111111"))).one()

    assert {attempt.inverter_id for attempt in store.attempts if attempt.version >= version} == {bob.inverter_id}
    assert {attempt.inverter_id for attempt in store.attempts if attempt.version < version} == {alice.inverter_id}
    assert len(store.lines(bob)) == 100
    assert refused >= 50
    assert stored + refused == 600
    assert holder == bob.inverter_id


async def _hand_over(place: Home, paired: Paired) -> tuple[Paired, int]:
    """In one transaction: her inverter is deleted and its login withdrawn, his of the same serial is paired."""
    now, login, owner_id, inverter_id = datetime.now(UTC), new_login(), uuid4(), uuid4()
    async with place.sessions() as session, session.begin():
        version = await registry_changed(session)
        await session.execute(update(Login).where(Login.name == paired.login).values(revoked_at=now))
        gone = update(Inverter).where(Inverter.id == paired.inverter_id)
        await session.execute(gone.values(deleted_at=now, active_serial=None))
        session.add(Owner(id=owner_id, name="Bob", created_at=now))
        await session.flush()
        session.add(OwnerPlacement(owner_id=owner_id, state=PlacementState.READY, updated_at=now))
        session.add(Inverter(id=inverter_id, owner_id=owner_id, name="r", serial=paired.serial, created_at=now))
        session.add(Login(name=login, owner_id=owner_id, verifier="-", registry_version=version, created_at=now))
        await session.flush()
        session.add(Feed(login=login, inverter_id=inverter_id))
        session.add(Placement(inverter_id=inverter_id, state=PlacementState.READY, updated_at=now))
    place.broker.allow({login: SECRET})
    return Paired(owner_id, inverter_id, login, paired.serial), version
