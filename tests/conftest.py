"""Fixtures every folder may use. Real services start once a session, and only when a test asks for them."""

from collections.abc import Iterator

import pytest

from tests.databases import migrated
from tests.influx import RealInflux, influx
from tests.services import Postgres, postgres


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """One PostgreSQL for the whole run; each test takes a fresh database from it."""
    with postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def influx_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealInflux]:
    """One influxd for the whole run; each test makes organisations of its own in it."""
    with influx(tmp_path_factory.mktemp("influx")) as server:
        yield server


@pytest.fixture(scope="session")
def newest_postgres(postgres_server: Postgres) -> str:
    """The name of a database of the newest revision, to be copied."""
    migrated(postgres_server.fresh("newest"))
    return "newest"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An empty database of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('database')}/deye.db"
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.fresh(f"test_{abs(hash(request.node.nodeid))}")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database of each kind in turn, for ``bring_up_to_date``: on PostgreSQL it is that already."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('database')}/deye.db"
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.fresh(f"test_{abs(hash(request.node.nodeid))}", like=request.getfixturevalue("newest_postgres"))
