"""How the databases answer what every page asks: by an index to the account's own rows, however many others have."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest
from sqlalchemy import ColumnElement, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from portal.accounts import service
from portal.inverters.grants import acts_for, owned_by, visible_to
from schema.database import create_engine_for, sessions_for
from schema.models import Account, Inverter
from tests.databases import bring_up_to_date

pytestmark = pytest.mark.integration
NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
OTHERS = 20_000


@pytest.fixture
async def engine(database_url: str) -> AsyncGenerator[AsyncEngine, None]:
    """A database of each kind with many homes, each with an inverter."""
    engine = create_engine_for(database_url)
    await bring_up_to_date(engine)
    an_id = "gen_random_uuid()" if engine.dialect.name == "postgresql" else "lower(hex(randomblob(16)))"
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {OTHERS})"
    async with engine.begin() as connection:
        await connection.execute(
            text(
                f"{numbers} INSERT INTO owner (id, name, time_zone, created_at)"
                f" SELECT {an_id}, 'Home', 'UTC', CURRENT_TIMESTAMP FROM n"
            )
        )
        await connection.execute(
            text(
                "INSERT INTO inverter (id, owner_id, name, serial, created_at)"
                f" SELECT {an_id}, id, 'Roof', 'S1', CURRENT_TIMESTAMP FROM owner"
            )
        )
        await connection.execute(text("ANALYZE"))
    yield engine
    await engine.dispose()


def conditions(account: Account) -> dict[str, ColumnElement[bool]]:
    """What queries about inverters carry."""
    return {
        "visible": visible_to(account.id, NOON),
        "owned": owned_by(account.id, NOON),
        "acts for": acts_for(Inverter.owner_id, account.id, NOON),
    }


async def test_an_accounts_inverters_are_found_without_reading_everybodys(engine: AsyncEngine) -> None:
    """A million homes are one database: what a page costs depends on its reader's rows alone."""
    async with sessions_for(engine).begin() as session:
        alice = await service.create(session, "alice@example.org", "-", "UTC", now=NOON)
    assert alice is not None
    explain = "EXPLAIN " if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
    plans = {}

    async with engine.connect() as connection:
        for name, condition in conditions(alice).items():
            compiled = select(Inverter.id).where(condition).compile(engine, compile_kwargs={"literal_binds": True})
            rows = await connection.exec_driver_sql(explain + str(compiled))
            plans[name] = "\n".join(str(tuple(row)) for row in rows)

    assert {name: plan for name, plan in plans.items() if "Seq Scan on inverter" in plan} == {}
    assert {name: plan for name, plan in plans.items() if "SCAN inverter" in plan} == {}
