"""Dead letters taken up again: each goes one way, with its own time and token, and nothing live is touched."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from bridge.batch import Parcel
from bridge.decisions import Claimed
from bridge.keeper import Outcome
from bridge.kept import LETTER_RECORDS, Entry, KeptLetter, Letter
from bridge.letter_replays import LetterReplays
from bridge.ports import Delivery
from bridge.refusals import Reason
from bridge.routes import Claim, Directory
from schema.letters import PayloadForm
from tests.fakes import ALICE_LOGIN, NOON, FakeLive, FakeTime, directory, route

pytestmark = pytest.mark.unit

ROOF = route()
BEFORE = NOON - timedelta(days=2)


class Bench:
    """Replays whose decisions end here."""

    def __init__(self, known: Directory) -> None:
        self.parcels: list[Parcel] = []
        self.claims: list[Claimed] = []
        self.kept: list[tuple[Entry, list[int]]] = []
        self.settled: list[int] = []
        self.backlog: list[Delivery] = []
        self.live = FakeLive()
        self.time = FakeTime()
        self.time.seconds = 1_000.0
        bench = self

        class Writer:
            def add(self, parcels: Sequence[Parcel]) -> None:
                bench.parcels.extend(parcels)

        class Keeper:
            def keep(self, entry: Entry, tokens: list[int]) -> None:
                bench.kept.append((entry, tokens))

            def settle(self, tokens: list[int], _: Outcome) -> None:
                bench.settled.extend(tokens)

        class Claims:
            def add(self, claims: Sequence[Claimed], _: Sequence[Delivery]) -> None:
                bench.claims.extend(claims)

        self.replays = LetterReplays(
            directory=lambda: known,
            live=self.live,
            reading_max_bytes=16_384,
            writer=Writer(),  # type: ignore[arg-type]  # what is used of it
            keeper=Keeper(),  # type: ignore[arg-type]
            claims=Claims(),  # type: ignore[arg-type]
            clock=self.time.clock(),
            backlog=self.backlog.extend,
        )

    @property
    def letters(self) -> list[tuple[Reason, list[int]]]:
        """What stays a dead letter."""
        return [(entry.reason, tokens) for entry, tokens in self.kept if isinstance(entry, Letter)]


def _kept(number: int, payload: bytes, *, tail: str = "reading", at: datetime = BEFORE, **others: object) -> KeptLetter:
    given = {"login": ALICE_LOGIN, "inverter_id": ROOF.inverter_id, "form": PayloadForm.MESSAGE, "backlog": False}
    given |= others
    return KeptLetter(
        record=LETTER_RECORDS + number,
        topic=f"deye/{given['login']}/{tail}",
        payload=payload,
        received_at=at,
        **given,  # type: ignore[arg-type]  # as given
    )


def _token(number: int) -> int:
    return -(LETTER_RECORDS + number)


def test_a_document_goes_to_the_writer_with_its_own_time_and_token() -> None:
    """And waits there as long as any fresh one; the live row hears nothing."""
    bench = Bench(directory(ROOF))

    bench.replays.take([_kept(1, b'{"ac_power": 5.0}')])

    (parcel,) = bench.parcels
    assert parcel.tokens == [_token(1)]
    assert parcel.line.endswith(b" %d" % (BEFORE.timestamp() * 1000))
    assert parcel.since == 1_000.0
    assert (bench.live.seen, bench.live.readings, bench.kept) == ({}, [], [])


def test_cycles_are_parted_by_the_time_at_which_they_came() -> None:
    """Not by the moment at which they are taken up, which is one and the same."""
    bench = Bench(directory(ROOF))
    minute = timedelta(minutes=1)

    bench.replays.take(
        [
            _kept(1, b"500", tail="ac/active_power"),
            _kept(2, b"520", tail="dc/pv1/power", at=BEFORE + timedelta(milliseconds=40)),
            _kept(3, b"530", tail="dc/pv1/power", at=BEFORE + minute),
        ]
    )

    assert [parcel.tokens for parcel in bench.parcels] == [[_token(1), _token(2)], [_token(3)]]
    assert bench.parcels[1].line.endswith(b" %d" % ((BEFORE + minute).timestamp() * 1000))


def test_what_still_cannot_be_read_is_a_dead_letter_with_its_own_token() -> None:
    """Whoever keeps it sees by the token which original it was."""
    bench = Bench(directory(ROOF))

    bench.replays.take([_kept(1, b"{"), _kept(2, b"{}", login="AACE999999")])

    assert bench.letters == [(Reason.NOT_JSON, [_token(1)]), (Reason.UNKNOWN_LOGIN, [_token(2)])]
    assert bench.live.refusals == []


def test_what_is_no_reading_by_now_is_settled() -> None:
    """A newer bridge may know a topic that an older one set aside."""
    bench = Bench(directory(ROOF))

    bench.replays.take([_kept(1, b"online", tail="status")])

    assert bench.settled == [_token(1)]


def test_a_first_reading_claims_its_feed() -> None:
    """A replayed one is as good as a fresh one: the broker had proved its login."""
    pending = route(claim=Claim.PENDING)
    bench = Bench(directory(pending))

    bench.replays.take([_kept(1, b'{"ac_power": 5.0}', inverter_id=None)])

    (claimed,) = bench.claims
    assert claimed.parcel.tokens == [_token(1)]
    assert claimed.parcel.since == 1_000.0


def test_a_refused_line_goes_to_the_store_again_under_its_selector() -> None:
    """A login with several inverters speaks of each under another name."""
    garage = route(selector="garage")
    bench = Bench(directory(ROOF, garage))

    bench.replays.take([_kept(1, b"reading ac_power=1 1", form=PayloadForm.LINE, inverter_id=garage.inverter_id)])

    (parcel,) = bench.parcels
    assert (parcel.line, parcel.selector, parcel.tokens) == (b"reading ac_power=1 1", "garage", [_token(1)])


@pytest.mark.parametrize("known", [directory(), directory(ROOF, revoked=[ALICE_LOGIN]), directory(route())])
def test_a_line_of_an_inverter_that_its_login_may_not_speak_of_is_not_written(known: Directory) -> None:
    """Gone, withdrawn, or given another inverter: fail closed."""
    bench = Bench(known)

    bench.replays.take([_kept(1, b"reading ac_power=1 1", form=PayloadForm.LINE)])

    assert bench.parcels == []
    assert bench.letters == [(Reason.REVOKED_LOGIN, [_token(1)])]


def test_a_line_out_of_the_spool_needs_a_place_for_its_inverter() -> None:
    """It names no login any more; a deleted inverter has no place."""
    known, deleted = Bench(directory(ROOF)), Bench(directory())
    line = _kept(1, b"reading ac_power=1 1", form=PayloadForm.LINE, login="")

    for bench in (known, deleted):
        bench.replays.take([line])

    assert [parcel.tokens for parcel in known.parcels] == [[_token(1)]]
    assert deleted.parcels == []


def test_untimed_backlog_goes_where_its_time_is_estimated() -> None:
    """It must not be stamped with the moment of its delivery."""
    bench = Bench(directory(ROOF))

    bench.replays.take([_kept(1, b'{"ac_power": 5.0}', backlog=True)])

    assert [(one.token, one.backlog, one.received_at) for one in bench.backlog] == [(_token(1), True, BEFORE)]
    assert bench.parcels == []
