"""What every store refuses, and what the refusal tells the writer: the same suite on all three."""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schema.timeseries.port import PointsRefused, StoreError, StoreMisconfigured, StoreUnavailable
from tests.store_set_ups import ALICE, BOB, DAY, STORES, Place, StoreSetUp, encoded, opened, reading

pytestmark = pytest.mark.integration

SPAN = (DAY, DAY + timedelta(days=1))


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoreSetUp]:
    """Each store in turn."""
    async with opened(request.param, request, tmp_path) as set_up:
        yield set_up


@pytest.fixture(params=STORES[1:])
async def influx(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoreSetUp]:
    """Each store that has organisations and tokens, in turn."""
    async with opened(request.param, request, tmp_path) as set_up:
        yield set_up


async def powers(store: StoreSetUp, place: Place) -> list[float]:
    """Everything the inverter ever said of its power, second by second."""
    windows = await store.reader.windows(place.source, ["ac_power"], *SPAN, 1)
    return [window.means["ac_power"] for window in windows]


async def halved(store: StoreSetUp, place: Place, lines: list[bytes]) -> list[bytes]:
    """Write as the bridge does: halve what is refused, down to the lines that never can be stored."""
    try:
        await store.writer.write(place.destination, lines)
    except PointsRefused:
        if len(lines) == 1:
            return lines
        middle = len(lines) // 2
        return [*await halved(store, place, lines[:middle]), *await halved(store, place, lines[middle:])]
    return []


async def answer(asked: Awaitable[Any]) -> Any:
    """What was answered, or the kind of refusal."""
    try:
        return await asked
    except StoreError as refusal:
        return type(refusal)


@pytest.mark.parametrize(
    "bad",
    [
        b"reading,serial=A1 ac_power=watt 1",
        b"reading,serial=A1 ac_power=nan 1",
        b"reading,serial=A1 ac_power=1e400 1",
        b"reading,serial=A1 ac_power=1_0 1",
        b"reading,serial=A1 ac_power=+1 1",
        b"reading,serial=A1 status=9223372036854775808i 1",
        b"reading,serial=A1\\ ac_power=1 1",
        b"reading,serial=A1\\\\ ac_power=1 1",
        b"reading,serial= ac_power=1 1",
        b"reading,serial=A1 ac_power=1 9223372036855",
        b"reading,serial=A1  1",
        b"not a line",
    ],
)
async def test_a_line_that_is_none_refuses_the_whole_write(store: StoreSetUp, bad: bytes) -> None:
    """Nothing is written, so the caller may halve without asking what landed."""
    place = await store.place(ALICE)
    good = encoded(*(reading(DAY + timedelta(seconds=second), ac_power=1.0) for second in range(2)))

    with pytest.raises(PointsRefused) as refused:
        await store.writer.write(place.destination, [good[0], bad, good[1]])

    assert refused.value.status == 400
    assert await powers(store, place) == []


async def test_a_refused_point_does_not_hold_back_its_neighbours(store: StoreSetUp) -> None:
    """Halving ends with the bad lines alone and everything else stored."""
    place = await store.place(ALICE)
    bad = [b"reading,serial=A1 ac_power=watt 1", b"no line"]
    good = encoded(*(reading(DAY + timedelta(seconds=second), ac_power=float(second)) for second in range(9)))

    refused = await halved(store, place, [*good[:4], bad[0], *good[4:8], bad[1], good[8]])

    assert refused == bad
    assert await powers(store, place) == [float(second) for second in range(9)]


@pytest.mark.parametrize(
    ("first", "conflicting"),
    [
        (b"reading,serial=A1 status=2i %d", b"reading,serial=A1 status=3 %d"),
        (b"reading,serial=A1 ac_power=2 %d", b"reading,serial=A1 ac_power=3i %d"),
    ],
)
async def test_a_field_keeps_its_type(store: StoreSetUp, first: bytes, conflicting: bytes) -> None:
    """States stay integers and measured values floats: a line that would change that is refused with 422."""
    place = await store.place(ALICE)
    at_ms = int(DAY.timestamp() * 1000)
    await store.writer.write(place.destination, [first % at_ms])

    with pytest.raises(PointsRefused) as refused:
        await store.writer.write(place.destination, [conflicting % (at_ms + 1000)])

    assert refused.value.status == 422
    latest = await store.reader.latest(place.source, DAY)
    assert [sample.value for sample in latest.values()] == [2.0]


async def test_a_type_conflict_leaves_its_neighbours_to_be_stored_by_halving(store: StoreSetUp) -> None:
    """422 may have written the others already; writing them again is no harm."""
    place = await store.place(ALICE)
    at_ms = int(DAY.timestamp() * 1000)
    lines = [b"reading,serial=A1 ac_power=%d %d" % (second, at_ms + 1000 * second) for second in range(6)]
    conflict = b"reading,serial=A1 ac_power=9i %d" % (at_ms + 9000)

    refused = await halved(store, place, [*lines[:3], conflict, *lines[3:]])

    assert refused == [conflict]
    assert await powers(store, place) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


async def test_nobody_writes_to_a_stranger(store: StoreSetUp) -> None:
    """Alice's own credentials with Bob's place: refused as a mix-up, and nothing is there."""
    alice, bob = await store.place(ALICE), await store.place(BOB)
    await store.write(bob, reading(DAY, ac_power=1.0))
    mixed = replace(bob.destination, owner_id=ALICE, token=alice.destination.token)

    with pytest.raises(StoreMisconfigured) as refused:
        await store.writer.write(mixed, encoded(reading(DAY, ac_power=666.0)))

    assert refused.value.status in {403, 404}
    assert await powers(store, bob) == [1.0]
    assert await powers(store, alice) == []


async def test_nobody_reads_a_stranger(store: StoreSetUp) -> None:
    """Bob with Alice's inverter and his own credentials sees nothing of hers, whichever organisation he names."""
    alice, bob = await store.place(ALICE), await store.place(BOB)
    await store.write(alice, reading(DAY, ac_power=1.0, total_energy=5.0))
    hers = replace(alice.source, owner_id=BOB, token=bob.source.token)

    for source in (hers, replace(hers, org_id=bob.source.org_id)):
        assert await answer(store.reader.latest(source, DAY)) in ({}, StoreMisconfigured)
        assert await answer(store.reader.windows(source, ["ac_power"], *SPAN, 60)) in ([], StoreMisconfigured)
        days = await answer(store.reader.counter_days(source, "total_energy", [SPAN]))
        assert days is StoreMisconfigured or [day.maximum for day in days] == [None]

    assert await powers(store, alice) == [1.0]


async def test_two_owners_and_two_inverters_never_meet(store: StoreSetUp) -> None:
    """The same serial, the same instants: four histories."""
    places = [await store.place(owner) for owner in (ALICE, ALICE, BOB, BOB)]

    for number, place in enumerate(places):
        await store.write(place, reading(DAY, ac_power=float(number)))

    assert [await powers(store, place) for place in places] == [[0.0], [1.0], [2.0], [3.0]]


async def test_an_absent_store_is_unavailable_and_keeps_what_it_had(store: StoreSetUp) -> None:
    """Points wait with the caller; when the store is back it takes them and still has the old ones."""
    place = await store.place(ALICE)
    await store.write(place, reading(DAY, ac_power=1.0))
    later = reading(DAY + timedelta(seconds=1), ac_power=2.0)

    await store.server.leave()
    with pytest.raises(StoreUnavailable):
        await store.write(place, later)
    await store.server.come_back()
    await store.write(place, later)

    assert await powers(store, place) == [1.0, 2.0]


async def test_a_closed_store_says_so(store: StoreSetUp) -> None:
    """Nobody waits for ever on a store that was closed."""
    place = await store.place(ALICE)
    await store.writer.close()
    await store.reader.close()

    assert await answer(store.write(place, reading(DAY, ac_power=1.0))) is StoreUnavailable
    assert await answer(store.reader.latest(place.source, DAY)) is StoreUnavailable


async def test_no_other_text_reaches_a_query(store: StoreSetUp) -> None:
    """A quantity is a catalogue name or a sanitised extra, whoever asks."""
    place = await store.place(ALICE)
    hostile = 'ac_power") or r._field == ("'

    with pytest.raises(ValueError, match="no quantity"):
        await store.reader.windows(place.source, [hostile], *SPAN, 60)
    with pytest.raises(ValueError, match="no quantity"):
        await store.reader.counter_days(place.source, hostile, [SPAN])


async def test_a_point_older_than_the_retention_is_refused(influx: StoreSetUp) -> None:
    """It can never be stored: 422, and its neighbour is."""
    place = await influx.place(ALICE, retention_s=7 * 86_400)
    old = encoded(reading(DAY - timedelta(days=30), ac_power=1.0))
    fresh = encoded(reading(DAY, ac_power=2.0))

    refused = await halved(influx, place, [*old, *fresh])

    assert refused == old
    assert await powers(influx, place) == [2.0]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"token": "nobody's"}, 401),
        ({"token": ""}, 401),
        ({"token": "two\nlines"}, 401),
        ({"org_id": "0123456789abcdef"}, 404),
        ({"bucket_id": "0123456789abcdef"}, 404),
        ({"bucket_id": "../../evil"}, 404),
        ({"org_id": "", "bucket_id": ""}, 404),
        ({"server": "not a url"}, 404),
    ],
)
async def test_a_wrong_credential_or_place_is_misconfigured(
    influx: StoreSetUp, changes: dict[str, Any], status: int
) -> None:
    """Each of these parks the destination; none of them is retried as if the store were away."""
    place = await influx.place(ALICE)

    with pytest.raises(StoreMisconfigured) as refused:
        await influx.writer.write(replace(place.destination, **changes), encoded(reading(DAY, ac_power=1.0)))

    assert refused.value.status == status


@pytest.mark.parametrize(
    "changes", [{"token": "nobody's"}, {"org_id": "0123456789abcdef"}, {"bucket_name": "none"}, {"bucket_name": '"'}]
)
async def test_a_reader_with_a_wrong_credential_or_place_is_misconfigured(
    influx: StoreSetUp, changes: dict[str, Any]
) -> None:
    """The page can say that the credential is wrong, not that the inverter is silent."""
    place = await influx.place(ALICE)

    with pytest.raises(StoreMisconfigured):
        await influx.reader.latest(replace(place.source, **changes), DAY)


async def test_a_read_token_cannot_write_and_a_write_token_cannot_read(influx: StoreSetUp) -> None:
    """Who gets hold of one of them gets no more than it was for."""
    place = await influx.place(ALICE)
    await influx.write(place, reading(DAY, ac_power=1.0))

    write = influx.writer.write(
        replace(place.destination, token=place.source.token), encoded(reading(DAY, ac_power=2.0))
    )
    read = influx.reader.latest(replace(place.source, token=place.destination.token), DAY)

    assert (await answer(write), await answer(read)) == (StoreMisconfigured, StoreMisconfigured)
    assert await powers(influx, place) == [1.0]
