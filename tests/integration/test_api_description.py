"""The API's description: complete, made of what the application really has, every example true to its schema."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from litestar.routes import HTTPRoute

from portal.app import PROGRAMS_OPEN, PROGRAMS_SIGNED_IN
from portal.programs.description import complete
from tests.portal_app import RunningPortal

pytestmark = pytest.mark.integration
Json = dict[str, Any]
PROBLEM = "application/problem+json"
VERBS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
async def described(portal: RunningPortal) -> Json:
    """What programs get."""
    async with portal.browser() as http:
        answer = await http.get("/docs/openapi.json")
    found: Json = answer.json()
    return found


def operations(described: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, verb and operation."""
    for path, item in described["paths"].items():
        for verb, operation in item.items():
            yield path, verb, operation


def fits(value: object, schema: Json, described: Json) -> list[str]:
    """What is wrong with a value by a schema of the description."""
    whole = {**schema, "components": described["components"]}
    checker = jsonschema.Draft202012Validator(whole, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    return [error.message for error in checker.iter_errors(value)]


async def test_every_address_of_programs_is_described_and_no_page_is(described: Json, portal: RunningPortal) -> None:
    """From the routes themselves: a new handler cannot be forgotten."""
    of_programs = {str(handler) for handler in [*PROGRAMS_OPEN, *PROGRAMS_SIGNED_IN]}
    wanted = {
        (route.path_format, verb.lower())
        for route in portal.app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if str(handler) in of_programs
        for verb in handler.http_methods
    }

    assert {(path, verb) for path, verb, _ in operations(described)} == wanted
    assert len(wanted) == len([*PROGRAMS_OPEN, *PROGRAMS_SIGNED_IN])


async def test_every_operation_has_a_name_a_tag_words_and_examples(described: Json) -> None:
    """Names are stable and unique: generated clients are built on them."""
    tags = {tag["name"] for tag in described["tags"]}
    names = [operation["operationId"] for _, _, operation in operations(described)]
    bare = [
        (path, status, kind)
        for path, _, operation in operations(described)
        for status, answer in operation["responses"].items()
        for kind, content in answer.get("content", {}).items()
        if "example" not in content
    ]

    assert sorted(names) == [
        "askForWriteToken", "getAccount", "getHealth", "getInverter", "getLatest", "getLiveness", "getReadiness",
        "getWriteToken",
        "listEnergy", "listInverters", "listQuantities", "listReadings", "logIn", "logOut", "tellMetadata",
    ]  # fmt: skip
    assert bare == []
    for path, verb, operation in operations(described):
        assert set(operation["tags"]) <= tags, path
        assert operation["tags"], path
        assert operation["summary"], path
        assert operation["description"], path
        assert all(answer["description"] for answer in operation["responses"].values()), (path, verb)


async def test_every_example_is_true_to_its_schema(described: Json) -> None:
    """Answers, refusals, bodies and parameters."""
    wrong = []
    for path, verb, operation in operations(described):
        shown = [
            content for answer in operation["responses"].values() for content in answer.get("content", {}).values()
        ]
        for content in shown:
            wrong += [(path, verb, fault) for fault in fits(content["example"], content["schema"], described)]
        for parameter in operation["parameters"]:
            given = parameter["schema"].get("examples", [])
            given += [parameter["example"]] if "example" in parameter else []
            for example in given:
                wrong += [(path, parameter["name"], fault) for fault in fits(example, parameter["schema"], described)]
    for name, schema in described["components"]["schemas"].items():
        if "example" in schema:
            wrong += [(name, "", fault) for fault in fits(schema["example"], schema, described)]

    assert wrong == []


async def test_every_refusal_is_described_as_problem_details(described: Json) -> None:
    """401 where a token is needed, 404 where something is looked up, 413 and 415 where a body is read."""
    for path, verb, operation in operations(described):
        responses = operation["responses"]
        for status, answer in responses.items():
            if status >= "400" and operation["tags"] != ["Health"]:
                assert list(answer["content"]) == [PROBLEM], (path, status)
        assert ("401" in responses) == bool(operation.get("security") or path == "/auth/jwt/login"), path
        assert "{" not in path or "404" in responses, path
        assert ("requestBody" in operation) == ({"413", "415"} <= set(responses)), path
        if path.startswith("/api/") and verb == "get":
            assert operation["security"] == [{"BearerToken": []}, {"ApiKey": []}], path


async def test_all_ways_in_are_described(described: Json) -> None:
    """A token of a log-in, an API key and a collector's key; all come in the same header."""
    schemes = described["components"]["securitySchemes"]
    for_collectors = [
        path for path, _, operation in operations(described) if {"CollectorKey": []} in operation.get("security", [])
    ]

    assert set(schemes) == {"BearerToken", "ApiKey", "CollectorKey"}
    assert sorted(for_collectors) == ["/api/influx_token", "/influx_token", "/inverter_metadata/{serial}"]
    assert {(scheme["type"], scheme["scheme"].lower()) for scheme in schemes.values()} == {("http", "bearer")}


async def test_completing_changes_nothing_of_what_was_gathered(portal: RunningPortal) -> None:
    """The framework keeps its own; doing it twice says the same."""
    gathered = portal.app.openapi_schema.to_schema()
    before = str(gathered)

    first, second = complete(gathered), complete(gathered)

    assert str(gathered) == before
    assert first == second
