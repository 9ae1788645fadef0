"""Makes organisations, buckets and tokens with the operator token: the provisioner's process alone opens this.

influxdb-client's generated services, whose ``*_async`` methods spell InfluxDB's JSON for us. Every call may be repeated
after a crash: what exists is found by its name, what is gone stays gone. A token is shown once, in the answer that made
it (2.9 keeps a hash), so a run that died before storing one deletes what ``find_authorizations`` names and makes anew.
"""

from collections.abc import Awaitable
from typing import Any

import aiohttp
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.domain.authorization_post_request import AuthorizationPostRequest
from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
from influxdb_client.domain.onboarding_request import OnboardingRequest
from influxdb_client.domain.permission import Permission
from influxdb_client.domain.permission_resource import PermissionResource
from influxdb_client.domain.post_bucket_request import PostBucketRequest
from influxdb_client.domain.post_organization_request import PostOrganizationRequest
from influxdb_client.rest import ApiException
from influxdb_client.service.authorizations_service import AuthorizationsService
from influxdb_client.service.buckets_service import BucketsService
from influxdb_client.service.organizations_service import OrganizationsService
from influxdb_client.service.setup_service import SetupService

from schema.timeseries.influx2.answers import refusal_of_request
from schema.timeseries.management import SHARD_GROUP_S, NewToken
from schema.timeseries.port import StoreError, StoreMisconfigured, StoreUnavailable

_NOT_FOUND = 404
_CONFLICT = 422


class InfluxManager:
    """A ``StoreManager`` of one InfluxDB server, with its operator token. Every method raises ``StoreError``."""

    def __init__(self, url: str, token: str, *, timeout_s: float = 30.0) -> None:
        """Manage the server at ``url``; connections are made at the first call."""
        self._url = url
        self._token = token
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._client: InfluxDBClientAsync | None = None

    async def onboard(self, *, username: str, password: str, organisation: str, bucket: str) -> bool:
        """Set a fresh server up with this manager's token as the operator token; false where that was done before."""
        service = SetupService(self._api())
        if not (await _asked(service.get_setup_async())).allowed:
            return False
        request = OnboardingRequest(
            username=username, password=password, org=organisation, bucket=bucket, token=self._token
        )
        try:
            await _asked(service.post_setup_async(request))
        except StoreMisconfigured as error:
            if error.status != _CONFLICT:
                raise
            return False
        return True

    async def find_or_create_organisation(self, name: str) -> str:
        """The id of the organisation called ``name``, made if need be."""
        service = OrganizationsService(self._api())
        found = await self._organisation(service, name)
        if found is not None:
            return found
        try:
            return str((await _asked(service.post_orgs_async(PostOrganizationRequest(name=name)))).id)
        except StoreMisconfigured as error:
            return _or_raise(await self._organisation(service, name), error)

    async def find_or_create_bucket(
        self, org_id: str, name: str, *, retention_s: int = 0, shard_group_s: int = SHARD_GROUP_S
    ) -> str:
        """The id of the organisation's bucket ``name``, made if need be; ``retention_s`` 0 keeps for ever.

        A shard group longer than the retention is shortened to it: InfluxDB answers 500 to one that is not.
        """
        service = BucketsService(self._api())
        found = await self._bucket(service, org_id, name)
        if found is not None:
            return found
        shards = min(shard_group_s, retention_s) if retention_s else shard_group_s
        rule = BucketRetentionRules(type="expire", every_seconds=retention_s, shard_group_duration_seconds=shards)
        request = PostBucketRequest(org_id=org_id, name=name, retention_rules=[rule])
        try:
            return str((await _asked(service.post_buckets_async(request))).id)
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
        made = await _asked(AuthorizationsService(self._api()).post_authorizations_async(request))
        return NewToken(str(made.id), str(made.token))

    async def find_authorizations(self, org_id: str, description: str) -> list[str]:
        """The ids of the organisation's tokens with exactly this description; InfluxDB sends all in one page."""
        answer = await _asked(AuthorizationsService(self._api()).get_authorizations_async(org_id=org_id))
        return [str(found.id) for found in answer.authorizations or [] if found.description == description]

    async def delete_authorization(self, authorization_id: str) -> None:
        """The token is refused from now on; one that is gone already is no error."""
        await _gone(AuthorizationsService(self._api()).delete_authorizations_id_async(authorization_id))

    async def delete_bucket(self, bucket_id: str) -> None:
        """The bucket and all its points are erased; one that is gone already is no error."""
        await _gone(BucketsService(self._api()).delete_buckets_id_async(bucket_id))

    async def close(self) -> None:
        """Release the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _organisation(self, service: OrganizationsService, name: str) -> str | None:
        found = await _found(service.get_orgs_async(org=name, limit=100))
        return next((str(one.id) for one in (found.orgs if found else None) or [] if one.name == name), None)

    async def _bucket(self, service: BucketsService, org_id: str, name: str) -> str | None:
        found = await _found(service.get_buckets_async(org_id=org_id, name=name, limit=100))
        return next((str(one.id) for one in (found.buckets if found else None) or [] if one.name == name), None)

    def _api(self) -> Any:
        if self._client is None:
            self._client = InfluxDBClientAsync(url=self._url, token=self._token, timeout=self._timeout)
        return self._client.api_client


async def _asked(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except ApiException as error:
        raise refusal_of_request(error.status or 500, str(error.message)) from error
    except TimeoutError as error:
        raise StoreUnavailable("no answer in time") from error
    except (aiohttp.ClientError, OSError) as error:
        raise StoreUnavailable(f"{type(error).__name__}: {error}") from error


async def _found(call: Awaitable[Any]) -> Any | None:
    try:
        return await _asked(call)
    except StoreMisconfigured as error:
        if error.status != _NOT_FOUND:
            raise
        return None


async def _gone(call: Awaitable[Any]) -> None:
    await _found(call)


def _or_raise(found: str | None, error: StoreError) -> str:
    """Somebody else made it between our look and our request: then it is there, and the refusal was about that."""
    if found is None:
        raise error
    return found
