"""The management half of the fake InfluxDB: set-up, organisations, buckets and tokens, for the operator alone."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiohttp import web

from tests.fake_influx_state import Authorization, Bucket, Refused, State

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_T = TypeVar("_T")


def management_routes(state: State) -> list[web.RouteDef]:
    """Everything the manager calls, on ``state``."""
    management = _Management(state)
    handlers: list[tuple[str, str, Handler]] = [
        ("GET", "/api/v2/setup", management.setup_state),
        ("POST", "/api/v2/setup", management.setup),
        ("GET", "/api/v2/me", management.me),
        ("GET", "/api/v2/orgs", management.organisations),
        ("POST", "/api/v2/orgs", management.new_organisation),
        ("GET", "/api/v2/orgs/{id}", management.organisation),
        ("PATCH", "/api/v2/orgs/{id}", management.change_organisation),
        ("DELETE", "/api/v2/orgs/{id}", management.delete_organisation),
        ("GET", "/api/v2/buckets", management.buckets),
        ("POST", "/api/v2/buckets", management.new_bucket),
        ("GET", "/api/v2/buckets/{id}", management.bucket),
        ("PATCH", "/api/v2/buckets/{id}", management.change_bucket),
        ("DELETE", "/api/v2/buckets/{id}", management.delete_bucket),
        ("GET", "/api/v2/authorizations", management.authorizations),
        ("POST", "/api/v2/authorizations", management.new_authorization),
        ("GET", "/api/v2/authorizations/{id}", management.authorization),
        ("PATCH", "/api/v2/authorizations/{id}", management.change_authorization),
        ("DELETE", "/api/v2/authorizations/{id}", management.delete_authorization),
    ]
    return [web.route(method, path, answering(handler)) for method, path, handler in handlers]


def set_up(state: State, organisation: str, bucket: str, token: str) -> tuple[Authorization, str]:
    """The first organisation, and the operator's token."""
    org_id = state.add_organisation(organisation)
    state.add_bucket(org_id, bucket, 0, 604_800)
    return state.add_authorization(org_id, "operator", frozenset(), token=token, operator=True)


def shown_token(request: web.Request) -> str:
    """The token of a request, empty where it has none."""
    return request.headers.get("Authorization", "").removeprefix("Token ")


def answering(handler: Handler) -> Handler:
    """``handler`` with refusals answered as InfluxDB words them."""

    async def answered(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refused as refusal:
            body = {"code": refusal.code, "message": refusal.message}
            return web.json_response(body, status=refusal.status, headers={"X-Platform-Error-Code": refusal.code})

    return answered


class _Management:
    def __init__(self, state: State) -> None:
        self.state = state

    async def setup_state(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"allowed": not self.state.organisations})

    async def setup(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        if self.state.organisations:
            raise Refused(422, "conflict", "onboarding has already been completed")
        auth, token = set_up(self.state, asked["org"], asked["bucket"], asked.get("token") or "")
        return web.json_response({"auth": _authorization_json(auth, token)}, status=201)

    async def me(self, request: web.Request) -> web.StreamResponse:
        self._operator(request)
        return web.json_response({"id": self.state.user_id, "name": "operator"})

    async def organisations(self, request: web.Request) -> web.StreamResponse:
        self._operator(request)
        name = request.query.get("org")
        found = [(org_id, known) for org_id, known in sorted(self.state.organisations.items()) if name in {None, known}]
        if name is not None and not found:
            raise Refused(404, "not found", f'organization name "{name}" not found')
        return web.json_response({"orgs": [{"id": org_id, "name": known} for org_id, known in _page(request, found)]})

    async def new_organisation(self, request: web.Request) -> web.StreamResponse:
        self._operator(request)
        name = (await request.json())["name"]
        return web.json_response({"id": self.state.add_organisation(name), "name": name}, status=201)

    async def organisation(self, request: web.Request) -> web.StreamResponse:
        self._operator(request)
        org_id = request.match_info["id"]
        return web.json_response({"id": org_id, "name": self._organisation_name(org_id)})

    async def change_organisation(self, request: web.Request) -> web.StreamResponse:
        self._operator(request)
        org_id, name = request.match_info["id"], (await request.json())["name"]
        if name != self._organisation_name(org_id):
            self.state.rename_organisation(org_id, name)
        return web.json_response({"id": org_id, "name": name})

    async def delete_organisation(self, request: web.Request) -> web.StreamResponse:
        self._operator(request)
        self._organisation_name(request.match_info["id"])
        self.state.delete_organisation(request.match_info["id"])
        return web.Response(status=204)

    def _organisation_name(self, org_id: str) -> str:
        name = self.state.organisations.get(org_id)
        if name is None:
            raise Refused(404, "not found", "organization not found")
        return name

    async def buckets(self, request: web.Request) -> web.StreamResponse:
        self._operator(request)
        name = request.query.get("name")
        org_id, after = request.query.get("orgID"), request.query.get("after", "")
        known = sorted(self.state.buckets.values(), key=lambda bucket: bucket.id)
        mine = [bucket for bucket in known if org_id in {None, bucket.org_id} and bucket.id > after]
        found = [bucket for bucket in mine if name in {None, bucket.name}]
        if name is not None and not found:
            raise Refused(404, "not found", f'bucket "{name}" not found')
        return web.json_response({"buckets": [_bucket_json(bucket) for bucket in _page(request, found)]})

    async def new_bucket(self, request: web.Request) -> web.StreamResponse:
        self._operator(request)
        asked = await request.json()
        rule = (asked.get("retentionRules") or [{}])[0]
        kept_s, shard_s = rule.get("everySeconds", 0), rule.get("shardGroupDurationSeconds", 604_800)
        bucket = self.state.add_bucket(asked["orgID"], asked["name"], kept_s, shard_s)
        return web.json_response(_bucket_json(bucket), status=201)

    async def bucket(self, request: web.Request) -> web.StreamResponse:
        self._operator(request)
        return web.json_response(_bucket_json(self._bucket(request)))

    async def change_bucket(self, request: web.Request) -> web.StreamResponse:
        self._operator(request)
        bucket = self._bucket(request)
        self.state.rename_bucket(bucket, (await request.json())["name"])
        return web.json_response(_bucket_json(bucket))

    def _bucket(self, request: web.Request) -> Bucket:
        bucket = self.state.buckets.get(request.match_info["id"])
        if bucket is None:
            raise Refused(404, "not found", "bucket not found")
        return bucket

    async def delete_bucket(self, request: web.Request) -> web.StreamResponse:
        self._operator(request)
        del self.state.buckets[self._bucket(request).id]
        return web.Response(status=204)

    async def authorizations(self, request: web.Request) -> web.StreamResponse:
        self._operator(request)
        org_id = request.query.get("orgID")
        # As 2.9.1: those of an organisation that is gone are in no list.
        known = [one for one in self.state.authorizations.values() if one.org_id in self.state.organisations]
        found = [_authorization_json(one) for one in known if org_id in {None, one.org_id}]
        return web.json_response({"authorizations": found})

    async def authorization(self, request: web.Request) -> web.StreamResponse:
        self._operator(request)
        for one in self.state.authorizations.values():
            if one.id == request.match_info["id"]:
                self._organisation_name(one.org_id)
                return web.json_response(_authorization_json(one))
        raise Refused(404, "not found", "authorization not found")

    async def new_authorization(self, request: web.Request) -> web.StreamResponse:
        self._operator(request)
        asked = await request.json()
        if asked["orgID"] not in self.state.organisations:
            raise Refused(404, "not found", "organization not found")
        rights = frozenset((right["action"], right["resource"].get("id")) for right in asked["permissions"])
        made, token = self.state.add_authorization(asked["orgID"], asked.get("description", ""), rights)
        return web.json_response(_authorization_json(made, token), status=201)

    async def change_authorization(self, request: web.Request) -> web.StreamResponse:
        self._operator(request)
        active = (await request.json())["status"] == "active"
        return web.json_response(
            _authorization_json(self.state.set_authorization(request.match_info["id"], active=active))
        )

    async def delete_authorization(self, request: web.Request) -> web.StreamResponse:
        self._operator(request)
        self.state.delete_authorization(request.match_info["id"])
        return web.Response(status=204)

    def _operator(self, request: web.Request) -> None:
        if not self.state.authorization(shown_token(request)).operator:
            raise Refused(401, "unauthorized", "this token may not manage")


def _page(request: web.Request, found: list[_T]) -> list[_T]:
    offset, limit = int(request.query.get("offset", 0)), int(request.query.get("limit", 20))
    if not 1 <= limit <= 100:
        raise Refused(400, "invalid", "limit must be between 1 and 100")
    return found[offset : offset + limit]


def _bucket_json(bucket: Bucket) -> dict[str, Any]:
    rule = {
        "type": "expire",
        "everySeconds": bucket.retention_s,
        "shardGroupDurationSeconds": bucket.shard_s,
    }
    return {"id": bucket.id, "orgID": bucket.org_id, "type": "user", "name": bucket.name, "retentionRules": [rule]}


def _authorization_json(authorization: Authorization, token: str = "") -> dict[str, Any]:
    described = {"id": authorization.id, "orgID": authorization.org_id, "description": authorization.description}
    rights = [
        {
            "action": action,
            "resource": {"type": "buckets", "orgID": authorization.org_id} | ({"id": id_} if id_ else {}),
        }
        for action, id_ in sorted(authorization.rights, key=str)
    ]
    status = "active" if authorization.active else "inactive"
    return {**described, "token": token, "status": status, "permissions": rights}
