"""Owners move from one InfluxDB server to another: nothing acknowledged is lost, nothing is there twice."""

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from bridge.edges.registry_rows import every_login
from bridge.records import unpack
from portal.provisioner import move
from schema.models import MoveState, MoveWish, PlacementState
from schema.timeseries.port import StoreMisconfigured
from tests.estate import Held, InInflux
from tests.mortality import Killed, Mortality
from tests.movers import Movers, movers
from tests.store_set_ups import DAY

pytestmark = pytest.mark.integration
WAYS = ("fake to fake", "real to fake", "fake to real")
MINUTE = timedelta(minutes=1)


@pytest.fixture(params=WAYS)
async def every_way(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Movers]:
    """Each pair of servers in turn."""
    async with movers(request.param, request, tmp_path) as made:
        yield made


@pytest.fixture
async def there(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Movers]:
    """Two fake servers."""
    async with movers("fake to fake", request, tmp_path) as made:
        yield made


async def test_an_owner_moves_with_everything_he_has(every_way: Movers) -> None:
    """Readings of years and of outsiders, deleted inverters too; afterwards the old server has nothing of him."""
    there = every_way
    held = await there.settled(days=5)
    gone = await there.place.inverter(held.owner_id)
    await there.place.provisioner().turn()
    await there.write(gone, DAY, 7.0)
    await there.place.delete(gone, grace=timedelta(days=30))
    before = await there.shown(held)
    await there.ask(held.owner_id)

    await there.settle()

    row, (home, _) = await there.row(held.owner_id), await there.place.rows(held)
    assert home is not None
    assert (row.state, row.last_error, home.state) == (MoveState.DONE, "", PlacementState.READY)
    assert (home.server, row.server) == (there.other.url, there.place.store.url)
    assert await there.shown(held) == before == there.written[held.inverter_id]
    assert await there.shown(gone) == {DAY: 7.0}
    second = await there.second(held)
    assert (second.points, second.total) == (15, 15)
    await there.wish(held.owner_id, MoveWish.CLEAN)
    await there.settle(turns=1)
    assert await there.place.in_influx(held, gone) == InInflux([], [], [])
    found = await there.at_the_other(held, gone)
    assert (len(found.organisations), len(found.buckets), len(found.tokens)) == (1, 2, 5)
    row = await there.row(held.owner_id)
    assert (row.state, row.org_id, row.read_token_sealed) == (MoveState.DONE, "", None)


async def test_what_outsiders_wrote_is_copied_as_it_is(every_way: Movers) -> None:
    """Any measurement, tag, type and text: the second copy of the first is the same to the byte."""
    there = every_way
    held = await there.settled(days=1)
    outside = await there.destination(held, "external")
    at_ms = int(DAY.timestamp() * 1000) - 123
    line = rf'notes,kind=a\ b,where=x\,y\=z text="say \"hi\", done",ok=true,n=-5i,f=0.1 {at_ms}'
    lines = [line.encode()]
    await there.place.store.writer.write(outside, lines)
    await there.ask(held.owner_id)

    await there.settle()

    home, box = await there.place.rows(held)
    row, second = await there.row(held.owner_id), await there.second(held)
    assert home is not None
    assert box is not None
    kept = await there.all_of(held, row, second.bucket_name)
    assert await there.all_of(held, home, box.bucket_name) == kept
    assert len(kept) == 7
    text = next(row for row in kept if row["_field"] == "text")
    assert (text["_value"], text["#kind"], text["where"]) == ('say "hi", done', "string", "x,y=z")


async def test_new_readings_go_on_into_the_first_place_until_the_switch(there: Movers) -> None:
    """Whatever the moment, the page shows everything, and the bridge writes where the page reads or not at all."""
    held = await there.settled()
    await there.ask(held.owner_id)
    for boundary in count(1):
        try:
            await there.moving(Mortality(boundary)).turn()
        except Killed:
            home, _ = await there.place.rows(held)
            assert home is not None
            if home.state == PlacementState.READY:
                await there.write(held, DAY + boundary * MINUTE, float(boundary))
            assert await placed(there, held) == (home.state == PlacementState.READY)
            assert await there.shown(held) == there.written[held.inverter_id]
            continue
        break

    assert boundary > 10
    assert (await there.row(held.owner_id)).state == MoveState.SWITCHED
    assert await there.shown(held) == there.written[held.inverter_id]


async def test_whoever_keeps_a_token_is_told_of_the_move_once_it_is_done(there: Movers) -> None:
    """Of the inverters whose write token a program has fetched, and not before the two places have changed sides."""
    held = await there.settled()
    quiet = await there.place.inverter(held.owner_id)
    await there.place.provisioner().turn()
    await there.token_read(held)
    before = await there.told_of_moves()
    await there.ask(held.owner_id)
    await there.settle()

    assert (before, await there.told_of_moves()) == ([], [held.inverter_id])
    assert quiet.inverter_id != held.inverter_id


async def placed(there: Movers, held: Held) -> bool:
    """Whether the bridge has a place for the inverter's readings; without one it keeps them in its spool."""
    async for records in every_login(there.place.sessions):
        for record in records.values():
            for feed in unpack(record):
                if feed.inverter_id == held.inverter_id.bytes:
                    return feed.placed
    raise AssertionError("no login speaks of it")


async def test_whoever_comes_after_a_kill_ends_the_move(every_way: Movers) -> None:
    """Killed at a boundary (each 37th one, all of them where SEEDS asks for the long form): what was acknowledged
    meanwhile is there once, the old server has nothing left, and no second organisation or bucket came about.
    """
    there, stride = every_way, 1 if "SEEDS" in os.environ else 37
    for dies_at in count(1, stride):
        held = await there.settled(days=2)
        await there.ask(held.owner_id)
        alive = True
        try:
            moving = there.moving(Mortality(dies_at))
            await moving.turn()
            there.place.now += timedelta(minutes=2)
            await moving.turn()
            await there.wish(held.owner_id, MoveWish.CLEAN)
            await moving.turn()
        except Killed:
            alive = False
        home, _ = await there.place.rows(held)
        assert home is not None
        if home.state == PlacementState.READY:
            await there.write(held, DAY + MINUTE, 5.0)
        await there.wish(held.owner_id, MoveWish.CLEAN)
        await there.settle(turns=3)

        assert (await there.row(held.owner_id)).last_error == ""
        assert await there.shown(held) == there.written[held.inverter_id]
        assert await there.place.in_influx(held) == InInflux([], [], [])
        found = await there.at_the_other(held)
        assert (len(found.organisations), len(found.buckets), len(found.tokens)) == (1, 1, 3)
        if alive:
            break

    assert dies_at > 40


async def test_a_move_that_is_called_off_leaves_everything_as_it_was(there: Movers) -> None:
    """At any moment before the switch: same rows, same tokens, readings go on, the second place is gone."""
    for dies_at in count(1, 16):
        held = await there.settled(days=2)
        before = await columns(there, held)
        await there.ask(held.owner_id)
        try:
            await there.moving(Mortality(dies_at)).turn()
        except Killed:
            switched = (await there.row(held.owner_id)).state == MoveState.SWITCHED
        else:
            switched = True
        if switched:
            break
        await there.wish(held.owner_id, MoveWish.CANCEL)
        await there.settle(turns=2)

        assert await columns(there, held) == before
        await there.write(held, DAY + MINUTE, 5.0)
        assert await there.shown(held) == there.written[held.inverter_id]
        assert await there.at_the_other(held) == InInflux([], [], [])
        row = await there.row(held.owner_id)
        assert (row.state, row.org_id, row.last_error) == (MoveState.CANCELLED, "", "")

    assert dies_at > 20


async def columns(there: Movers, held: Held) -> list[object]:
    """Where the readings are, with tokens and states."""
    home, box = await there.place.rows(held)
    return [
        getattr(row, name)
        for row in (home, box)
        for name in row.__table__.columns.keys()  # type: ignore[union-attr]  # noqa: SIM118  # a collection, no dict
        if name != "updated_at"
    ]


async def test_what_was_under_way_into_the_old_place_is_fetched_and_overwrites_nothing(there: Movers) -> None:
    """A write that lands after the switch, and one that is refused and comes again; newer values stay."""
    held = await there.settled()
    late, outside = await there.destination(held), await there.destination(held, "external")
    await there.ask(held.owner_id)
    await there.moving().turn()
    await there.write(held, DAY + MINUTE, 2.0)
    await there.write_to(late, DAY + MINUTE, 1.0)
    await there.write_to(late, DAY + 2 * MINUTE, 3.0)
    there.written[held.inverter_id][DAY + 2 * MINUTE] = 3.0
    assert (await there.row(held.owner_id)).state == MoveState.SWITCHED

    there.place.now += move.SETTLING
    moving = there.moving()
    await moving.turn()

    assert await there.shown(held) == there.written[held.inverter_id]
    with pytest.raises(StoreMisconfigured):
        await there.write_to(late, DAY + 3 * MINUTE, 4.0)
    await there.write_to(outside, DAY + 4 * MINUTE, 5.0)
    there.place.now += timedelta(hours=1)
    await moving.turn()
    there.written[held.inverter_id][DAY + 4 * MINUTE] = 5.0
    assert await there.shown(held) == there.written[held.inverter_id]
    await there.write_to(outside, DAY + 5 * MINUTE, 6.0)
    there.place.now += move.GRACE
    await moving.turn()
    there.written[held.inverter_id][DAY + 5 * MINUTE] = 6.0
    assert await there.shown(held) == there.written[held.inverter_id]
    with pytest.raises(StoreMisconfigured):
        await there.write_to(outside, DAY + 6 * MINUTE, 7.0)


async def test_a_server_that_goes_away_holds_readings_back_no_longer_than_it_must(there: Movers) -> None:
    """The new one is away while everything is compared: the bridge writes into the old place again, and the page says
    why the move waits.
    """
    held = await there.settled()
    await there.ask(held.owner_id)
    for boundary in count(1):
        with pytest.raises(Killed):
            await there.moving(Mortality(boundary)).turn()
        home, _ = await there.place.rows(held)
        assert home is not None
        if home.state == PlacementState.MOVING:
            break
    await there.other.server.leave()

    await there.moving().turn()

    row, (home, _) = await there.row(held.owner_id), await there.place.rows(held)
    assert home is not None
    assert (row.state, home.state) == (MoveState.COPYING, PlacementState.READY)
    assert "ClientConnectorError" in row.last_error
    await there.write(held, DAY + MINUTE, 5.0)
    await there.other.server.come_back()
    await there.settle()
    assert await there.shown(held) == there.written[held.inverter_id]


async def test_an_inverter_that_is_erased_meanwhile_stops_no_move(there: Movers) -> None:
    """Both of its buckets go; the others of its owner arrive."""
    held = await there.settled()
    leaving = await there.place.inverter(held.owner_id)
    await there.place.provisioner().turn()
    await there.ask(held.owner_id)
    with pytest.raises(Killed):
        await there.moving(Mortality(45)).turn()
    await there.place.delete(leaving)
    elsewhere = there.erasing_there()

    for _ in range(5):
        await there.place.settle(there.place.provisioner(), turns=1)
        await elsewhere.turn()
        await there.moving().turn()

    assert (await there.place.rows(leaving))[1] is None
    assert (await there.row(held.owner_id)).state in (MoveState.SWITCHED, MoveState.DONE)
    assert await there.shown(held) == there.written[held.inverter_id]
    for found in (await there.at_the_other(leaving), await there.place.in_influx(leaving)):
        # His organisation and its read token are his others' too.
        assert (found.buckets, len(found.tokens)) == ([], 1)
