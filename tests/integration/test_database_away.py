"""While the database does not answer, every page and form says so with 503, and a wrong statement stays our fault."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from portal.errors import is_absence_of_the_database
from portal.throttle import Throttle
from portal.tries import Tries
from schema.database import create_engine_for, sessions_for
from tests.people import Person
from tests.portal_app import running_portal
from tests.services import free_port

pytestmark = pytest.mark.integration


@pytest.fixture
async def http(tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient, None]:
    """A browser at a portal whose PostgreSQL has gone away."""
    async with running_portal(tmp_path) as portal:
        engine = create_engine_for(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
        gone = sessions_for(engine)
        tries = Tries(gone, portal.parts.tries.key)
        portal.app.state.parts = replace(portal.parts, sessions=gone, tries=tries, throttle=Throttle(tries))
        async with portal.browser() as browser:
            yield browser
        await engine.dispose()


@pytest.mark.parametrize("path", ["/login", "/signup", "/reset", "/verify/again"])
async def test_a_form_without_its_database_asks_for_patience(http: httpx.AsyncClient, path: str) -> None:
    """503 with Retry-After and a page that says so; the page with the form itself still opens."""
    typed = {"email": "alice@example.org"} | ({"password": "ten blue kettles"} if path in ("/login", "/signup") else {})

    page = await http.get(path)
    sent = await Person("alice", http).post(path, **typed)

    assert page.status_code == 200
    assert (sent.status_code, sent.headers["retry-after"]) == (503, "10")
    assert "Not available right now" in sent.text


async def test_a_program_without_the_database_is_told_to_come_back(http: httpx.AsyncClient) -> None:
    """Problem details with the same status."""
    answer = await http.post("/auth/jwt/login", data={"username": "alice@example.org", "password": "x"})

    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("statement", ["SELECT nothing FROM nowhere", "SELEKT"])
async def test_a_statement_that_the_database_refuses_is_a_fault_of_ours(database_url: str, statement: str) -> None:
    """Else a broken release would look like an outage."""
    engine = create_engine_for(database_url)
    async with engine.connect() as connection:
        with pytest.raises(SQLAlchemyError) as fault:
            await connection.execute(text(statement))
    await engine.dispose()

    assert not is_absence_of_the_database(fault.value)
