"""Makes organisations, buckets and tokens with the operator token: the provisioner's process alone opens this.

influxdb-client's generated services, whose ``*_async`` methods spell InfluxDB's JSON for us. Every call may be repeated
after a crash: what exists is found by its name, what is gone stays gone. A token is shown once, in the answer that made
it (2.9 keeps a hash), so a run that died before storing one deletes what ``find_authorizations`` names and makes anew.
"""

from influxdb_client.domain.authorization_post_request import AuthorizationPostRequest
from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
from influxdb_client.domain.onboarding_request import OnboardingRequest
from influxdb_client.domain.permission import Permission
from influxdb_client.domain.permission_resource import PermissionResource
from influxdb_client.domain.post_bucket_request import PostBucketRequest
from influxdb_client.domain.post_organization_request import PostOrganizationRequest
from influxdb_client.service.authorizations_service import AuthorizationsService
from influxdb_client.service.buckets_service import BucketsService
from influxdb_client.service.organizations_service import OrganizationsService
from influxdb_client.service.setup_service import SetupService

from schema.timeseries.influx2.inventory import InfluxInventory
from schema.timeseries.influx2.requests import asked, gone, looked_up
from schema.timeseries.management import SHARD_GROUP_S, NewToken
from schema.timeseries.port import StoreError, StoreMisconfigured

_CONFLICT = 422


class InfluxManager(InfluxInventory):
    """A ``StoreManager`` of one InfluxDB server, with its operator token. Every method raises ``StoreError``."""

    async def onboard(self, *, username: str, password: str, organisation: str, bucket: str) -> bool:
        """Set a fresh server up with this manager's token as the operator token; false where that was done before."""
        service = SetupService(self._api())
        if not (await asked(service.get_setup_async())).allowed:
            return False
        request = OnboardingRequest(
            username=username, password=password, org=organisation, bucket=bucket, token=self._token
        )
        try:
            await asked(service.post_setup_async(request))
        except StoreMisconfigured as error:
            if error.status != _CONFLICT:
                raise
            return False
        return True

    async def find_organisation(self, name: str) -> str | None:
        """The id of the organisation called ``name``, None where there is none."""
        found = await looked_up(OrganizationsService(self._api()).get_orgs_async(org=name, limit=100))
        return next((str(one.id) for one in (found.orgs if found else None) or [] if one.name == name), None)

    async def find_or_create_organisation(self, name: str) -> str:
        """The id of the organisation called ``name``, made if need be."""
        known = await self.find_organisation(name)
        if known is not None:
            return known
        service = OrganizationsService(self._api())
        try:
            return str((await asked(service.post_orgs_async(PostOrganizationRequest(name=name)))).id)
        except StoreMisconfigured as error:
            return _or_raise(await self.find_organisation(name), error)

    async def find_or_create_bucket(
        self, org_id: str, name: str, *, retention_s: int = 0, shard_group_s: int = SHARD_GROUP_S
    ) -> str:
        """The id of the organisation's bucket ``name``, made if need be; ``retention_s`` 0 keeps for ever.

        A shard group longer than the retention is shortened to it: InfluxDB answers 500 to one that is not.
        """
        service = BucketsService(self._api())
        known = await self._bucket(service, org_id, name)
        if known is not None:
            return known
        shards = min(shard_group_s, retention_s) if retention_s else shard_group_s
        rule = BucketRetentionRules(type="expire", every_seconds=retention_s, shard_group_duration_seconds=shards)
        request = PostBucketRequest(org_id=org_id, name=name, retention_rules=[rule])
        try:
            return str((await asked(service.post_buckets_async(request))).id)
        except StoreMisconfigured as error:
            return _or_raise(await self._bucket(service, org_id, name), error)

    async def create_token(
        self, org_id: str, description: str, *, bucket_id: str | None = None, read: bool = False, write: bool = False
    ) -> NewToken:
        """A new token for one bucket, or without ``bucket_id`` for every bucket of the organisation."""
        permissions = [
            Permission(action=action, resource=PermissionResource(type="buckets", id=bucket_id, org_id=org_id))
            for action, wanted in (("read", read), ("write", write))
            if wanted
        ]
        request = AuthorizationPostRequest(org_id=org_id, description=description, permissions=permissions)
        made = await asked(AuthorizationsService(self._api()).post_authorizations_async(request))
        return NewToken(str(made.id), str(made.token))

    async def find_authorizations(self, org_id: str, description: str) -> list[str]:
        """The ids of the organisation's tokens with exactly this description."""
        return [one.id for one in await self.tokens(org_id) if one.description == description]

    async def delete_authorization(self, authorization_id: str) -> None:
        """The token is refused from now on; one that is gone already is no error."""
        await gone(AuthorizationsService(self._api()).delete_authorizations_id_async(authorization_id))

    async def delete_bucket(self, bucket_id: str) -> None:
        """The bucket and all its points are erased; one that is gone already is no error."""
        await gone(BucketsService(self._api()).delete_buckets_id_async(bucket_id))

    async def _bucket(self, service: BucketsService, org_id: str, name: str) -> str | None:
        found = await looked_up(service.get_buckets_async(org_id=org_id, name=name, limit=100))
        return next((str(one.id) for one in (found.buckets if found else None) or [] if one.name == name), None)


def _or_raise(found: str | None, error: StoreError) -> str:
    """Somebody else made it between our look and our request: then it is there, and the refusal was about that."""
    if found is None:
        raise error
    return found
