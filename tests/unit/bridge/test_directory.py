"""The directory: logins as records, made into routes when they speak; who may speak of what; where points go."""

import random
from uuid import uuid4

import pytest

from bridge import routes
from bridge.records import FeedRow, RecordUnreadable, inverters, is_quarantined, is_revoked, pack, unpack
from bridge.routes import Claim, Directory
from tests.fakes import ALICE_LOGIN, BOB_LOGIN, directory, route, row_of

pytestmark = pytest.mark.unit


def _row(**changes: object) -> FeedRow:
    return row_of(route(aliases=frozenset({"4100000001", "4100000002"})))._replace(**changes)  # type: ignore[arg-type]


def test_a_record_says_what_was_put_into_it() -> None:
    """Every field, also empty, long and strange ones."""
    rows = [
        _row(),
        _row(selector="roof", dialect="ünïcode", device_key="d" * 64, sealed=bytes(range(256)), rated_power_w=12_000),
        _row(selector="barn", former=True, placed=False, server="", org_id="", bucket_id="", sealed=b"", aliases=()),
    ]

    record = pack(rows, revoked=True)

    assert unpack(record) == rows
    assert is_revoked(record)
    assert not is_quarantined(record)
    assert is_quarantined(pack(rows, revoked=False, quarantined=True))
    assert not is_revoked(pack(rows, revoked=False, quarantined=True))
    assert inverters(record) == [row.inverter_id for row in rows]
    assert unpack(pack([], revoked=False)) == []


def test_damaged_records_are_refused_never_misread() -> None:
    """Cut anywhere they raise; whatever bytes come, nothing else is raised."""
    record = pack([_row(), _row(selector="roof")], revoked=False)
    dice = random.Random(7)

    for end in range(len(record)):
        with pytest.raises(RecordUnreadable):
            unpack(record[:end])
    for _ in range(2_000):
        damaged = bytearray(record)
        damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        try:
            unpack(bytes(damaged))
        except RecordUnreadable:
            continue


def test_a_route_comes_out_as_it_went_in() -> None:
    """The token is opened on the way."""
    one = route(claim=Claim.DISPUTED, device_key="x", aliases=frozenset({"4100000001"}), rated_power_w=600)

    found = directory(one).login(ALICE_LOGIN)

    assert found is not None
    assert found.routes[""] == one


def test_a_token_is_opened_once_and_only_when_its_login_speaks() -> None:
    """100,000 tokens are not opened at the start."""
    opened: list[bytes] = []

    def open_token(sealed: bytes, _: object) -> str:
        opened.append(sealed)
        return "open"

    known = Directory(open_token)
    for login in (ALICE_LOGIN, BOB_LOGIN):
        known.put(login, pack([row_of(route(login, token=login))], revoked=False))
    at_start = list(opened)
    for _ in range(3):
        entry = known.login(ALICE_LOGIN)

    assert at_start == []
    assert opened == [ALICE_LOGIN.encode()]
    assert entry is not None
    assert entry.routes[""].destination is not None
    assert entry.routes[""].destination.token == "open"


def test_a_token_that_does_not_open_leaves_its_inverter_without_a_place() -> None:
    """Its readings are kept; nobody else notices."""
    one = route()
    known = Directory(lambda _, __: None)
    known.put(ALICE_LOGIN, pack([row_of(one)], revoked=False))

    assert known.destination(one.inverter_id) is None


def test_a_changed_login_is_seen_at_once() -> None:
    """No object made before the change answers after it."""
    one = route(token="old")
    known = directory(one)
    before = known.destination(one.inverter_id)
    entry = known.login(ALICE_LOGIN)

    known.put(ALICE_LOGIN, pack([row_of(one)._replace(sealed=b"new")], revoked=True))

    assert before is not None
    assert entry is not None
    assert (before.token, entry.revoked) == ("old", False)
    after = known.destination(one.inverter_id)
    assert after is not None
    assert after.token == "new"
    assert not known.speaks(ALICE_LOGIN, "", one.inverter_id)


def test_who_may_speak_of_what() -> None:
    """A withdrawn login, a deleted inverter, a selector that names another one: no. An unknown login: not judged."""
    one, other = route(), route(BOB_LOGIN)
    known = directory(one, other, revoked=[BOB_LOGIN])

    assert known.speaks(ALICE_LOGIN, "", one.inverter_id)
    assert not known.speaks(ALICE_LOGIN, "", uuid4())
    assert not known.speaks(ALICE_LOGIN, "roof", one.inverter_id)
    assert not known.speaks(BOB_LOGIN, "", other.inverter_id)
    assert known.speaks("nobody", "", one.inverter_id)
    known.put(ALICE_LOGIN, pack([row_of(one)._replace(former=True)], revoked=False))
    assert not known.speaks(ALICE_LOGIN, "", one.inverter_id)


def test_a_deleted_inverter_still_gets_what_was_acknowledged_before() -> None:
    """Its lines in the spool have a place; new messages have no route."""
    one = route()
    known = directory(one)

    known.put(ALICE_LOGIN, pack([row_of(one)._replace(former=True)], revoked=True))

    entry = known.login(ALICE_LOGIN)
    assert entry is not None
    assert entry.routes == {}
    assert known.destination(one.inverter_id) == one.destination


@pytest.mark.parametrize("gone", [ALICE_LOGIN, BOB_LOGIN])
def test_an_inverter_with_two_logins_keeps_its_place_when_one_goes(gone: str) -> None:
    """Whichever of them was read last."""
    one = route()
    known = directory(one)
    known.put(BOB_LOGIN, pack([row_of(one)], revoked=False))

    known.remove(gone)

    (left,) = {ALICE_LOGIN, BOB_LOGIN} - {gone}
    assert known.logins_of(one.inverter_id) == [left]
    assert known.destination(one.inverter_id) == one.destination
    known.remove(left)
    assert known.logins_of(one.inverter_id) == []
    assert known.destination(one.inverter_id) is None


def test_objects_are_kept_for_so_many_logins_only() -> None:
    """The others are made again when they speak; every one is found."""
    logins = [f"L{number:09}" for number in range(routes.MOST_READY + 50)]
    known = Directory(lambda sealed, _: sealed.decode())
    row = _row()
    for number, login in enumerate(logins):
        known.put(login, pack([row._replace(inverter_id=number.to_bytes(16))], revoked=False))

    found = [known.login(login) for login in logins]

    assert all(entry is not None and entry.routes[""].inverter_id.int == number for number, entry in enumerate(found))
    assert len(known._ready) == routes.MOST_READY
    assert len(known._destinations) <= routes.MOST_READY
