"""Where an InfluxDB server and the rows about it differ, and what there bears a name of ours that no row knows. Pure.

What is on its way out is the erasure's, what a move has made beside the first place is the move's; of what is still
being made, only what a row names already is judged. A list is never the last word: whoever acts looks again.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from portal.provisioner import saga
from schema.models import OrphanKind, PlacementState
from schema.timeseries.management import FoundBucket, FoundOrganisation, FoundToken

_ID = r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_ORGANISATION = re.compile(rf"owner-{_ID}")
_BUCKET = re.compile(rf"inverter-{_ID}")
_READER = re.compile(rf"portal reads owner-{_ID}")
_WRITER = re.compile(rf"({'|'.join(saga.WRITERS)}) writes inverter-{_ID}")

JUDGED = (PlacementState.PENDING, PlacementState.READY)

Rights = frozenset[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Home:
    """An owner's row on this server; ``reader`` is the id of the read token."""

    owner_id: UUID
    org_id: str
    reader: str
    state: PlacementState


@dataclass(frozen=True, slots=True)
class Box:
    """An inverter's row; ``writers`` are the ids of its tokens by who writes. It is no more ready than its home is."""

    inverter_id: UUID
    owner_id: UUID
    org_id: str
    bucket_id: str
    writers: Mapping[str, str]
    state: PlacementState


@dataclass(frozen=True, slots=True)
class Rows:
    """What the database knows of the server. ``moving`` are the ids of owners and inverters with a second place there,
    whose names are theirs.
    """

    homes: Mapping[UUID, Home]
    boxes: Mapping[UUID, Box]
    moving: Collection[UUID] = ()


@dataclass(frozen=True, slots=True)
class Inventory:
    """What there is on the server."""

    organisations: Sequence[FoundOrganisation]
    buckets: Sequence[FoundBucket]
    tokens: Sequence[FoundToken]


class Flaw(StrEnum):
    """What is not as the rows say."""

    ORGANISATION_GONE = "organisation_gone"
    ORGANISATION_RENAMED = "organisation_renamed"
    READER_BROKEN = "reader_broken"
    BUCKET_GONE = "bucket_gone"
    BUCKET_RENAMED = "bucket_renamed"
    WRITER_BROKEN = "writer_broken"
    TOKEN_DOUBLED = "token_doubled"  # noqa: S105  # the name of a flaw


@dataclass(frozen=True, slots=True)
class Difference:
    """A flaw of an owner's or an inverter's place. ``who`` writes (``WRITER_BROKEN``), ``token_id`` is one too many."""

    flaw: Flaw
    row: UUID
    who: str = ""
    token_id: str = ""


@dataclass(frozen=True, slots=True)
class Stranger:
    """Something with a name of our form that no row knows."""

    kind: OrphanKind
    id: str
    name: str
    org_id: str = field(default="")


def reader_rights() -> Rights:
    """What an owner's read token may: read every bucket of his organisation."""
    return frozenset({("read", "buckets", "")})


def writer_rights(bucket_id: str) -> Rights:
    """What an inverter's write token may: write into its bucket."""
    return frozenset({("write", "buckets", bucket_id)})


def works(token: FoundToken | None, rights: Rights) -> bool:
    """Whether the token does what it is for, and no more."""
    return token is not None and token.active and token.rights == rights


def differences(rows: Rows, found: Inventory) -> list[Difference]:
    """Homes first, then their inverters; where an organisation or bucket is gone nothing is said of what was in it."""
    organisations = {one.id: one.name for one in found.organisations}
    buckets = {one.id: one.name for one in found.buckets}
    tokens = {one.id: one for one in found.tokens}
    told: list[Difference] = []
    for home in rows.homes.values():
        told += _of_home(home, organisations, tokens)
    for box in rows.boxes.values():
        if box.org_id in organisations:
            told += _of_box(box, buckets, tokens)
    return told + list(_doubled(rows, found.tokens))


def _of_home(home: Home, organisations: Mapping[str, str], tokens: Mapping[str, FoundToken]) -> Iterator[Difference]:
    if not home.org_id or home.state not in JUDGED:
        return
    name = organisations.get(home.org_id)
    if name is None:
        yield Difference(Flaw.ORGANISATION_GONE, home.owner_id)
        return
    if name != saga.organisation_name(home.owner_id):
        yield Difference(Flaw.ORGANISATION_RENAMED, home.owner_id)
    if home.state == PlacementState.READY and not works(tokens.get(home.reader), reader_rights()):
        yield Difference(Flaw.READER_BROKEN, home.owner_id)


def _of_box(box: Box, buckets: Mapping[str, str], tokens: Mapping[str, FoundToken]) -> Iterator[Difference]:
    if not box.bucket_id or box.state not in JUDGED:
        return
    name = buckets.get(box.bucket_id)
    if name is None:
        yield Difference(Flaw.BUCKET_GONE, box.inverter_id)
        return
    if name != saga.bucket_name(box.inverter_id):
        yield Difference(Flaw.BUCKET_RENAMED, box.inverter_id)
    for who, token_id in box.writers.items():
        if box.state == PlacementState.READY and not works(tokens.get(token_id), writer_rights(box.bucket_id)):
            yield Difference(Flaw.WRITER_BROKEN, box.inverter_id, who=who)


def _doubled(rows: Rows, tokens: Iterable[FoundToken]) -> Iterator[Difference]:
    """Made by a process that was killed before it could store them: InfluxDB shows a token once, so nobody has them."""
    for token in tokens:
        row, known = _whose(rows, token)
        if row is not None and row not in rows.moving and known and token.id != known:
            yield Difference(Flaw.TOKEN_DOUBLED, row, token_id=token.id)


def _whose(rows: Rows, token: FoundToken) -> tuple[UUID | None, str]:
    """The row that is ready and that a token's description names, and the token the row has for this use."""
    if match := _READER.fullmatch(token.description):
        home = rows.homes.get(UUID(match[1]))
        ours = home is not None and home.state == PlacementState.READY and home.org_id == token.org_id
        return (home.owner_id, home.reader) if home and ours else (None, "")
    if match := _WRITER.fullmatch(token.description):
        box = rows.boxes.get(UUID(match[2]))
        ours = box is not None and box.state == PlacementState.READY and box.org_id == token.org_id
        return (box.inverter_id, box.writers[match[1]]) if box and ours else (None, "")
    return None, ""


def strangers(rows: Rows, found: Inventory) -> list[Stranger]:
    """What a restored database, a deleted row or somebody's hand has left behind."""
    told = [
        Stranger(OrphanKind.ORGANISATION, one.id, one.name)
        for one in found.organisations
        if (match := _ORGANISATION.fullmatch(one.name)) and not _is_home(rows, UUID(match[1]), one.id)
    ]
    told += [
        Stranger(OrphanKind.BUCKET, one.id, one.name, one.org_id)
        for one in found.buckets
        if (match := _BUCKET.fullmatch(one.name)) and not _is_box(rows, UUID(match[1]), one.id)
    ]
    return told + [
        Stranger(OrphanKind.TOKEN, one.id, one.description, one.org_id)
        for one in found.tokens
        if (row := _named(one)) is not None and not (row in rows.homes or row in rows.boxes or row in rows.moving)
    ]


def _named(token: FoundToken) -> UUID | None:
    match = _READER.fullmatch(token.description) or _WRITER.fullmatch(token.description)
    return UUID(match[match.lastindex or 1]) if match else None


def _is_home(rows: Rows, owner_id: UUID, org_id: str) -> bool:
    home = rows.homes.get(owner_id)
    return owner_id in rows.moving or (home is not None and home.org_id in ("", org_id))


def _is_box(rows: Rows, inverter_id: UUID, bucket_id: str) -> bool:
    box = rows.boxes.get(inverter_id)
    return inverter_id in rows.moving or (box is not None and box.bucket_id in ("", bucket_id))
