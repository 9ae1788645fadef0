"""The command that has an owner moved: who is meant, what is refused, what it says, and what it leaves alone."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from portal.audit import Action
from portal.provisioner import __main__ as provisioner_command
from portal.provisioner import move_command
from portal.provisioner.commands import CannotDo
from schema.database import reading
from schema.models import AuditEntry, MoveState, MoveWish, OwnerPlacement, PlacementState
from schema.settings import ProvisionerSettings
from tests.estate import InInflux
from tests.movers import Movers, movers
from tests.portal_app import KEY_OF_ZEROS
from tests.waiting import until

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
ALICE = "somebody@example.org"


@pytest.fixture
async def there(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Movers]:
    """Two fake servers."""
    monkeypatch.setattr(move_command, "LOOK_EVERY_S", 0.01)
    async with movers("fake to fake", request, tmp_path) as made:
        yield made


def further(there: Movers, capacity: int = 1_000) -> str:
    """The second server, as INFLUX_SERVERS has it."""
    token = there.other.operator_token
    return json.dumps([{"url": there.other.url, "operator_token": token, "capacity_buckets": capacity}])


async def command(there: Movers, *words: str, capacity: int = 1_000) -> int:
    """``python -m portal.provisioner move …`` in this process."""
    settings = ProvisionerSettings.model_validate(
        {
            "database_url": str(there.place.engine.url),
            "token_key": KEY_OF_ZEROS,
            "bridge_mqtt_password": "the bridge's",
            "influx_url": there.place.store.url,
            "influx_operator_token": there.place.store.operator_token,
            "influx_servers": further(there, capacity),
        }
    )
    return await provisioner_command._do(settings, provisioner_command._parser().parse_args(["move", *words]))


async def provisioner(there: Movers) -> None:
    """It runs beside the command; two minutes pass at each turn."""
    while True:
        await there.moving().turn()
        there.place.now += timedelta(minutes=2)
        await asyncio.sleep(0)


async def told(there: Movers, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """What the command says while the provisioner works."""
    capsys.readouterr()
    working = asyncio.create_task(provisioner(there))
    try:
        assert await command(there, *words) == 0
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    return [line for line in capsys.readouterr().out.splitlines() if not line.startswith("20")]


async def test_the_documented_commands_do_what_the_document_says(
    there: Movers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asked for, called off, asked for again, looked at, arrived, cleaned."""
    held = await there.settled()
    variables = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "INFLUX_URL": there.place.store.url}
    variables["INFLUX_OPERATOR_TOKEN"] = there.place.store.operator_token
    asked = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "standalone", "provisioner", "move", ALICE, there.other.url, "--no-wait"],
        cwd=ROOT, env=variables | {"INFLUX_SERVERS": further(there)}, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    assert (await there.row(held.owner_id)).state == MoveState.PREPARING

    await command(there, ALICE, "--cancel", "--no-wait")
    assert (await told(there, capsys, ALICE))[-1] == "called off"
    assert await there.at_the_other(held) == InInflux([], [], [])
    moved = await told(there, capsys, ALICE, there.other.url)
    assert moved[-1] == "moved; a copy is still on the other server"
    assert "moved; a copy is still" in "".join(await told(there, capsys))
    assert (await told(there, capsys, str(held.owner_id), "--clean"))[-1] == "moved"

    assert await there.place.in_influx(held) == InInflux([], [], [])
    assert await there.shown(held) == there.written[held.inverter_id]
    async with reading(there.place.sessions) as session:
        entries = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()
    urls = {"before": there.place.store.url, "after": there.other.url}
    assert [(entry.actor, entry.action, entry.details) for entry in entries] == [
        ("command", Action.OWNER_MOVE_ASKED, urls),
        ("command", Action.OWNER_MOVE_ASKED, {"wish": "cancel"}),
        ("system", Action.OWNER_MOVE_CANCELLED, {}),
        ("command", Action.OWNER_MOVE_ASKED, urls),
        ("system", Action.OWNER_MOVED, urls),
        ("command", Action.OWNER_MOVE_ASKED, {"wish": "clean"}),
        ("system", Action.SECOND_PLACE_REMOVED, {"server": there.place.store.url}),
    ]


async def test_who_looks_on_may_go_and_come_back(there: Movers, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C stops the command alone; given again without a server it says how far the move is."""
    held = await there.settled()
    looking = asyncio.create_task(command(there, ALICE, there.other.url))
    await until(lambda: "making the second place" in capsys.readouterr().out)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)

    assert (await told(there, capsys, ALICE))[-1] == "moved; a copy is still on the other server"
    home, _ = await there.place.rows(held)
    assert home is not None
    assert home.server == there.other.url


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bob@example.org", "{other}"], "bob@example.org owns no installation"),
        ([ALICE, "{here}"], "He is there already"),
        ([ALICE, "http://elsewhere:8086"], "is no InfluxDB server of this installation .*Add it to INFLUX_SERVERS"),
        ([ALICE, "elsewhere"], "an InfluxDB server is written as http://host:8086"),
        ([ALICE, "{other}", "--cancel"], "One thing at a time"),
        ([ALICE, "--cancel"], "Nothing can be called off"),
        ([ALICE, "--clean"], "There is nothing to clean"),
        ([ALICE], "He is not on the move"),
    ],
)
async def test_what_makes_no_sense_changes_nothing(there: Movers, words: list[str], said: str) -> None:
    """Each refusal says why."""
    held = await there.settled(days=1)
    urls = {"here": there.place.store.url, "other": there.other.url}

    with pytest.raises(CannotDo, match=said):
        await command(there, *[word.format(**urls) for word in words])

    assert await there.row(held.owner_id) is None


async def test_nobody_is_moved_to_where_there_is_no_room(there: Movers) -> None:
    """Whoever is on the way counts as there."""
    held = await there.settled(days=1)
    await there.place.inverter(held.owner_id)

    with pytest.raises(CannotDo, match=r"There is no room: .* has 0 of 1 buckets, he has 2"):
        await command(there, ALICE, there.other.url, capacity=1)


async def test_one_move_after_the_other(there: Movers) -> None:
    """A move that is not over, or has left a copy, is ended first; whose place is not ready does not move."""
    held = await there.settled(days=1)
    await command(there, ALICE, there.other.url, "--no-wait")

    with pytest.raises(CannotDo, match="making the second place: end that first"):
        await command(there, ALICE, there.other.url)
    another = await there.settled(days=1)
    with pytest.raises(CannotDo, match=f"several installations.*{min(str(held.owner_id), str(another.owner_id))}"):
        await command(there, ALICE, there.other.url)
    async with there.place.sessions.begin() as session:
        mine = update(OwnerPlacement).where(OwnerPlacement.owner_id == another.owner_id)
        await session.execute(mine.values(state=PlacementState.PENDING))
    with pytest.raises(CannotDo, match="His place is not ready"):
        await command(there, str(another.owner_id), there.other.url)


async def test_a_move_is_told_in_the_audit_log(
    request: pytest.FixtureRequest, tmp_path: Path, database_url: str
) -> None:
    """From where to where, and when the copy went; on either database."""
    async with movers("fake to fake", request, tmp_path, database_url) as there:
        await _told_in_the_log(there)


async def _told_in_the_log(there: Movers) -> None:
    held = await there.settled(days=1)
    await there.ask(held.owner_id)
    await there.wish(held.owner_id, MoveWish.CLEAN)

    await there.settle(turns=3)

    async with reading(there.place.sessions) as session:
        entries = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()
    told = [(entry.action, entry.details) for entry in entries]
    urls = {"before": there.place.store.url, "after": there.other.url}
    assert told == [(Action.OWNER_MOVED, urls), (Action.SECOND_PLACE_REMOVED, {"server": there.place.store.url})]
