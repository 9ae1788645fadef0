"""Who is refused and what is set aside, on real parts: nothing of one owner reaches another; faults have reasons."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from schema.models import ClaimState, Inverter, Rung, SerialAlias
from tests.bridge_set_up import Home, Publisher, bridge, home, outcomes, reached, settled
from tests.broker import broker
from tests.waiting import until, until_async

pytestmark = pytest.mark.integration


@pytest.fixture
async def place(tmp_path: Path, database_url: str) -> AsyncIterator[Home]:
    """A database of each kind beside a broker."""
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server, database_url) as made:
            yield made


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Home]:
    """Where the kind of the database makes no difference."""
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server) as made:
            yield made


async def test_two_owners_see_nothing_of_each_other(place: Home) -> None:
    """Publishing to a foreign topic: nothing delivered. Naming a foreign serial: stored with him who sent it, and that
    serial becomes no alias of his.
    """
    alice = await place.pair(serial="2711111111")
    bob = await place.pair(serial="2722222222")
    async with (
        bridge(place) as one,
        Publisher(place.broker, alice.login) as hers,
        Publisher(place.broker, bob.login) as his,
    ):
        await hers.send(alice.topic(), {"ac_power": 100.0})
        await settled(one, 1)
        await his.send(alice.topic(), {"ac_power": 666.0})
        await his.send(bob.topic(), {"ac_power": 667.0, "serial": "2711111111"})
        await his.send(bob.topic(), {"ac_power": 200.0})
        await settled(one, 3)
        row = await reached(place, bob, Rung.VALUES_PLAUSIBLE)
        hers_stored, his_stored = await place.latest(alice), await place.latest(bob)
        async with place.sessions() as session:
            aliases = (await session.scalars(select(SerialAlias.serial))).all()
        active = await place.claim(bob)

    assert hers_stored["ac_power"].value == 100.0
    assert his_stored["ac_power"].value == 200.0
    assert outcomes(one) == {"written": 3}
    assert (row.refusal, active, one.counters.aliases_withheld) == ("other_serial", ClaimState.ACTIVE, 1)
    assert alice.serial in row.refusal_detail
    assert aliases == []


async def test_who_claims_a_loggers_serial_shuts_its_owner_out_of_nothing(place: Home) -> None:
    """Bob has paired and proved the serial of Alice's logger before her first message names it."""
    bob = await place.pair(serial="4100000001")
    alice = await place.pair(serial="2711111111")
    async with (
        bridge(place) as one,
        Publisher(place.broker, alice.login) as hers,
        Publisher(place.broker, bob.login) as his,
    ):
        await his.send(bob.topic(), {"ac_power": 666.0, "serial": "4100000001"})
        await settled(one, 1)
        await hers.send(alice.topic(), {"ac_power": 100.0, "serial": "4100000001"})
        await settled(one, 2)
        stored = await place.points(alice)

    assert list(stored.values()) == [100.0]
    assert await place.letters() == []


async def test_a_serial_claimed_twice_is_disputed_and_both_keep_their_watts(place: Home) -> None:
    """The first authenticated reading holds the serial; squatting gains nothing, losing costs nothing."""
    alice = await place.pair(serial="2711111111")
    bob = await place.pair(serial="2711111111")
    async with (
        bridge(place) as one,
        Publisher(place.broker, alice.login) as hers,
        Publisher(place.broker, bob.login) as his,
    ):
        await hers.send(alice.topic(), {"ac_power": 100.0, "serial": "2711111111"})
        await settled(one, 1)
        await his.send(bob.topic(), {"ac_power": 200.0, "serial": "2711111111"})
        await settled(one, 2)
        claims = [await place.claim(paired) for paired in (alice, bob)]
        stored = [sorted((await place.points(paired)).values()) for paired in (alice, bob)]
        async with place.sessions() as session:
            active = (await session.execute(select(Inverter.id, Inverter.active_serial))).all()

    assert claims == [ClaimState.ACTIVE, ClaimState.DISPUTED]
    assert stored == [[100.0], [200.0]]
    assert {(row[0], row[1]) for row in active} == {(alice.inverter_id, "2711111111"), (bob.inverter_id, None)}


async def test_a_loggers_serial_becomes_an_alias_once(place: Home) -> None:
    """A logger's serial is not its inverter's; a second one on the same login is another device."""
    alice = await place.pair(serial="2711111111")
    async with bridge(place) as one, Publisher(place.broker, alice.login) as logger:
        for number, serial in enumerate(("4100000001", "4100000001", "4100000002")):
            await logger.send(alice.topic(), {"ac_power": float(number), "serial": serial})
        await settled(one, 3)
        async with place.sessions() as session:
            aliases = (await session.scalars(select(SerialAlias.serial))).all()
        await until_async(place.letters)
        reasons = [letter.reason for letter in await place.letters()]

    assert aliases == ["4100000001"]
    assert (await place.feed(alice)).device_key == "4100000001"
    assert reasons == ["another_device"]


async def test_a_revoked_login_is_refused_though_the_broker_still_lets_it_in(place: Home) -> None:
    """Nothing more is stored after the registry's change."""
    alice = await place.pair()
    async with bridge(place) as one, Publisher(place.broker, alice.login) as logger:
        await logger.send(alice.topic(), {"ac_power": 1.0})
        await settled(one, 1)
        version = one.registry.directory.version
        await place.revoke(alice)
        await until(lambda: one.registry.directory.version > version)
        await logger.send(alice.topic(), {"ac_power": 2.0})
        await settled(one, 2)
        await until_async(place.letters)
        (letter,) = await place.letters()
        stored = await place.points(alice)

    assert list(stored.values()) == [1.0]
    assert letter.reason == "revoked_login"


async def test_a_deleted_inverter_gets_nothing_more(sqlite: Home) -> None:
    """Its row stays, its feed is gone."""
    alice = await sqlite.pair()
    async with bridge(sqlite) as one, Publisher(sqlite.broker, alice.login) as logger:
        await logger.send(alice.topic(), {"ac_power": 1.0})
        await settled(one, 1)
        version = one.registry.directory.version
        await sqlite.delete(alice)
        await until(lambda: one.registry.directory.version > version)
        await logger.send(alice.topic(), {"ac_power": 2.0})
        await settled(one, 2)
        stored = await sqlite.points(alice)

    assert list(stored.values()) == [1.0]
    assert one.counters.refusals == {"wrong_topic": 1}


async def test_equal_trouble_is_one_letter_with_a_count_and_the_newest_payload(place: Home) -> None:
    """The pages show one row, not a thousand."""
    alice = await place.pair()
    async with bridge(place) as one, Publisher(place.broker, alice.login) as logger:
        for number in range(5):
            await logger.send(alice.topic(), f"not json {number}")
        await settled(one, 5)

        async def counted() -> bool:
            return any(letter.count == 5 for letter in await place.letters())

        await until_async(counted)
        (letter,) = await place.letters()

    assert letter.payload == b"not json 4"
    assert letter.first_seen_at <= letter.last_seen_at
    assert letter.detail.startswith("The message is not a JSON document")


async def test_an_oversized_packet_is_shown_to_its_owner(sqlite: Home) -> None:
    """The broker refuses it; its owner reads why nothing comes."""
    alice = await sqlite.pair()
    async with bridge(sqlite), Publisher(sqlite.broker, alice.login) as logger:
        logger.throw(alice.topic(), b"x" * 2_000_000)

        async def refused() -> bool:
            row = await sqlite.live(alice)
            return row is not None and row.refusal == "too_large"

        await until_async(refused)


BAD_PAYLOADS: list[tuple[str, bytes, str]] = [
    ("reading", b"not json", "not_json"),
    ("reading", b'{"ac_power": 1, "ac_power": 2}', "not_json"),
    ("reading", b'{"ac_power": NaN}', "not_a_number"),
    ("reading", b'{"ac_power": 1e999}', "not_a_number"),
    ("reading", b'{"ac_power": "412.5"}', "not_a_number"),
    ("reading", b'{"ac_power": true}', "not_a_number"),
    ("reading", b"[" * 10_000 + b"]" * 5_000, "too_deep"),
    ("reading", b"x" * 20_000, "too_large"),
    ("reading", b"{}", "no_values"),
    ("reading", b'{"ac_power": 65535}', "implausible"),
    ("day_energy", b"NaN", "not_a_number"),
    ("solar/json", b'{"power": 1}', "wrong_topic"),
    ("reading", b"", ""),
    ("day_energy", b"", ""),
    ("status", b"online", ""),
]


async def test_each_bad_payload_ends_readably_and_delays_nobody(sqlite: Home) -> None:
    """A dead letter with a reason, or no reading at all; after each the neighbour's reading is stored at once."""
    bob = await sqlite.pair(serial="2722222222")
    senders = [await sqlite.pair(serial=f"2700000{number:03}") for number in range(len(BAD_PAYLOADS))]
    async with bridge(sqlite) as one, Publisher(sqlite.broker, bob.login) as his:
        for number, (sender, (tail, payload, _)) in enumerate(zip(senders, BAD_PAYLOADS, strict=True)):
            async with Publisher(sqlite.broker, sender.login) as logger:
                await logger.send(sender.topic(tail), payload)
            await his.send(bob.topic(), {"ac_power": float(number)})
            await settled(one, 2 * number + 2)
            assert (await sqlite.latest(bob))["ac_power"].value == float(number)
        refused = {sender.login: ends for sender, (_, _, ends) in zip(senders, BAD_PAYLOADS, strict=True) if ends}

        async def complete() -> bool:
            return len(await sqlite.letters()) == len(refused)

        await until_async(complete)
        letters = {letter.login: letter.reason for letter in await sqlite.letters()}
        stored = [await sqlite.latest(sender) for sender in senders]

    assert letters == refused
    assert not any(stored)


async def test_a_retained_value_from_before_is_not_a_reading(sqlite: Home) -> None:
    """A bridge that subscribes for the first time must not take yesterday for now."""
    alice = await sqlite.pair()
    async with Publisher(sqlite.broker, alice.login) as logger:
        await logger.send(alice.topic(), {"ac_power": 3000.0}, retain=True)
        async with bridge(sqlite) as one:
            await logger.send(alice.topic(), {"ac_power": 1.0})
            await settled(one, 1)
            points = await sqlite.points(alice)

    assert list(points.values()) == [1.0]
