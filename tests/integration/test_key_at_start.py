"""With a TOKEN_KEY that does not open what is there no process starts, and each says why; and the documented way."""

import asyncio
import base64
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import insert, select, update

import bridge.__main__ as bridge_process
import portal.__main__ as portal_process
import portal.provisioner.__main__ as provisioner_process
from schema import migrate, sealed_rows
from schema.database import create_engine_for
from schema.models import Account, Inverter, Owner, Placement
from schema.sealed_rows import KeyDoesNotOpen
from schema.sealing import AesSealer
from standalone import prepare, secrets_file

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (7, 9))
NOW = datetime(2026, 6, 1, tzinfo=UTC)


async def _installation(url: str, *tokens: bytes) -> None:
    """An owner with a second factor, and an inverter with a token for each of these."""
    engine = create_engine_for(url)
    await migrate.upgrade(engine)
    owner, account = uuid4(), uuid4()
    sealed = AesSealer(OLD).seal("JBSWY3DPEHPK3PXP", row=f"account:{account}:totp")
    person = {"id": account, "email": "a@example.org", "email_key": "a@example.org", "password_hash": "-"}
    async with engine.begin() as connection:
        await connection.execute(insert(Account).values(**person, created_at=NOW, totp_sealed=sealed))
        await connection.execute(insert(Owner).values(id=owner, name="x", created_at=NOW))
        for token in tokens:
            inverter = {"id": uuid4(), "owner_id": owner, "name": "roof", "serial": "2711111111", "created_at": NOW}
            await connection.execute(insert(Inverter).values(**inverter))
            row = f"placement:{inverter['id']}:bridge"
            place = {"inverter_id": inverter["id"], "updated_at": NOW}
            place["bridge_token_sealed"] = token or AesSealer(OLD).seal("token", row=row)
            await connection.execute(insert(Placement).values(**place))
    await engine.dispose()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installation whose secrets were sealed with the old key, and a process that knows the new one alone."""
    asyncio.run(_installation(f"sqlite:///{tmp_path}/deye.db", b""))
    for name, value in {
        "DATABASE_URL": f"sqlite:///{tmp_path}/deye.db",
        "DATA_DIR": str(tmp_path),
        "BROKER_DIR": str(tmp_path / "broker"),
        "TOKEN_KEY": NEW,
        "AUTH_SECRET": "a" * 40,
        "BRIDGE_MQTT_PASSWORD": "x",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("schema.logs.configure", lambda *_, **__: None)
    monkeypatch.setattr(sys, "argv", ["it"])
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield tmp_path
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    "start",
    [bridge_process.main, portal_process.main, provisioner_process.main, lambda: prepare.main(demo=False)],
    ids=["bridge", "portal", "provisioner", "make up"],
)
def test_no_process_starts_with_a_key_that_opens_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], start: Callable[[], int]
) -> None:
    """It says which table, and what to set; nothing was written meanwhile."""
    status = start()
    said = capsys.readouterr().err

    assert status in (1, 2)
    assert "TOKEN_KEY does not open what is sealed in placement.bridge_token_sealed" in said
    assert "set TOKEN_KEY_OLD to the one before" in said
    assert not (folder / "broker").exists()


async def test_with_the_old_key_beside_the_new_one_it_starts(tmp_path: Path) -> None:
    """Also half-way through; a wrong old key is as good as none, and a database that is away is no wrong key."""
    url = f"sqlite:///{tmp_path}/deye.db"
    await sealed_rows.check(url, AesSealer(NEW))
    assert not (tmp_path / "deye.db").exists()
    await _installation(url, b"")
    engine = create_engine_for(url)
    async with engine.begin() as connection:
        key = (await connection.execute(select(Account.id))).scalar_one()
        anew = AesSealer(NEW).seal("JBSWY3DPEHPK3PXP", row=f"account:{key}:totp")
        await connection.execute(update(Account).values(totp_sealed=anew))
    await engine.dispose()

    await sealed_rows.check(url, AesSealer(NEW, OLD))
    for sealer, shut in (
        (AesSealer(NEW), "in placement.bridge_token_sealed. "),
        (AesSealer(OLD), "in account.totp_sealed. "),
        (AesSealer(NEW, base64.b64encode(bytes(32)).decode()), "in placement.bridge_token_sealed. "),
    ):
        with pytest.raises(KeyDoesNotOpen, match=shut):
            await sealed_rows.check(url, sealer)
    (tmp_path / "deye.db").unlink()
    (tmp_path / "deye.db").write_bytes(b"no database at all" * 100)
    await sealed_rows.check(url, AesSealer(OLD))


async def test_one_odd_row_keeps_nobody_from_starting(database_url: str) -> None:
    """Its inverter is without a place, and everybody else has his."""
    await _installation(database_url, b"", AesSealer(OLD).seal("token", row="placement:another:bridge"))

    await sealed_rows.check(database_url, AesSealer(OLD))
    with pytest.raises(KeyDoesNotOpen, match=r"placement.bridge_token_sealed, account.totp_sealed"):
        await sealed_rows.check(database_url, AesSealer(NEW))


def test_the_documented_commands_do_what_the_document_says(tmp_path: Path) -> None:
    """A new key, everything sealed anew, the line of the old one deleted; and one that was lost before it was kept."""
    secrets = tmp_path / "secrets.env"
    secrets.write_text(f"TOKEN_KEY={OLD}\n")
    asyncio.run(_installation(f"sqlite:///{tmp_path}/deye.db", b""))

    def shell(*words: str) -> "subprocess.CompletedProcess[str]":
        told = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path)}
        command = [sys.executable, "-m", "standalone", *words]
        return subprocess.run(command, cwd=ROOT, env=told, check=False, capture_output=True, text=True)

    made, twice, sealed = shell("new-key"), shell("new-key", str(secrets)), shell("provisioner", "reseal")
    assert (made.returncode, twice.returncode, sealed.returncode) == (0, 1, 0), sealed.stderr
    assert "TOKEN_KEY_OLD may go" in sealed.stdout
    assert "account.totp_sealed: 1 sealed anew" in sealed.stdout

    secrets.write_text(f"TOKEN_KEY={secrets_file.read(secrets)['TOKEN_KEY']}\n")
    alone = shell("provisioner", "reseal")
    secrets.write_text(f"TOKEN_KEY={OLD}\n")
    lost, given_up = shell("provisioner", "reseal"), shell("provisioner", "reseal", "--give-up-lost", "--yes")
    assert (alone.returncode, lost.returncode, given_up.returncode) == (0, 1, 0), given_up.stderr
    assert "No key opens 1 in placement.bridge_token_sealed, 1 in account.totp_sealed." in lost.stderr


async def test_a_key_that_is_missing_is_noticed_among_others(database_url: str) -> None:
    """Half of the rows are sealed anew, and the key of the other half is not there: it does not start."""
    await _installation(database_url, *[b""] * 6)
    engine = create_engine_for(database_url)
    async with engine.begin() as connection:
        for one in (await connection.scalars(select(Placement.inverter_id).limit(5))).all():
            anew = AesSealer(NEW).seal("token", row=f"placement:{one}:bridge")
            here = update(Placement).where(Placement.inverter_id == one)
            await connection.execute(here.values(bridge_token_sealed=anew))
    await engine.dispose()

    await sealed_rows.check(database_url, AesSealer(NEW, OLD), [sealed_rows.BRIDGE_TOKENS])
    with pytest.raises(KeyDoesNotOpen):
        await sealed_rows.check(database_url, AesSealer(NEW), [sealed_rows.BRIDGE_TOKENS])
