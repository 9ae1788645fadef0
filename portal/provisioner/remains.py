"""What one InfluxDB server still has of those who leave for good, and how it goes. Every act may be repeated.

InfluxDB keeps the tokens of a deleted organisation, in no list any more, so they go first (measured;
``test_influx_inventory``). What was made and never stored, because a provisioner was killed in between, is found by its
name.
"""

from uuid import UUID

import structlog

from portal.provisioner import differences, saga
from schema.timeseries.management import StoreManager
from schema.timeseries.port import StoreMisconfigured

_log = structlog.get_logger(__name__)


class Remains:
    """With the operator token of one server. Every method raises ``StoreError``."""

    def __init__(self, manager: StoreManager) -> None:
        self._manager = manager

    async def delete_token(self, authorization_id: str) -> None:
        """Refused from now on."""
        if authorization_id:
            await self._manager.delete_authorization(authorization_id)

    async def delete_bucket(self, bucket_id: str) -> None:
        """Erased with all its points."""
        await self._manager.delete_bucket(bucket_id)

    async def has_organisation(self, org_id: str) -> bool:
        """Whether it is there: somebody may have deleted it by hand."""
        return await self._manager.has_organisation(org_id)

    async def has_bucket(self, bucket_id: str) -> bool:
        """The same of a bucket."""
        return await self._manager.has_bucket(bucket_id)

    async def reads(self, authorization_id: str) -> bool:
        """Whether this token is there and reads its organisation."""
        return differences.works(await self._manager.token(authorization_id), differences.reader_rights())

    async def delete_organisation(self, org_id: str) -> None:
        """Erased with whatever is in it: all of it was its owner's."""
        buckets = await self._manager.buckets(org_id)
        for token in await self._manager.tokens(org_id):
            await self._manager.delete_authorization(token.id)
        for bucket in buckets:
            _log.warning("organisation.had_another_bucket", organisation=org_id, bucket=bucket.id, name=bucket.name)
            await self._manager.delete_bucket(bucket.id)
        await self._manager.delete_organisation(org_id)

    async def delete_unstored_of_inverter(self, org_id: str, inverter_id: UUID) -> None:
        """Tokens and the bucket that have its name, but stand in no row."""
        if not org_id or not await self._manager.has_organisation(org_id):
            return
        ours = {saga.write_description(inverter_id, who) for who in saga.WRITERS}
        for token in await self._manager.tokens(org_id):
            if token.description in ours:
                await self._manager.delete_authorization(token.id)
        for bucket in await self._manager.buckets(org_id):
            if bucket.name == saga.bucket_name(inverter_id):
                await self._manager.delete_bucket(bucket.id)

    async def delete_unstored_of_owner(self, owner_id: UUID) -> None:
        """The organisation that has his name, but stands in no row."""
        org_id = await self._manager.find_organisation(saga.organisation_name(owner_id))
        if org_id is not None:
            await self.delete_organisation(org_id)


class NoRemains(Remains):
    """Of homes that are on no server that is known here: nothing is there, or nobody can reach it."""

    def __init__(self) -> None:
        """Without an operator token."""

    async def delete_token(self, authorization_id: str) -> None:
        """Raises ``StoreMisconfigured`` where there is one."""
        _unreachable(authorization_id)

    async def delete_bucket(self, bucket_id: str) -> None:
        """Raises ``StoreMisconfigured``."""
        _unreachable(bucket_id)

    async def has_organisation(self, org_id: str) -> bool:
        """Raises ``StoreMisconfigured``."""
        _unreachable(org_id)
        return False

    async def has_bucket(self, bucket_id: str) -> bool:
        """Raises ``StoreMisconfigured``."""
        _unreachable(bucket_id)
        return False

    async def reads(self, authorization_id: str) -> bool:
        """Raises ``StoreMisconfigured``."""
        _unreachable(authorization_id)
        return False

    async def delete_organisation(self, org_id: str) -> None:
        """Raises ``StoreMisconfigured``."""
        _unreachable(org_id)

    async def delete_unstored_of_inverter(self, org_id: str, inverter_id: UUID) -> None:
        """Nothing was ever begun for it."""

    async def delete_unstored_of_owner(self, owner_id: UUID) -> None:
        """Nothing was ever begun for him."""


def _unreachable(what: str) -> None:
    if what:
        raise StoreMisconfigured(
            "It lies on an InfluxDB server whose operator token the provisioner has not.", status=401
        )
