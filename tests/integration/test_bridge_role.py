"""T34, least privilege: on PostgreSQL the bridge has a role of its own, that reads nobody's secrets and moves nothing.

That a bridge does all of its work with it is shown by every test that runs one on PostgreSQL (``bridge_set_up.home``).
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from schema import bridge_role, live, migrate
from schema.bridge_role import RoleNotMade, verifier
from schema.database import create_engine_for
from schema.models import Base
from tests.services import Postgres

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
INSUFFICIENT_PRIVILEGE = "42501"
ROLE, PASSWORD = "bridge_of_role_tests", "a password of the bridge alone"

# Who somebody is, what he may do, how he comes in, and what is sealed for others.
SECRET = (
    *("account.password_hash", "account.email", "account.totp_sealed", "login_session.id", "email_token.token_hash"),
    *("api_key.key_hash", "recovery_code.code_hash", "collector.key_hash", "collector_serial.serial_hash"),
    *("outbox_mail.sealed", "grant.role", "invitation.id", "owner.name", "audit_entry.details", "audit_seal.hash"),
    *("login.verifier", "placement.external_token_sealed", "owner_placement.read_token_sealed", "inverter.name"),
)
FORBIDDEN = (
    # Somebody else's readings: a feed, an inverter or a place that changes sides.
    "UPDATE feed SET inverter_id = gen_random_uuid()",
    "UPDATE feed SET login = 'ZZZZZZZZZZ'",
    "UPDATE inverter SET owner_id = gen_random_uuid()",
    "UPDATE inverter SET deleted_at = NULL",
    "UPDATE placement SET bucket_id = 'b'",
    "UPDATE owner_placement SET server = 'http://192.0.2.1'",
    # A way in: another secret, a login that comes back, one of its own.
    "UPDATE login SET verifier = 'v'",
    "UPDATE login SET revoked_at = NULL",
    "INSERT INTO login (name, verifier, registry_version, created_at) VALUES ('ZZZZZZZZZZ', 'v', 1, now())",
    "UPDATE account SET is_admin = true",
    'DELETE FROM "grant"',
    # What is gone or said for good.
    "DELETE FROM inverter",
    "TRUNCATE dead_letter",
    "INSERT INTO audit_entry (at, actor, action, subject, details) VALUES (now(), 'x', 'x', 'x', '{}')",
    "INSERT INTO dead_letter_request (id) VALUES (gen_random_uuid())",
    "CREATE TABLE mine (id int)",
    "CREATE ROLE mine SUPERUSER",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('/etc/passwd')",
)


@pytest.fixture(scope="module")
def database(postgres_server: Postgres) -> str:
    """A migrated database for all tests of this file."""
    url = postgres_server.fresh("role_tests")

    async def migrated() -> None:
        engine = create_engine_for(url)
        await migrate.upgrade(engine)
        await engine.dispose()

    asyncio.run(migrated())
    return url


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    """With the bridge's role in it, as its owner reaches it."""
    made = create_engine_for(database)
    await bridge_role.ensure(made, PASSWORD, role=ROLE)
    yield made
    await made.dispose()


@pytest.fixture
async def bridges(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """The same database as the bridge reaches it."""
    made = create_engine_for(engine.url.set(username=ROLE, password=PASSWORD).render_as_string(hide_password=False))
    yield made
    await made.dispose()


async def refused(engine: AsyncEngine, statement: str) -> bool:
    """Whether the server says that it may not; any other trouble is raised."""
    try:
        async with engine.begin() as connection:
            await connection.execute(text(statement))
    except ProgrammingError as fault:
        if getattr(fault.orig, "sqlstate", "") != INSUFFICIENT_PRIVILEGE:
            raise
        return True
    return False


async def test_the_bridge_reads_nobodys_secrets(engine: AsyncEngine, bridges: AsyncEngine) -> None:
    """It holds the key that opens what is sealed, so sealed columns are as secret as hashes; nor who people are."""
    tables = {f"{table.name}.{column.name}" for table in Base.metadata.sorted_tables for column in table.columns}
    asked = ['SELECT "{1}" FROM "{0}"'.format(*name.split(".")) for name in SECRET]

    assert set(SECRET) <= tables
    assert [statement for statement in asked if not await refused(bridges, statement)] == []
    assert [statement for statement in asked if await refused(engine, statement)] == []


async def test_the_bridge_moves_no_reading_and_lets_nobody_in(bridges: AsyncEngine) -> None:
    """Whoever has taken it over cannot change whose a login, an inverter or a place is, nor the server itself."""
    assert [statement for statement in FORBIDDEN if not await refused(bridges, statement)] == []


async def test_the_bridges_cache_lies_beside_the_other_tables(bridges: AsyncEngine) -> None:
    """Where nothing else is said: it finds the tables made, writes and forgets."""
    url = bridges.url.render_as_string(hide_password=False)
    cache = await live.open_live(url)
    nothing = dict.fromkeys(("seen_at", "connected_at", "disconnected_at"))
    await live.put_logins(cache, [{"login": "ABCDEFGHJK", **nothing}])
    known = await live.logins_of(cache, ["ABCDEFGHJK"])
    await live.forget_logins(cache, ["ABCDEFGHJK"])
    left = await live.logins_of(cache, ["ABCDEFGHJK"])
    await cache.dispose()

    assert (set(known), left) == ({"ABCDEFGHJK"}, {})


async def test_a_right_that_was_given_by_hand_is_taken_back(engine: AsyncEngine, bridges: AsyncEngine) -> None:
    """With the next migration, on whole tables and on columns; what it needs it keeps."""
    async with engine.begin() as connection:
        await connection.execute(text(f"GRANT SELECT ON account TO {ROLE}"))
        await connection.execute(text(f"GRANT UPDATE (verifier) ON login TO {ROLE}"))
    given = ("SELECT email FROM account", "UPDATE login SET verifier = 'v'")
    before = [await refused(bridges, statement) for statement in given]
    await bridge_role.ensure(engine, PASSWORD, role=ROLE)
    after = [await refused(bridges, statement) for statement in given]

    assert (before, after) == ([False, False], [True, True])
    assert not await refused(bridges, "SELECT name FROM login")


async def _gets_in(engine: AsyncEngine, password: str) -> bool:
    url = engine.url.set(drivername="postgresql", username=ROLE, password=password)
    try:
        connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    except asyncpg.InvalidPasswordError:
        return False
    await connection.close()
    return True


async def test_the_server_knows_the_password_without_having_been_told_it(engine: AsyncEngine) -> None:
    """Ours is what it makes of a password itself: the right one comes in, a former one and a wrong one do not."""
    async with engine.begin() as connection:
        known = await connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = 'asked_for_passwords'"))
        if not known:
            await connection.execute(text("CREATE ROLE asked_for_passwords"))
        await connection.execute(text(f"GRANT asked_for_passwords TO {ROLE}"))
    if await _gets_in(engine, "whatever"):
        pytest.skip("this PostgreSQL asks nobody for a password")
    await bridge_role.ensure(engine, "another password", role=ROLE)

    assert [await _gets_in(engine, word) for word in ("another password", PASSWORD, "")] == [True, False, False]


@pytest.mark.parametrize("password", ["", "schön", "a\nb"])
def test_a_password_that_would_have_to_be_normalised_is_not_taken(password: str) -> None:
    """RFC 4013 is left to those who need it; ours are made of letters and digits."""
    with pytest.raises(RoleNotMade, match="printable ASCII"):
        verifier(password, b"salt")


async def test_who_may_make_no_roles_is_told_what_to_do(engine: AsyncEngine) -> None:
    """And nothing is half done."""
    async with engine.begin() as connection:
        await connection.execute(text("DROP ROLE IF EXISTS nobody_special"))
        await connection.execute(text("CREATE ROLE nobody_special LOGIN"))
    poor = create_engine_for(engine.url.set(username="nobody_special").render_as_string(hide_password=False))
    with pytest.raises(RoleNotMade, match="CREATEROLE"):
        await bridge_role.ensure(poor, PASSWORD, role="never_made")
    await poor.dispose()

    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM pg_roles WHERE rolname = 'never_made'")) == 0


async def test_migrate_makes_the_role_where_its_password_is_given(database: str, engine: AsyncEngine) -> None:
    """The very command of the containers; without the variable nothing but the tables."""
    may = text("SELECT count(*) FROM information_schema.column_privileges WHERE grantee = 'deye_bridge'")
    found = []
    for password in ("", "of the bridge"):
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "schema", "migrate"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "DATABASE_URL": database, "BRIDGE_DATABASE_PASSWORD": password},
            check=False,
            capture_output=True,
            text=True,
        )
        async with engine.connect() as connection:
            found.append((done.returncode, done.stderr, bool(await connection.scalar(may))))

    assert found == [(0, "", False), (0, "", True)]
