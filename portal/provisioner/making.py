"""Makes what a place consists of, on one InfluxDB server: organisation, bucket, tokens, sealed at once. No database.

Every act may be repeated after a crash: what exists is found by its name, and a token that was made and never stored
is deleted by its description before another one is made.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from portal.provisioner import saga
from schema.sealing import Sealer
from schema.timeseries.management import StoreManager


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long readings stay, and how much time one shard covers: long shards are what keep many buckets cheap."""

    retention_s: int
    shard_group_s: int

    @classmethod
    def of(cls, *, retention_days: int, shard_group_weeks: int) -> "Keeping":
        """0 days keep for ever. A shard may not cover more time than is kept (InfluxDB refuses it)."""
        retention = timedelta(days=retention_days)
        shard = timedelta(weeks=shard_group_weeks)
        if retention and shard > retention:
            shard = retention
        return cls(int(retention.total_seconds()), int(shard.total_seconds()))


class Making:
    """With the operator token of one server. Every method raises ``StoreError``.

    Looking for lost tokens makes InfluxDB read every token it has (measured: ``docs/performance.md``), so nobody
    looks in an organisation that this process has made, but for tokens that it has begun itself.
    """

    def __init__(self, manager: StoreManager, sealer: Sealer, keeping: Keeping) -> None:
        self._manager = manager
        self._sealer = sealer
        self._keeping = keeping
        self._own: set[str] = set()
        self._begun: set[str] = set()

    async def organisation(self, owner_id: UUID) -> str:
        """The id of the owner's organisation."""
        known = await self.known_organisation(owner_id)
        org_id = known or await self._manager.find_or_create_organisation(saga.organisation_name(owner_id))
        if not known:
            self._own.add(org_id)
        return org_id

    async def known_organisation(self, owner_id: UUID) -> str:
        """Its id, empty where there is none."""
        return await self._manager.find_organisation(saga.organisation_name(owner_id)) or ""

    async def reader(self, org_id: str, owner_id: UUID) -> tuple[str, bytes]:
        """A new token that reads the organisation: its id, and itself sealed to the owner."""
        made, token = await self._new_token(org_id, saga.read_description(owner_id), bucket_id=None)
        return made, self._sealer.seal(token, row=saga.read_row(owner_id))

    async def bucket(self, org_id: str, inverter_id: UUID) -> tuple[str, str]:
        """The id and the name of the inverter's bucket."""
        name = saga.bucket_name(inverter_id)
        bucket_id = await self._manager.find_or_create_bucket(
            org_id, name, retention_s=self._keeping.retention_s, shard_group_s=self._keeping.shard_group_s
        )
        return bucket_id, name

    async def writer(self, org_id: str, inverter_id: UUID, bucket_id: str, who: str) -> tuple[str, bytes]:
        """A new write-only token for one bucket: its id, and itself sealed to this inverter and this use."""
        made, token = await self._new_token(org_id, saga.write_description(inverter_id, who), bucket_id=bucket_id)
        return made, self._sealer.seal(token, row=saga.write_row(inverter_id, who))

    async def _new_token(self, org_id: str, description: str, *, bucket_id: str | None) -> tuple[str, str]:
        """InfluxDB shows a token once: one that was made but never stored is of no use to anybody, so it goes first."""
        if org_id not in self._own or description in self._begun:
            for lost in await self._manager.find_authorizations(org_id, description):
                await self._manager.delete_authorization(lost)
        self._begun.add(description)
        made = await self._manager.create_token(
            org_id, description, bucket_id=bucket_id, read=bucket_id is None, write=bucket_id is not None
        )
        return made.authorization_id, made.token
