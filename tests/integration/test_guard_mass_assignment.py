"""Nobody changes a column by naming it (T22): every form and body, with every column of the database added to it."""

import importlib
import pkgutil
from collections.abc import AsyncGenerator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, ValidationError
from sqlalchemy import Column, select

import portal
from portal.errors import PROGRAM_PATHS
from schema.models import Base
from tests.filled_in import typed
from tests.people import Person, sign_up
from tests.stage import Stage, the_stage
from tests.targets import target

pytestmark = pytest.mark.integration

WORD, NUMBER, LONG_AGO = "mass-assigned", 424_242, "2001-02-03T04:05:06+00:00"
COLUMNS = {column.name: column for table in Base.metadata.sorted_tables for column in table.columns}
# What a page's address may carry beside its own parameters, such as a campaign's; nothing is changed there.
OPEN_MODELS = ("Search", "_Place")


def _models(parent: type[BaseModel] = BaseModel) -> Iterator[type[BaseModel]]:
    for model in parent.__subclasses__():
        yield from _models(model)
        if model.__module__.startswith("portal."):
            yield model


def _every_model() -> list[type[BaseModel]]:
    for module in pkgutil.walk_packages(portal.__path__, "portal."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return sorted(set(_models()), key=lambda model: f"{model.__module__}.{model.__name__}")


CLOSED = [model for model in _every_model() if not model.__name__.endswith(OPEN_MODELS)]


def value_for(column: Column[Any], mallory: UUID) -> str:
    """What an attacker would like to stand there, in a shape that is found again."""
    kind = column.type.python_type
    if kind is bool:
        return "true"
    if kind is int:
        return str(NUMBER)
    if kind is UUID:
        return str(mallory)
    return LONG_AGO if kind is datetime else WORD


@pytest.mark.parametrize("model", CLOSED, ids=[f"{model.__module__}.{model.__name__}" for model in CLOSED])
def test_no_model_takes_a_column_that_is_no_field_of_its(model: type[BaseModel]) -> None:
    """One by one: a field that is not asked for is an error of its own, whatever else is right or wrong."""
    taken = []
    for name in COLUMNS.keys() - model.model_fields.keys():
        try:
            model.model_validate({name: WORD})
            taken.append(name)
        except ValidationError as fault:
            if ("extra_forbidden", (name,)) not in [(error["type"], error["loc"]) for error in fault.errors()]:
                taken.append(name)

    assert taken == []
    assert model.model_config.get("frozen") is True


def test_there_are_models_and_columns_to_try() -> None:
    """A test over nothing proves nothing."""
    assert len(CLOSED) >= 20
    assert {"is_admin", "owner_id", "account_id", "verified_at", "totp_sealed", "scope"} <= COLUMNS.keys()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage, None]:
    """Everybody, at a portal of their own."""
    async with the_stage(tmp_path) as built:
        yield built


async def marks(stage: Stage, mallory: UUID) -> dict[str, int]:
    """How often the attacker's values stand in each column of the database, and how often each flag is set."""
    found: dict[str, int] = {}
    async with stage.portal.parts.sessions() as session:
        for table in Base.metadata.sorted_tables:
            rows = (await session.execute(select(*table.columns))).all()
            for place, column in enumerate(table.columns):
                wanted = (True,) if column.type.python_type is bool else (WORD, NUMBER, mallory, str(mallory))
                values = [row[place] for row in rows if row[place]]
                count = sum(value in wanted or str(value).startswith("2001-02-03") for value in values)
                if count:
                    found[str(column)] = count
    return found


def acts(stage: Stage) -> list[tuple[str, str]]:
    """Method and path of everything that is no looking."""
    return [
        (str(method), route.path)
        for route in stage.portal.app.routes
        for method in getattr(route, "methods", ())
        if method not in ("GET", "HEAD", "OPTIONS")
    ]


async def prepared(stage: Stage, method: str, path: str, who: str) -> tuple[str, dict[str, str]]:
    """An address of this route and a form that fits."""
    where = await target(stage, path)
    fits = await typed(stage, f"{method} {path}", who, where)
    for name, value in where.items():
        path = path.replace(f"{{{name}:uuid}}", str(value)).replace(f"{{{name}:str}}", str(value))
    return path, fits


async def send(stage: Stage, method: str, address: str, who: str, form: dict[str, str]) -> int:
    """As a page or a program sends it; returns the status."""
    if not address.startswith(PROGRAM_PATHS):
        return (await stage.people[who].post(address, **form)).status_code
    body: dict[str, Any] = {"data" if address.startswith("/auth") else "json": form}
    async with stage.portal.browser() as program:
        return (await program.request(method, address, headers=stage.bearer[who], **body)).status_code


async def test_no_route_writes_what_it_did_not_ask_for(stage: Stage) -> None:
    """Every form, button and body of the application, filled in rightly and with all columns beside: refused, or
    done without them. By Alice, and by Ada where it is for her alone."""
    mallory = Person("mallory", stage.cast.nobody.http)
    await sign_up(stage.portal, mallory)
    attack = {name: value_for(column, mallory.account_id) for name, column in COLUMNS.items()}
    wrong, statuses = {}, {}
    # Leaving comes last: who is gone tries nothing.
    order = sorted(acts(stage), key=lambda act: ("logout" in act[1] or "end" in act[1] or "delete" in act[1], act))
    for method, path in order:
        who = "ada" if path.startswith(("/admin", "/inverter_metadata")) else "alice"
        await stage.people[who].log_in()
        address, fits = await prepared(stage, method, path, who)
        before = await marks(stage, mallory.account_id)
        statuses[path] = await send(stage, method, address, who, {**attack, **fits})
        after = await marks(stage, mallory.account_id)
        if after != before:
            wrong[path] = {name: (before.get(name, 0), count) for name, count in after.items()}

    assert wrong == {}
    assert len(statuses) >= 35
    assert set(statuses.values()) <= {200, 204, 303, 400, 401, 404, 409, 410, 422}
    assert list(statuses.values()).count(422) >= 10, statuses
