"""What the provisioner asks of others: a store manager with the operator's rights, and a maker of places."""

from collections.abc import Sequence
from typing import Protocol


class StoreManager(Protocol):
    """InfluxDB with the operator token. All raise ``StoreError``; names are looked up before they are made."""

    async def find_or_create_organisation(self, name: str) -> str:
        """The organisation's id."""

    async def find_or_create_bucket(self, org_id: str, name: str, *, retention_s: int, shard_group_s: int) -> str:
        """The bucket's id; ``retention_s`` 0 keeps for ever."""

    async def create_token(
        self, org_id: str, description: str, *, bucket_id: str | None, may_write: bool
    ) -> tuple[str, str]:
        """(authorization id, token), shown here and never again; for one bucket or all of the organisation."""

    async def find_authorizations(self, org_id: str, description: str) -> Sequence[str]:
        """Ids of the organisation's authorizations with exactly this description."""

    async def delete_authorization(self, authorization_id: str) -> None:
        """Its token works no longer; nothing happens where it is gone already."""


class Places(Protocol):
    """Makes places for readings."""

    async def turn(self) -> float | None:
        """Do all work that is due; seconds until the next retry, None where nothing waits for one."""
