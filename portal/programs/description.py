"""Completes what Litestar says of the API (OpenAPI 3.1): refusals as they really are, tags, tables, examples. Pure.

What holds for every operation of a kind is said once, here; what one operation does stands at its handler. Whether it
is all true is for ``tests/integration/test_api_conformance.py`` to show.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from portal.programs.bodies import BODIES
from portal.programs.examples import ANSWERS, INVERTER_ID, TABLES

Json = dict[str, Any]

API_KEY_SCHEME = "ApiKey"
COLLECTOR_SCHEME = "CollectorKey"
PROBLEM_TYPE = "application/problem+json"

_PROBLEM: Json = {
    "type": "object",
    "title": "Problem",
    "description": "Problem details (RFC 9457). `type` is always `about:blank`: `status` says what kind it is.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What went wrong, for people."},
        "errors": {
            "type": "array",
            "description": "What is wrong with which parameter or field.",
            "items": {
                "type": "object",
                "required": ["message"],
                "properties": {
                    "key": {"type": "string"},
                    "message": {"type": "string"},
                    "source": {"type": "string"},
                },
            },
        },
        "otp": {
            "type": "string",
            "enum": ["required", "refused"],
            "description": "At log-in alone: the account has a second factor.",
        },
    },
}

_API_KEY: Json = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "API key",
    "description": "Made on the page /account/keys. It reads what its account may see, until it expires or is revoked.",
}
_COLLECTOR_KEY: Json = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "Collector's key",
    "description": "Made by an administrator on the page /admin/collectors. It opens these addresses and no others.",
}
_WAIT: Json = {"Retry-After": {"description": "Seconds to wait.", "required": True, "schema": {"type": "integer"}}}
_CHALLENGE: Json = {"WWW-Authenticate": {"required": True, "schema": {"type": "string", "examples": ["Bearer"]}}}
_ETAG: Json = {
    "ETag": {
        "description": "Send it as `If-None-Match`.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[0-9a-f]{32}"$'},
    }
}
_LINK: Json = {
    "Link": {
        "description": "Leads to the next part (`rel=next`); absent on the last one.",
        "schema": {"type": "string"},
    }
}

# Status: the title, when it happens, an example's detail, headers that always come with it.
_REFUSALS: dict[str, tuple[str, str, str, Json]] = {
    "400": ("Bad Request", "A parameter or a field is missing, unknown or wrong.", "The request is not valid.", {}),
    "401": ("Unauthorized", "Nobody the portal knows is asking.", "A valid bearer token is needed.", _CHALLENGE),
    "403": ("Forbidden", "This token may not.", "This token may not ask for that.", {}),
    "404": ("Not Found", "There is none, or none that you may see.", "No such inverter.", {}),
    "413": ("Content Too Large", "More than 64 KiB.", "Request Entity Too Large", {}),
    "415": ("Unsupported Media Type", "Another type than the one described.", "Unsupported Media Type", {}),
    "429": ("Too Many Requests", "Too often from one address, or by one account.", "Too Many Requests", _WAIT),
    "501": ("Not Implemented", "This installation has no InfluxDB.", "There are no InfluxDB tokens.", {}),
    "503": ("Service Unavailable", "Try again soon.", "The store of readings does not answer.", _WAIT),
}


def complete(described: Json) -> Json:
    """The whole description, from what Litestar has gathered of the handlers."""
    whole = deepcopy(described)
    whole["tags"] = [{"name": name, "description": said} for name, said in _TAGS.items()]
    parts = whole.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM
    schemas.update({name: body for name, body in BODIES.items() if name in schemas})
    # A scheme of the kind "http" has no name of a header; Litestar writes one all the same.
    schemes = parts.setdefault("securitySchemes", {})
    schemes |= {API_KEY_SCHEME: _API_KEY, COLLECTOR_SCHEME: _COLLECTOR_KEY}
    for scheme in schemes.values():
        if scheme.get("type") == "http":
            scheme.pop("name", None)
    for path, method, operation in _operations(whole):
        _complete_operation(path, method, operation)
    return whole


_COLLECTORS = "Collectors"
_TAGS = {
    "Inverters": "Which inverters there are.",
    "Readings": "What they measured.",
    "Account": "Who is asking.",
    "Log-in": "Bearer tokens.",
    _COLLECTORS: "For outside collectors of the operator, with a key of their own; with an administrator's token where "
    "the settings allow it.",
    "Health": "For whoever watches the installation.",
}


def _operations(whole: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in whole["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _complete_operation(path: str, method: str, operation: Json) -> None:
    below_api = path.startswith("/api/")
    parameters: list[Json] = operation.setdefault("parameters", [])
    for parameter in parameters:
        _complete_parameter(parameter)
    responses: Json = operation["responses"]
    for status in _refusals(operation, below_api=below_api):
        responses[status] = _refusal(status)
    if "400" in responses and not below_api and not _can_be_wrong(operation):
        del responses["400"]
    if below_api and method == "get":
        operation["security"] = [*operation["security"], {API_KEY_SCHEME: []}]
    if operation["tags"] == [_COLLECTORS]:
        operation["security"] = [*operation["security"], {COLLECTOR_SCHEME: []}]
    if "304" in responses:
        responses["200"]["headers"] = {**responses["200"].get("headers", {}), **_ETAG}
        responses["304"]["headers"] = dict(_ETAG)
        parameters.append(_IF_NONE_MATCH)
    _complete_answer(operation, {parameter["name"] for parameter in parameters})
    operation["responses"] = dict(sorted(responses.items()))


_IF_NONE_MATCH: Json = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of the answer that you have.",
    "schema": {"type": "string"},
}


def _can_be_wrong(operation: Json) -> bool:
    """Whether an address outside ``/api`` looks at anything but its path: what does not fit there is not found."""
    return "requestBody" in operation or any(parameter["in"] != "path" for parameter in operation["parameters"])


def _refusals(operation: Json, *, below_api: bool) -> set[str]:
    """The statuses of refusals: those the handler names, and those that hold for every operation like it."""
    found = {status for status, told in operation["responses"].items() if status in _REFUSALS and _is_drafted(told)}
    if below_api:
        found.add("400")
    if operation.get("security"):
        found.add("401")
    if operation["tags"] != ["Health"]:
        # Whoever asks is looked up in the database, and that may be away.
        found.add("503")
    if any(parameter["in"] == "path" for parameter in operation["parameters"]):
        found.add("404")
    if "requestBody" in operation:
        found |= {"400", "413", "415"}
    return found


def _is_drafted(told: Json) -> bool:
    """Whether Litestar described this refusal by its own shape, not a handler by a shape of ours (health)."""
    return all("$ref" not in content["schema"] for content in told.get("content", {}).values())


def _refusal(status: str) -> Json:
    title, said, detail, headers = _REFUSALS[status]
    example = {"type": "about:blank", "title": title, "status": int(status), "detail": detail}
    schema = {"$ref": "#/components/schemas/Problem"}
    response: Json = {"description": said, "content": {PROBLEM_TYPE: {"schema": schema, "example": example}}}
    return {**response, "headers": headers} if headers else response


def _complete_parameter(parameter: Json) -> None:
    schema = parameter["schema"]
    if "type" in schema:
        # Optional parameters: Litestar adds "or null", which no query can say.
        schema.pop("oneOf", None)
    if parameter["name"] == "inverter_id":
        parameter["example"] = INVERTER_ID


def _complete_answer(operation: Json, names: set[str]) -> None:
    """The successful answer's examples, its other type and where it goes on."""
    name = operation["operationId"]
    for status in ("200", "503"):
        content = operation["responses"].get(status, {}).get("content", {})
        if "application/json" in content and (name, status) in ANSWERS:
            content["application/json"]["example"] = ANSWERS[name, status]
    answer = operation["responses"].get("200")
    if answer is None:
        return
    if "format" in names:
        answer["content"]["text/csv"] = {"schema": {"type": "string"}, "example": TABLES[name]}
    if names & {"cursor", "format"}:
        answer["headers"] = {**answer.get("headers", {}), **_LINK}
