"""Things in InfluxDB that bear a name of ours and belong to nobody: listed, looked at, and deleted one by one."""

import asyncio
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from portal.audit import Action
from portal.provisioner import __main__ as provisioner_command
from portal.provisioner.commands import CannotDo
from schema.changes import registry_changed
from schema.database import reading
from schema.models import AuditEntry, Orphan, OrphanKind, OwnerPlacement, Placement
from schema.settings import ProvisionerSettings
from schema.timeseries.management import StoreManager
from tests.estate import Estate, Held, InInflux
from tests.portal_app import KEY_OF_ZEROS
from tests.store_set_ups import StoreSetUp

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]


async def test_orphans_are_listed_and_never_touched(place: Estate, manager: StoreManager) -> None:
    """A restored database knows less than the server: what it has lost is listed as long as it is there."""
    roof = await place.settled()
    home, row = await place.rows(roof)
    assert home is not None
    assert row is not None
    before = await place.in_influx(roof)
    async with place.sessions.begin() as session:
        await registry_changed(session)
        for table, key in ((Placement, roof.inverter_id), (OwnerPlacement, roof.owner_id)):
            await session.delete(await session.get_one(table, key))

    await place.reconciler().sweep()
    names = str(roof.owner_id), str(roof.inverter_id)
    async with reading(place.sessions) as session:
        listed = (await session.scalars(select(Orphan))).all()
    mine = [one for one in listed if any(name in one.name for name in names)]
    first = {one.external_id: one.first_seen_at for one in mine}
    place.now += timedelta(hours=1)
    await place.reconciler().sweep()
    await manager.delete_bucket(row.bucket_id)
    after = await place.in_influx(roof)
    await place.reconciler().sweep()
    async with reading(place.sessions) as session:
        left = {one.external_id: one for one in await session.scalars(select(Orphan))}

    assert sorted(first) == sorted([*before.organisations, *before.buckets, *before.tokens])
    assert (after.organisations, after.tokens) == (before.organisations, before.tokens)
    assert row.bucket_id not in left
    assert left[home.org_id].first_seen_at == first[home.org_id]
    assert left[home.org_id].last_seen_at == place.now


async def _lost(place: Estate) -> Held:
    """Somebody whose rows are gone, as after a restored backup, and the list as the next sweep keeps it."""
    roof = await place.settled()
    async with place.sessions.begin() as session:
        await registry_changed(session)
        for table, key in ((Placement, roof.inverter_id), (OwnerPlacement, roof.owner_id)):
            await session.delete(await session.get_one(table, key))
    await place.reconciler().sweep()
    return roof


async def _command(place: Estate, *words: str) -> int:
    """``python -m portal.provisioner orphans …`` in this process."""
    settings = ProvisionerSettings.model_validate(
        {
            "database_url": str(place.engine.url),
            "token_key": KEY_OF_ZEROS,
            "bridge_mqtt_password": "the bridge's",
            "influx_url": place.store.url,
            "influx_operator_token": place.store.operator_token,
        }
    )
    return await provisioner_command._do(settings, provisioner_command._parser().parse_args(["orphans", *words]))


async def _listed(place: Estate) -> set[str]:
    async with reading(place.sessions) as session:
        return set(await session.scalars(select(Orphan.external_id)))


async def test_who_names_an_organisation_deletes_it_with_everything_in_it(
    place: Estate, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing else: another orphan stays in the list, a neighbour goes on writing, the audit log has it."""
    lost, other, bob = await _lost(place), await _lost(place), await place.settled(17.0)
    ours, theirs = await place.in_influx(lost), await place.in_influx(other)
    await _command(place)
    shown = capsys.readouterr().out

    status = await _command(place, "remove", *ours.organisations, "--yes")
    said = capsys.readouterr().out
    await place.reconciler().sweep()
    async with reading(place.sessions) as session:
        entry = (await session.scalars(select(AuditEntry).where(AuditEntry.action == Action.ORPHAN_DELETED))).one()

    assert status == 0
    assert ours.organisations[0] in shown
    assert "with 1 buckets and 3 tokens in it. Its readings go for good." in said
    assert await place.in_influx(lost) == InInflux([], [], [])
    assert await place.in_influx(other) == theirs
    assert {*theirs.organisations, *theirs.buckets, *theirs.tokens} <= await _listed(place)
    assert await place.newest(bob) == 17.0
    assert (entry.actor, entry.subject) == ("command", f"organisation:{ours.organisations[0]}")


async def test_what_is_inside_goes_before_what_is_around_it(place: Estate) -> None:
    """Everything of one inverter in one command, in whatever order it is named."""
    lost = await _lost(place)
    ours = await place.in_influx(lost)

    await _command(place, "remove", *ours.organisations, *ours.buckets, *ours.tokens, "--yes")

    assert await place.in_influx(lost) == InInflux([], [], [])
    assert not {*ours.organisations, *ours.buckets, *ours.tokens} & await _listed(place)


async def test_what_has_got_a_row_meanwhile_is_not_touched(place: Estate) -> None:
    """The list is a minute old: whose place was brought back since then keeps it, and what is in it."""
    roof = await place.settled()
    home, box = await place.rows(roof)
    assert home is not None
    assert box is not None
    before = await place.in_influx(roof)
    stale = {OrphanKind.ORGANISATION: home.org_id, OrphanKind.BUCKET: box.bucket_id}
    stale[OrphanKind.TOKEN] = box.bridge_authorization_id
    async with place.sessions.begin() as session:
        for kind, one in stale.items():
            now = {"first_seen_at": place.now, "last_seen_at": place.now}
            session.add(Orphan(server=place.store.url, kind=kind, external_id=one, name="as it was", **now))

    for one in stale.values():
        with pytest.raises(CannotDo, match="was not touched"):
            await _command(place, "remove", one, "--yes")

    assert await place.in_influx(roof) == before
    await place.write(roof, 5.0)


async def test_an_organisation_with_somebodys_bucket_in_it_stays(place: Estate, manager: StoreManager) -> None:
    """A row that names another organisation by mistake is no reason to delete an inverter's readings."""
    roof = await place.settled()
    home, _ = await place.rows(roof)
    assert home is not None
    before = await place.in_influx(roof)
    async with place.sessions.begin() as session:
        await session.execute(update(OwnerPlacement).values(org_id="0" * 16))
        now = {"first_seen_at": place.now, "last_seen_at": place.now}
        orphan = {"kind": OrphanKind.ORGANISATION, "external_id": home.org_id, "name": f"owner-{roof.owner_id}"}
        session.add(Orphan(server=place.store.url, **orphan, **now))

    with pytest.raises(CannotDo, match="belongs to an owner of ours"):
        await _command(place, "remove", home.org_id, "--yes")

    assert await place.in_influx(roof) == before


@pytest.mark.parametrize(("typed", "said"), [(None, "nobody to ask"), ("no", "Nothing was changed"), ("yes", "")])
async def test_a_person_is_asked_before_anything_goes(
    place: Estate, monkeypatch: pytest.MonkeyPatch, typed: str | None, said: str
) -> None:
    """Anything but a yes changes nothing; without a terminal --yes has to be said."""
    lost = await _lost(place)
    before = await place.in_influx(lost)
    monkeypatch.setattr("sys.stdin.isatty", lambda: typed is not None, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: typed)

    if said:
        with pytest.raises(CannotDo, match=said):
            await _command(place, "remove", *before.organisations)
    else:
        await _command(place, "remove", *before.organisations)

    assert ((await place.in_influx(lost)) == before) == bool(said)


async def test_what_is_in_no_list_is_not_looked_for(place: Estate) -> None:
    """A slip of the pen in one of several ids deletes none of them."""
    lost = await _lost(place)
    before = await place.in_influx(lost)

    with pytest.raises(CannotDo, match="is not in the list of orphans; nothing was changed"):
        await _command(place, "remove", *before.buckets, "0123456789abcdef", "--yes")

    assert await place.in_influx(lost) == before


async def test_the_documented_commands_do_what_the_document_says(
    place: Estate, store: StoreSetUp, tmp_path: Path
) -> None:
    """Beside the data of this computer, with the variables that ``make up`` is given."""
    lost = await _lost(place)
    bucket = (await place.in_influx(lost)).buckets[0]
    told = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "INFLUX_URL": store.url}
    told["INFLUX_OPERATOR_TOKEN"] = store.operator_token

    async def shell(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "standalone", "provisioner", *words]
        return await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, env=told, check=False, capture_output=True, text=True
        )

    listed, asked, removed = [
        await shell(*words)
        for words in (["orphans"], ["orphans", "remove", bucket], ["orphans", "remove", bucket, "--yes"])
    ]

    assert bucket in listed.stdout, listed.stderr
    assert (asked.returncode, "nobody to ask" in asked.stderr) == (1, True)
    assert (removed.returncode, f"bucket {bucket}: deleted." in removed.stdout) == (0, True), removed.stderr
    assert (await place.in_influx(lost)).buckets == []
