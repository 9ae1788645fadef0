"""What a list of an InfluxDB server and the rows about it make of each other."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from portal.provisioner.differences import (
    Box,
    Difference,
    Flaw,
    Home,
    Inventory,
    Rows,
    Stranger,
    differences,
    reader_rights,
    strangers,
    writer_rights,
)
from schema.models import OrphanKind, PlacementState
from schema.timeseries.management import FoundBucket, FoundOrganisation, FoundToken

pytestmark = pytest.mark.unit
ALICE, ROOF = uuid4(), uuid4()
HOME = Home(ALICE, "org", "reader", PlacementState.READY)
BOX = Box(ROOF, ALICE, "org", "bucket", {"bridge": "b", "external": "e"}, PlacementState.READY)
ROWS = Rows({ALICE: HOME}, {ROOF: BOX})
READER = FoundToken("reader", "org", f"portal reads owner-{ALICE}", active=True, rights=reader_rights())
BRIDGE = FoundToken("b", "org", f"bridge writes inverter-{ROOF}", active=True, rights=writer_rights("bucket"))
EXTERNAL = FoundToken("e", "org", f"external writes inverter-{ROOF}", active=True, rights=writer_rights("bucket"))
FOUND = Inventory(
    [FoundOrganisation("org", f"owner-{ALICE}"), FoundOrganisation("operators", "operator")],
    [FoundBucket("bucket", "org", f"inverter-{ROOF}"), FoundBucket("mine", "org", "made by hand")],
    [READER, BRIDGE, EXTERNAL, FoundToken("op", "operators", "operator's Token", active=True, rights=frozenset())],
)


def without(token: FoundToken) -> Inventory:
    """The list lacks a token."""
    return replace(FOUND, tokens=[one for one in FOUND.tokens if one != token])


def instead(token: FoundToken, **changed: object) -> Inventory:
    """A token is another one than it was."""
    tokens = [replace(one, **changed) if one == token else one for one in FOUND.tokens]  # type: ignore[arg-type]  # fields
    return replace(FOUND, tokens=tokens)


def test_where_all_is_well_nothing_is_said() -> None:
    """Neither of what is ours nor of what an operator has made for himself."""
    assert differences(ROWS, FOUND) == []
    assert strangers(ROWS, FOUND) == []


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (replace(FOUND, organisations=[]), [Difference(Flaw.ORGANISATION_GONE, ALICE)]),
        (
            replace(FOUND, organisations=[FoundOrganisation("org", "alice's")]),
            [Difference(Flaw.ORGANISATION_RENAMED, ALICE)],
        ),
        (replace(FOUND, buckets=[]), [Difference(Flaw.BUCKET_GONE, ROOF)]),
        (replace(FOUND, buckets=[FoundBucket("bucket", "org", "roof")]), [Difference(Flaw.BUCKET_RENAMED, ROOF)]),
        (without(READER), [Difference(Flaw.READER_BROKEN, ALICE)]),
        (without(BRIDGE), [Difference(Flaw.WRITER_BROKEN, ROOF, who="bridge")]),
        (without(EXTERNAL), [Difference(Flaw.WRITER_BROKEN, ROOF, who="external")]),
        (instead(BRIDGE, active=False), [Difference(Flaw.WRITER_BROKEN, ROOF, who="bridge")]),
        (instead(BRIDGE, rights=writer_rights("another")), [Difference(Flaw.WRITER_BROKEN, ROOF, who="bridge")]),
        (
            instead(EXTERNAL, rights=writer_rights("bucket") | {("read", "buckets", "bucket")}),
            [Difference(Flaw.WRITER_BROKEN, ROOF, who="external")],
        ),
        (instead(READER, rights=frozenset()), [Difference(Flaw.READER_BROKEN, ALICE)]),
    ],
)
def test_each_flaw_is_told_apart(found: Inventory, expected: list[Difference]) -> None:
    """Of what was in something that is gone, nothing is said besides."""
    assert differences(ROWS, found) == expected


def test_a_token_that_nobody_can_have_is_one_too_many() -> None:
    """It was made, and its process died before it was stored; the one in the row stays."""
    lost = replace(BRIDGE, id="lost")
    found = replace(FOUND, tokens=[*FOUND.tokens, lost])

    assert differences(ROWS, found) == [Difference(Flaw.TOKEN_DOUBLED, ROOF, token_id="lost")]


@pytest.mark.parametrize("state", [PlacementState.ERASING, PlacementState.MOVING])
def test_what_leaves_or_moves_is_left_alone(state: PlacementState) -> None:
    """Its things are being taken away, or changed for others; their names are still known."""
    rows = Rows({ALICE: replace(HOME, state=state)}, {ROOF: replace(BOX, state=state)})
    half = Inventory(FOUND.organisations, [], [replace(BRIDGE, id="lost")])

    assert differences(rows, half) == []
    assert strangers(rows, half) == []


def test_of_what_is_still_made_only_what_has_a_name_is_judged() -> None:
    """A row without an id waits for the saga; one that names something which is gone would wait for ever."""
    pending = PlacementState.PENDING
    begun = Rows({ALICE: replace(HOME, state=pending, reader="")}, {ROOF: replace(BOX, state=pending, writers={})})
    empty = Rows({ALICE: Home(ALICE, "", "", pending)}, {ROOF: Box(ROOF, ALICE, "", "", {}, pending)})

    assert differences(begun, FOUND) == []
    assert differences(begun, replace(FOUND, buckets=[])) == [Difference(Flaw.BUCKET_GONE, ROOF)]
    assert differences(begun, replace(FOUND, organisations=[])) == [Difference(Flaw.ORGANISATION_GONE, ALICE)]
    assert differences(empty, FOUND) == []
    assert strangers(empty, FOUND) == []


def _found_of(owner_id: UUID, inverter_id: UUID) -> Inventory:
    return Inventory(
        [FoundOrganisation("o", f"owner-{owner_id}")],
        [FoundBucket("b", "o", f"inverter-{inverter_id}")],
        [
            FoundToken("r", "o", f"portal reads owner-{owner_id}", active=True, rights=reader_rights()),
            FoundToken("w", "o", f"external writes inverter-{inverter_id}", active=True, rights=writer_rights("b")),
        ],
    )


def test_what_no_row_knows_is_a_stranger() -> None:
    """Organisation, bucket and tokens, each by itself."""
    owner_id, inverter_id = uuid4(), uuid4()

    assert strangers(ROWS, _found_of(owner_id, inverter_id)) == [
        Stranger(OrphanKind.ORGANISATION, "o", f"owner-{owner_id}"),
        Stranger(OrphanKind.BUCKET, "b", f"inverter-{inverter_id}", "o"),
        Stranger(OrphanKind.TOKEN, "r", f"portal reads owner-{owner_id}", "o"),
        Stranger(OrphanKind.TOKEN, "w", f"external writes inverter-{inverter_id}", "o"),
    ]


def test_a_second_one_of_a_name_that_a_row_has_elsewhere_is_a_stranger() -> None:
    """The row knows its own by its id; the name alone makes nobody an owner."""
    found = replace(
        FOUND,
        organisations=[FoundOrganisation("org", "renamed"), FoundOrganisation("other", f"owner-{ALICE}")],
        buckets=[*FOUND.buckets, FoundBucket("second", "other", f"inverter-{ROOF}")],
    )

    assert [(one.kind, one.id) for one in strangers(ROWS, found)] == [
        (OrphanKind.ORGANISATION, "other"),
        (OrphanKind.BUCKET, "second"),
    ]


def test_a_second_place_of_an_owner_who_moves_is_nobodys_orphan() -> None:
    """Its names are his, whatever the move has stored of it so far; and none of its tokens is one too many."""
    owner_id, inverter_id = uuid4(), uuid4()
    rows = Rows(ROWS.homes, ROWS.boxes, {owner_id, inverter_id})

    assert strangers(rows, _found_of(owner_id, inverter_id)) == []
    assert differences(rows, _found_of(owner_id, inverter_id)) == [Difference(Flaw.ORGANISATION_GONE, ALICE)]
