"""The management port: what the provisioner, and nobody else, may ask of a store that has organisations. No I/O here.

Every call may be repeated after a crash: what exists is found by its name, what is gone stays gone. All raise
``port.StoreError``.
"""

from dataclasses import dataclass, field
from typing import Protocol

# A year's shards at the default of 7 days cost 40 MB and 485 descriptors per bucket, at 364 days 0.6 MB and 26.
SHARD_GROUP_S = 52 * 7 * 86_400


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made, readable this once, and the id that deletes it."""

    authorization_id: str
    token: str = field(repr=False)


class StoreManager(Protocol):
    """Makes organisations, buckets and tokens on one server. Names are opaque ids: letters, digits, ``-`` and ``_``."""

    async def onboard(self, *, username: str, password: str, organisation: str, bucket: str) -> bool:
        """Set a fresh server up with this manager's token as the operator token; false where that was done before."""

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
