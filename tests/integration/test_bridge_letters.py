"""Dead letters on real parts: what is repaired ends in the store with its own time; what is not stays, once."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.app import Bridge
from bridge.kept import LETTER_RECORDS, Tally
from bridge.refusals import Reason
from schema.letters import MOST_COUNTED, PayloadForm
from schema.models import LetterAction, RequestState
from tests.bridge_set_up import Home, Paired, Publisher, bridge, home, settled
from tests.broker import broker
from tests.letters_set_up import (
    RefusingStore,
    answered,
    ask,
    carried_out,
    make_known,
    originals,
    points,
    rate,
    shown,
    stranger,
)
from tests.waiting import until, until_async

pytestmark = pytest.mark.integration
REPLAY, PURGE = LetterAction.REPLAY, LetterAction.PURGE


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


async def test_what_came_before_its_login_was_known_is_stored_with_its_time_of_arrival(place: Home) -> None:
    """Documents without a time of their own, replayed later; afterwards nothing is set aside any more."""
    paired, login = await place.pair(), stranger(place)
    async with bridge(place) as one, Publisher(place.broker, login) as logger:
        for watts in (100.0, 200.0, 300.0):
            await logger.send(f"deye/{login}/reading", {"ac_power": watts})
        await settled(one, 3)
        await shown(place, 3)
        before = [(letter.reason, letter.kept, letter.inverter_id) for letter in await place.letters()]
        await make_known(place, login, paired)
        arrived = one.clock.now()

        request = await carried_out(place, REPLAY, reason="unknown_login")
        await shown(place, 0)
        stored = points(place, paired, "ac_power")

    assert before == [("unknown_login", 3, None)]
    assert (request.state, request.chosen, request.done, request.again) == (RequestState.DONE, 3, 3, 0)
    assert request.error == ""
    assert list(stored.values()) == [(100.0,), (200.0,), (300.0,)]
    assert max(stored) < arrived.timestamp() * 1000
    assert originals(place.settings.spool_path) == []
    assert await place.letters() == []


async def test_a_replay_in_vain_leaves_everything_as_it_was(place: Home) -> None:
    """Again and again: the same originals, the same count, nothing grows; the row says what became of them."""
    paired = await place.pair()
    async with bridge(place) as one, Publisher(place.broker, paired.login) as logger:
        for payload in ("{", '{"ac_power": "warm"}', "[]"):
            await logger.send(paired.topic(), payload)
        await settled(one, 3)
        await shown(place, 3)
        before = [(letter.reason, letter.count, letter.kept, letter.first_seen_at) for letter in await place.letters()]

        requests = [await carried_out(place, REPLAY, login=paired.login) for _ in range(3)]
        await shown(place, 3)
        after = [(letter.reason, letter.count, letter.kept, letter.first_seen_at) for letter in await place.letters()]

    assert [(one.state, one.chosen, one.done, one.again) for one in requests] == [(RequestState.DONE, 3, 3, 3)] * 3
    assert sorted(after) == sorted(before)
    assert [payload for _, payload in originals(place.settings.spool_path)] == [b"{", b'{"ac_power": "warm"}', b"[]"]


async def test_a_cycle_of_scalars_is_put_together_as_when_it_came(sqlite: Home) -> None:
    """Two cycles of a client that sends a topic for each value become two readings, as if they had come now."""
    paired, login = await sqlite.pair(), stranger(sqlite)
    async with bridge(sqlite) as one, Publisher(sqlite.broker, login) as logger:
        for watts in (500, 510):
            for tail, value in (("ac/active_power", watts), ("dc/pv1/power", watts + 20), ("day_energy", 1.5)):
                await logger.send(f"deye/{login}/{tail}", str(value))
        await settled(one, 6)
        await make_known(sqlite, login, paired)

        request = await carried_out(sqlite, REPLAY, login=login)
        stored = points(sqlite, paired, "ac_power", "dc_pv1_power")

    assert (request.chosen, request.done, request.again) == (6, 6, 0)
    assert list(stored.values()) == [(500.0, 520.0), (510.0, 530.0)]


async def test_what_the_store_refused_is_written_once_the_store_is_repaired(place: Home) -> None:
    """The store's own answer is kept for the administrator; neighbours were stored meanwhile.

    A zero in that answer, which PostgreSQL takes in no text, does not stop the copies.
    """
    paired = await place.pair()
    store = RefusingStore(place, b"ac_power=666")
    async with bridge(place, store) as one, Publisher(place.broker, paired.login) as logger:
        for watts in (100.0, 666.0, 200.0):
            await logger.send(paired.topic(), {"ac_power": watts})
        await settled(one, 3)
        await shown(place, 1)
        (letter,) = await place.letters()
        in_vain = await carried_out(place, REPLAY, reason="store_refused")
        store.repaired = True
        request = await carried_out(place, REPLAY, reason="store_refused")
        await shown(place, 0)
        stored = points(place, paired, "ac_power")

    assert (letter.form, letter.kept, letter.inverter_id) == (PayloadForm.LINE, 1, paired.inverter_id)
    assert "field type conflict" in letter.response
    assert (in_vain.done, in_vain.again) == (1, 1)
    assert (request.done, request.again) == (1, 0)
    assert list(stored.values()) == [(100.0,), (666.0,), (200.0,)]


async def test_an_old_message_does_not_change_what_is_live(sqlite: Home) -> None:
    """The page shows the newest watts, not the replayed ones; and a replay does not count as received."""
    paired = await sqlite.pair(rated_power_w=800)
    async with bridge(sqlite) as one, Publisher(sqlite.broker, paired.login) as logger:
        await logger.send(paired.topic(), {"ac_power": 5_000.0})
        await settled(one, 1)
        await logger.send(paired.topic(), {"ac_power": 700.0})
        await settled(one, 2)
        await rate(sqlite, paired, 6_000)
        await until(lambda: _rated(one, paired) == 6_000)
        received = one.session.window.received

        request = await carried_out(sqlite, REPLAY, inverter_id=paired.inverter_id)
        stored = points(sqlite, paired, "ac_power")
        live = one.live.newest(paired.inverter_id)[0]
        received_since = one.session.window.received - received

    assert (request.done, request.again) == (1, 0)
    assert list(stored.values()) == [(5_000.0,), (700.0,)]
    assert live["ac_power"] == 700.0
    assert received_since == 0


async def test_a_withdrawn_login_gains_nothing_by_a_replay(sqlite: Home) -> None:
    """Fail closed: what its messages were set aside for is repaired, but the login is gone by now."""
    paired = await sqlite.pair()
    store = RefusingStore(sqlite, b"ac_power=666")
    async with bridge(sqlite, store) as one, Publisher(sqlite.broker, paired.login) as logger:
        await logger.send(paired.topic(), {"ac_power": 666.0})
        await logger.send(paired.topic(), '{"ac_power": "text"}')
        await settled(one, 2)
        store.repaired = True
        await sqlite.revoke(paired)
        await until(lambda: _revoked(one.registry.directory.login(paired.login)))

        request = await carried_out(sqlite, REPLAY, login=paired.login)

        async def copied() -> bool:
            return {letter.reason for letter in await sqlite.letters()} == {"revoked_login"}

        # The pages' copy follows within a second or two.
        await until_async(copied)

    assert (request.done, request.again) == (2, 2)
    assert not sqlite.settings.readings_path.exists() or points(sqlite, paired, "ac_power") == {}


def _rated(one: Bridge, paired: Paired) -> int | None:
    entry = one.registry.directory.login(paired.login)
    return entry.routes[""].rated_power_w if entry else None


def _revoked(entry: object) -> bool:
    return entry is None or bool(getattr(entry, "revoked", False))


async def test_a_purge_drops_what_it_names_and_nothing_else(place: Home) -> None:
    """Originals, counts and copies of Alice's; Bob's stay. Asked again, there is nothing to do."""
    alice, bob = await place.pair(), await place.pair(serial="2722222222")
    async with (
        bridge(place) as one,
        Publisher(place.broker, alice.login) as hers,
        Publisher(place.broker, bob.login) as his,
    ):
        for _ in range(3):
            await hers.send(alice.topic(), "{")
        await his.send(bob.topic(), "{")
        await settled(one, 4)
        await shown(place, 4)

        first = await carried_out(place, PURGE, login=alice.login)
        left = await place.letters()
        again = await carried_out(place, PURGE, login=alice.login)

    assert (first.state, first.chosen, first.done) == (RequestState.DONE, 3, 3)
    assert [(letter.login, letter.count) for letter in left] == [(bob.login, 1)]
    assert originals(place.settings.spool_path) == [(bob.topic(), b"{")]
    assert (again.state, again.done) == (RequestState.DONE, 0)
    assert "nothing was done" in again.error


async def test_more_messages_than_a_column_can_count_keep_no_other_dead_letter_from_the_pages(place: Home) -> None:
    """Who floods for days is beyond PostgreSQL's INTEGER; Bob's letter is shown all the same, and a purge ends."""
    alice, bob = await place.pair(), await place.pair(serial="2722222222")
    async with bridge(place) as one, Publisher(place.broker, bob.login) as logger:
        flood = Tally(alice.login, alice.inverter_id, Reason.TOO_MUCH, "Too much.", 2**33, datetime.now(UTC))
        await one.spool.commit([flood], [])
        await logger.send(bob.topic(), "no document")
        await shown(place, MOST_COUNTED + 1)
        counts = {letter.login: letter.count for letter in await place.letters()}
        request = await carried_out(place, PURGE, login=alice.login)
        await shown(place, 1)

    assert counts == {alice.login: MOST_COUNTED, bob.login: 1}
    assert (request.state, request.done) == (RequestState.DONE, MOST_COUNTED)


async def test_a_message_that_was_cut_is_kept_and_the_replay_says_so(sqlite: Home) -> None:
    """Of a payload larger than a reading only the beginning is kept: it can be looked at, not taken up again."""
    paired = await sqlite.pair()
    async with bridge(sqlite) as one, Publisher(sqlite.broker, paired.login) as logger:
        await logger.send(paired.topic(), json.dumps({"ac_power": 1.0, "note": "x" * 20_000}))
        await settled(one, 1)
        await shown(sqlite, 1)
        request = await carried_out(sqlite, REPLAY, login=paired.login)
        (letter,) = await sqlite.letters()

    assert (request.state, request.chosen, request.again) == (RequestState.DONE, 0, 0)
    assert "1 more cannot be replayed" in request.error
    assert (letter.count, letter.kept, letter.payload_bytes > 20_000) == (1, 0, True)
    assert len(letter.payload) == 4_096


async def test_a_request_waits_for_the_next_bridge(sqlite: Home) -> None:
    """Asked while none runs: it is carried out when one starts, and new messages are not taken for old ones."""
    paired, login = await sqlite.pair(), stranger(sqlite)
    async with bridge(sqlite) as one, Publisher(sqlite.broker, login) as logger:
        await logger.send(f"deye/{login}/reading", {"ac_power": 1.0})
        await settled(one, 1)
    await make_known(sqlite, login, paired)
    waiting = await ask(sqlite, REPLAY, login=login)

    async with bridge(sqlite):
        request = await answered(sqlite, waiting)
        stored = points(sqlite, paired, "ac_power")

    assert (request.done, request.again) == (1, 0)
    assert list(stored.values()) == [(1.0,)]


async def test_a_damaged_original_is_not_replayed(sqlite: Home) -> None:
    """A flipped bit must not become a reading: it stays, and the request says that it cannot be replayed."""
    paired, login = await sqlite.pair(), stranger(sqlite)
    async with bridge(sqlite) as one, Publisher(sqlite.broker, login) as logger:
        for watts in (1.0, 2.0):
            await logger.send(f"deye/{login}/reading", {"ac_power": watts})
        await settled(one, 2)
        await one.spool.run(
            lambda file: file.connection.execute("UPDATE letter SET payload=? WHERE id=1", (b'{"ac_power": 9.0}',))
        )
        await make_known(sqlite, login, paired)
        request = await carried_out(sqlite, REPLAY, login=login)
        stored = points(sqlite, paired, "ac_power")

    assert list(stored.values()) == [(2.0,)]
    assert request.state is not None
    assert "1 more cannot be replayed" in request.error
    assert len(originals(sqlite.settings.spool_path)) == 1


def test_numbers_of_letters_and_of_other_records_are_never_equal() -> None:
    """One kind of token serves both; SQLite's own numbers end far below."""
    assert 1 << 61 < LETTER_RECORDS < 1 << 63
