"""The management port: what the provisioner, and nobody else, may ask of a store that has organisations. No I/O here.

Every call may be repeated after a crash: what exists is found by its name, what is gone stays gone. All raise
``port.StoreError``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from schema.timeseries.port import Destination, Source

# A year's shards at the default of 7 days cost 40 MB and 485 descriptors per bucket, at 364 days 0.6 MB and 26.
SHARD_GROUP_S = 52 * 7 * 86_400


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made, readable this once, and the id that deletes it."""

    authorization_id: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FoundOrganisation:
    """An organisation as it is."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class FoundBucket:
    """A bucket as it is."""

    id: str
    org_id: str
    name: str


@dataclass(frozen=True, slots=True)
class FoundToken:
    """A token as it is, without itself. ``rights`` are (action, kind of thing, its id), the id empty for all of the
    organisation's; one that is not ``active`` is refused.
    """

    id: str
    org_id: str
    description: str
    active: bool
    rights: frozenset[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """What a server says about itself, None where it does not. ``buckets`` are all but the store's own;
    ``memory_bytes`` is what its runtime holds, without files that are mapped into memory.
    """

    version: str
    buckets: int | None = None
    shards: int | None = None
    memory_bytes: int | None = None


class StoreFigures(Protocol):
    """Asks one server how it is, without a token. Raises ``port.StoreError``."""

    async def figures(self) -> ServerFigures:
        """Version, buckets, shards and memory at this moment."""


class StoreInventory(Protocol):
    """Lists what there is on one server, and mends what somebody has changed by hand."""

    async def identity(self) -> str:
        """What tells this server from any other that may answer at its address."""

    async def organisations(self) -> list[FoundOrganisation]:
        """Every organisation."""

    async def buckets(self, org_id: str = "") -> list[FoundBucket]:
        """Every bucket of one organisation, or of all; the store's own ones left out."""

    async def tokens(self, org_id: str = "") -> list[FoundToken]:
        """Every token of one organisation, or of all; those of a deleted organisation are in no list."""

    async def token(self, authorization_id: str) -> FoundToken | None:
        """The one with this id, None where there is none, or its organisation is gone."""

    async def has_organisation(self, org_id: str) -> bool:
        """Whether there is one with this id: a list may have been read while somebody changed it."""

    async def has_bucket(self, bucket_id: str) -> bool:
        """Whether there is one with this id."""

    async def rename_organisation(self, org_id: str, name: str) -> None:
        """Give it this name."""

    async def rename_bucket(self, bucket_id: str, name: str) -> None:
        """Give it this name."""

    async def delete_organisation(self, org_id: str) -> None:
        """It and its buckets are erased; one that is gone already is no error. Delete its tokens before."""


class StoreManager(StoreInventory, Protocol):
    """Makes organisations, buckets and tokens on one server. Names are opaque ids: letters, digits, ``-`` and ``_``."""

    async def onboard(self, *, username: str, password: str, organisation: str, bucket: str) -> bool:
        """Set a fresh server up with this manager's token as the operator token; false where that was done before."""

    async def find_organisation(self, name: str) -> str | None:
        """The id of the organisation called ``name``, None where there is none."""

    async def find_or_create_organisation(self, name: str) -> str:
        """The id of the organisation called ``name``, made if need be."""

    async def find_or_create_bucket(
        self, org_id: str, name: str, *, retention_s: int = 0, shard_group_s: int = SHARD_GROUP_S
    ) -> str:
        """The id of the organisation's bucket ``name``, made if need be; ``retention_s`` 0 keeps for ever."""

    async def create_token(
        self, org_id: str, description: str, *, bucket_id: str | None = None, read: bool = False, write: bool = False
    ) -> NewToken:
        """A new token for one bucket, or without ``bucket_id`` for every bucket of the organisation.

        It is shown this once. A run that died before storing one deletes what ``find_authorizations`` names.
        """

    async def find_authorizations(self, org_id: str, description: str) -> list[str]:
        """The ids of the organisation's tokens with exactly this description."""

    async def delete_authorization(self, authorization_id: str) -> None:
        """The token is refused from now on; one that is gone already is no error."""

    async def delete_bucket(self, bucket_id: str) -> None:
        """The bucket and all its points are erased; one that is gone already is no error."""

    async def close(self) -> None:
        """Release the connections."""


class ReadingsEraser(Protocol):
    """Erases from a store without organisations, beside whoever writes to it."""

    async def erase(self, inverter_id: UUID) -> int:
        """Every reading of the inverter is gone for good and none can come; how many rows there were."""


BEGINNING = datetime(1678, 1, 1, tzinfo=UTC)
"""Nothing is older (InfluxDB's own times begin some months before)."""

TALLY_EVERY = timedelta(days=1)
"""Two buckets are compared by UTC days."""

Tally = Mapping[str, tuple[int, float]]
"""Of one day: for each series and field how many values, and their sum (0 where they are no numbers)."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What a bucket holds: its first and last value's times (UTC), and how many values."""

    first: datetime
    last: datetime
    values: int


class ReadingsCopier(Protocol):
    """Copies and compares buckets with their own tokens: everything in them, whoever wrote it. Memory stays bounded.

    All methods raise ``port.StoreError``; each may be repeated, for a value that is copied twice is one value.
    """

    async def extent(self, source: Source, since: datetime) -> Extent | None:
        """What there is at or after ``since``; None where there is nothing."""

    async def tallies(self, source: Source, start: datetime, end: datetime) -> dict[datetime, Tally]:
        """Of each day with values in [start, end): what is in it; both are whole UTC days."""

    async def copy(self, source: Source, to: Destination, start: datetime, end: datetime) -> int:
        """Every value of [start, end) as it is, over what may be there; how many."""

    async def copy_missing(self, source: Source, there: Source, to: Destination, start: datetime, end: datetime) -> int:
        """Only values of [start, end) that ``there`` has none for at their time; how many."""

    async def close(self) -> None:
        """Release the connections."""
