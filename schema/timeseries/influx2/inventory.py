"""What there is on an InfluxDB server, as its operator sees it: all organisations, buckets and tokens.

2.9.1 answers at most a hundred organisations or buckets at once (buckets after a known id, organisations by offset) and
all tokens in one answer, without the tokens themselves. Tokens of a deleted organisation stay, but in no list: only
their ids delete them (measured; ``test_influx_inventory``).
"""

from typing import Any

from influxdb_client.domain.patch_bucket_request import PatchBucketRequest
from influxdb_client.domain.patch_organization_request import PatchOrganizationRequest
from influxdb_client.service.buckets_service import BucketsService
from influxdb_client.service.organizations_service import OrganizationsService

from schema.timeseries.influx2.answers import is_id
from schema.timeseries.influx2.requests import OperatorRequests, asked, gone, looked_up
from schema.timeseries.management import FoundBucket, FoundOrganisation, FoundToken

_PAGE = 100


class InfluxInventory(OperatorRequests):
    """A ``StoreInventory`` of one server. Every method raises ``StoreError``."""

    async def identity(self) -> str:
        """The id of the operator token's user: made at the set-up, kept in every backup, another one elsewhere."""
        return str((await self._read("/api/v2/me"))["id"])

    async def organisations(self) -> list[FoundOrganisation]:
        """All of them, a hundred in each request."""
        all_of_them: list[FoundOrganisation] = []
        while True:
            page = (await self._read("/api/v2/orgs", limit=_PAGE, offset=len(all_of_them))).get("orgs") or []
            all_of_them += [FoundOrganisation(one["id"], one["name"]) for one in page]
            if len(page) < _PAGE:
                return all_of_them

    async def buckets(self, org_id: str = "") -> list[FoundBucket]:
        """Those of one organisation, or all, a hundred in each request; InfluxDB's own (``_tasks``) left out."""
        all_of_them: list[FoundBucket] = []
        query: dict[str, str | int] = {"limit": _PAGE} | ({"orgID": org_id} if org_id else {})
        while True:
            page = (await self._read("/api/v2/buckets", **query)).get("buckets") or []
            all_of_them += [
                FoundBucket(one["id"], one["orgID"], one["name"]) for one in page if one.get("type") != "system"
            ]
            if len(page) < _PAGE:
                return all_of_them
            query["after"] = page[-1]["id"]

    async def tokens(self, org_id: str = "") -> list[FoundToken]:
        """Those of one organisation, or all, in one request."""
        query = {"orgID": org_id} if org_id else {}
        page = (await self._read("/api/v2/authorizations", **query)).get("authorizations") or []
        return [_token(one) for one in page]

    async def token(self, authorization_id: str) -> FoundToken | None:
        """The one with this id, None where there is none, or its organisation is gone."""
        path = f"/api/v2/authorizations/{authorization_id}"
        answer = await looked_up(self._reading(path)) if is_id(authorization_id) else None
        return _token(answer) if answer else None

    async def has_organisation(self, org_id: str) -> bool:
        """Whether there is one with this id."""
        return await looked_up(OrganizationsService(self._api()).get_orgs_id_async(org_id)) is not None

    async def has_bucket(self, bucket_id: str) -> bool:
        """Whether there is one with this id."""
        return await looked_up(BucketsService(self._api()).get_buckets_id_async(bucket_id)) is not None

    async def rename_organisation(self, org_id: str, name: str) -> None:
        """Give it this name. Raises ``StoreMisconfigured`` where another one has it."""
        request = PatchOrganizationRequest(name=name)
        await asked(OrganizationsService(self._api()).patch_orgs_id_async(org_id, request))

    async def rename_bucket(self, bucket_id: str, name: str) -> None:
        """Give it this name. Raises ``StoreMisconfigured`` where another one of its organisation has it."""
        await asked(BucketsService(self._api()).patch_buckets_id_async(bucket_id, PatchBucketRequest(name=name)))

    async def delete_organisation(self, org_id: str) -> None:
        """It and its buckets are erased; one that is gone already is no error. Delete its tokens before."""
        await gone(OrganizationsService(self._api()).delete_orgs_id_async(org_id))


def _token(answer: dict[str, Any]) -> FoundToken:
    rights = (
        (right["action"], right["resource"]["type"], right["resource"].get("id") or "")
        for right in answer.get("permissions") or []
    )
    return FoundToken(
        answer["id"],
        answer["orgID"],
        answer.get("description") or "",
        answer.get("status") == "active",
        frozenset(rights),
    )
