"""The broker's password file follows the database, and the database learns what the broker has loaded."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import delete, update

from portal.provisioner.broker_folder import AnotherProvisioner, BrokerFolder
from portal.provisioner.generations import Generations
from portal.provisioner.password_file import LoginsWouldVanish, parse
from schema.changes import registry_changed
from schema.database import Sessions, create_engine_for, reading, sessions_for
from schema.models import ONLY_ROW, Login, Owner, PasswordFileGeneration
from schema.verifiers import new_login, new_secret, verifier
from tests.broker import Broker
from tests.databases import bring_up_to_date

pytestmark = pytest.mark.integration
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
OWNER = UUID(int=1)


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[Sessions]:
    engine = create_engine_for(url)
    await bring_up_to_date(engine)
    sessions = sessions_for(engine)
    async with sessions.begin() as session:
        session.add(Owner(id=OWNER, name="Alice", created_at=NOW))
    try:
        yield sessions
    finally:
        await engine.dispose()


@pytest.fixture
async def sessions(tmp_path: Path) -> AsyncIterator[Sessions]:
    """An SQLite database with one owner."""
    async with _database(f"sqlite:///{tmp_path}/deye.db") as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> BrokerFolder:
    """The folder shared with the broker."""
    (tmp_path / "broker").mkdir()
    return BrokerFolder(tmp_path / "broker")


async def _add_login(sessions: Sessions, secret: str = "", name: str = "", kept: str = "") -> str:
    async with sessions.begin() as session:
        version = await registry_changed(session)
        name = name or new_login()
        kept = kept or verifier(secret or new_secret())
        session.add(Login(name=name, owner_id=OWNER, verifier=kept, registry_version=version, created_at=NOW))
    return name


async def _revoke(sessions: Sessions, name: str) -> None:
    async with sessions.begin() as session:
        await session.execute(update(Login).where(Login.name == name).values(revoked_at=NOW))
        await registry_changed(session)


async def _generation(sessions: Sessions) -> PasswordFileGeneration:
    async with reading(sessions) as session:
        row = await session.get(PasswordFileGeneration, ONLY_ROW)
    assert row is not None
    return row


def _names(folder: BrokerFolder) -> set[str]:
    return set(parse(folder.passwords() or ""))


async def test_logins_come_and_go_as_the_database_says(database_url: str, folder: BrokerFolder) -> None:
    """On both databases: new logins are in, revoked ones are out, the bridge is always in."""
    async with _database(database_url) as sessions:
        generations = Generations(sessions, folder, "bridge-password")
        await generations.refresh()
        first = _names(folder)
        alice, bob = await _add_login(sessions), await _add_login(sessions)
        await generations.refresh()
        both = _names(folder)
        await _revoke(sessions, alice)
        await generations.refresh()
        row = await _generation(sessions)

    assert first == {"bridge", "canary"}
    assert both == {"bridge", "canary", alice, bob}
    assert _names(folder) == {"bridge", "canary", bob}
    assert (row.written, row.logins) == (3, 1)
    assert folder.generation() == 3


async def test_the_broker_accepts_what_the_portal_shows(sessions: Sessions, tmp_path: Path) -> None:
    """A real Mosquitto reads our file: the secret with its dashes is in, a wrong or revoked one is not."""
    broker = Broker(tmp_path / "broker")
    folder = BrokerFolder(broker.folder)
    secret = new_secret()
    login = await _add_login(sessions, secret)
    generations = Generations(sessions, folder, "bridge-password")
    await generations.refresh()
    broker.start()

    def publish(password: str) -> int:
        command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), "-u", login, "-P", password]
        command += ["-q", "1", "-t", f"deye/{login}/reading", "-m", "{}"]
        return subprocess.run(command, check=False, capture_output=True, timeout=20).returncode

    try:
        right, wrong, undashed = publish(secret), publish(new_secret()), publish(secret.replace("-", ""))
        await _revoke(sessions, login)
        await generations.refresh()
        broker.reload()
        revoked = publish(secret)
    finally:
        broker.stop()

    assert right == 0
    assert 0 not in (wrong, undashed, revoked)


async def test_logins_that_vanish_without_a_revocation_keep_the_present_file(
    sessions: Sessions, folder: BrokerFolder
) -> None:
    """An emptied or wrong database locks nobody out; a person may say that it is meant."""
    generations = Generations(sessions, folder, "bridge-password")
    login = await _add_login(sessions)
    await generations.refresh()
    async with sessions.begin() as session:
        await session.execute(delete(Login))
        await registry_changed(session)

    with pytest.raises(LoginsWouldVanish, match=login):
        await generations.refresh()
    kept = _names(folder)
    await Generations(sessions, folder, "bridge-password", accept_vanished=True).refresh()

    assert kept == {"bridge", "canary", login}
    assert _names(folder) == {"bridge", "canary"}


async def test_a_broken_verifier_in_the_database_costs_only_its_own_login(
    sessions: Sessions, folder: BrokerFolder
) -> None:
    """Whatever wrote it: the line stays out, the neighbours get in."""
    await _add_login(sessions, kept="x:y\nBADBADBAD2:$7$101$")
    alice = await _add_login(sessions)

    await Generations(sessions, folder, "bridge-password").refresh()

    assert _names(folder) == {"bridge", "canary", alice}


async def test_what_is_loaded_reaches_the_database_once_the_broker_says_so(
    sessions: Sessions, folder: BrokerFolder, tmp_path: Path
) -> None:
    """Written is not applied: the pairing page waits for the broker."""
    generations = Generations(sessions, folder, "bridge-password")
    await _add_login(sessions)
    await generations.refresh()
    await generations.confirm()
    before = await _generation(sessions)
    (tmp_path / "broker" / "applied").write_text(f"{folder.generation()}\n")
    await generations.confirm()
    after = await _generation(sessions)

    assert (before.written, before.applied) == (1, 0)
    assert (after.written, after.applied) == (1, 1)


async def test_a_version_without_a_new_login_needs_no_reload(
    sessions: Sessions, folder: BrokerFolder, tmp_path: Path
) -> None:
    """A placement that became ready raises the version; the broker is left alone and the version counts as applied."""
    generations = Generations(sessions, folder, "bridge-password")
    await _add_login(sessions)
    await generations.refresh()
    (tmp_path / "broker" / "applied").write_text(f"{folder.generation()}\n")
    async with sessions.begin() as session:
        await registry_changed(session)

    await generations.refresh()
    await generations.confirm()
    row = await _generation(sessions)

    assert folder.generation() == 1
    assert (row.written, row.applied) == (2, 2)


async def test_killed_between_the_two_files_the_next_run_asks_for_the_reload(
    sessions: Sessions, folder: BrokerFolder
) -> None:
    """New passwords with an old generation would never be loaded."""
    await Generations(sessions, folder, "bridge-password").refresh()
    await _add_login(sessions)

    class DiesBetween(BrokerFolder):
        def write_generation(self, version: int) -> None:  # noqa: ARG002  # the signature of the original
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await Generations(sessions, DiesBetween(folder.path), "bridge-password").refresh()
    stuck = folder.generation()
    await Generations(sessions, folder, "bridge-password").refresh()

    assert stuck == 0
    assert folder.generation() == 1


async def test_a_new_bridge_password_is_loaded_though_the_registry_has_not_changed(
    sessions: Sessions, folder: BrokerFolder
) -> None:
    """The file changed, so the number must: the version is raised for it."""
    await _add_login(sessions)
    await Generations(sessions, folder, "bridge-password").refresh()
    before = folder.generation()

    await Generations(sessions, folder, "another-password").refresh()

    assert before == 1
    assert folder.generation() == 2


def test_only_one_provisioner_writes_the_folder(folder: BrokerFolder) -> None:
    """Two that disagree would throw logins in and out; the second one is told."""
    with folder.held(), pytest.raises(AnotherProvisioner), BrokerFolder(folder.path).held():
        pass
    with folder.held():
        pass


def test_the_file_is_never_readable_by_others(folder: BrokerFolder) -> None:
    """Mode 0640 whatever the umask, and the folder's owner owns it."""
    before = os.umask(0)
    try:
        folder.write_passwords("bridge:x\n")
    finally:
        os.umask(before)

    status = (folder.path / "passwords").stat()
    assert status.st_mode & 0o777 == 0o640
    assert status.st_uid == folder.path.stat().st_uid
    assert [path.name for path in folder.path.iterdir()] == ["passwords"]


def test_one_pass_before_the_brokers_first_start_writes_the_file(tmp_path: Path) -> None:
    """``--once`` leaves a file the broker can start with; without a database it says so and fails."""
    environment = os.environ | {
        "DATABASE_URL": f"sqlite:///{tmp_path}/deye.db",
        "BROKER_DIR": str(tmp_path / "broker"),
        "DATA_DIR": str(tmp_path),
        "TOKEN_KEY": "k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k=",
        "BRIDGE_MQTT_PASSWORD": "bridge-password",
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *words], env=environment, check=False, capture_output=True, text=True, timeout=60
        )

    migrated = run("schema", "migrate")
    once = run("portal.provisioner", "--once")
    again = run("portal.provisioner", "--once")
    with BrokerFolder(tmp_path / "broker").held():
        second = run("portal.provisioner", "--once")

    assert (migrated.returncode, once.returncode, again.returncode) == (0, 0, 0), once.stderr
    assert set(parse((tmp_path / "broker" / "passwords").read_text())) == {"bridge", "canary"}
    assert second.returncode == 1
    assert "another provisioner" in second.stderr
