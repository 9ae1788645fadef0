"""Another InfluxDB that answers at the address of ours is noticed before anything is done to it."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.audit import Action
from portal.provisioner import __main__ as provisioner_command
from portal.provisioner.commands import CannotDo
from portal.provisioner.same_server import ANOTHER, same_server
from schema.database import reading
from schema.models import AuditEntry, StoreServer
from schema.settings import ProvisionerSettings
from schema.timeseries.management import StoreManager
from schema.timeseries.port import StoreUnavailable
from tests.estate import Estate
from tests.mended import one_of_each
from tests.portal_app import KEY_OF_ZEROS
from tests.store_set_ups import StoreSetUp

pytestmark = pytest.mark.integration


async def test_another_server_at_the_same_address_is_not_ours(
    place: Estate, manager: StoreManager, store: StoreSetUp
) -> None:
    """A fresh volume has none of our organisations: nothing is made, mended or erased until an operator says so."""
    roof = await place.settled()
    async with place.sessions.begin() as session:
        session.add(StoreServer(url=store.url, capacity_buckets=1, buckets=0, version="", last_error="", identity="x"))
    guarded = same_server(place.sessions, manager, server=store.url, clock=place._seconds)

    for asked in (guarded.organisations(), guarded.delete_bucket("0123456789abcdef"), guarded.find_organisation("x")):
        with pytest.raises(StoreUnavailable, match="another one"):
            await asked
    async with place.sessions.begin() as session:
        row = await session.get_one(StoreServer, store.url)
        seen, row.identity = row.another, ""
    place.now += timedelta(minutes=1)
    await guarded.organisations()
    async with reading(place.sessions) as session:
        row = await session.get_one(StoreServer, store.url)

    assert ANOTHER.startswith("another one")
    assert (seen, row.another, row.identity) == (True, False, await manager.identity())
    await one_of_each(place, roof)


async def test_a_server_is_looked_at_again_after_each_silence(
    place: Estate, manager: StoreManager, store: StoreSetUp
) -> None:
    """It may have been changed for another one meanwhile."""
    async with place.sessions.begin() as session:
        session.add(StoreServer(url=store.url, capacity_buckets=1, buckets=0, version="", last_error=""))
    guarded = same_server(place.sessions, manager, server=store.url, clock=lambda: 0.0)
    await guarded.organisations()
    await store.server.leave()
    with pytest.raises(StoreUnavailable):
        await guarded.organisations()
    async with place.sessions.begin() as session:
        (await session.get_one(StoreServer, store.url)).identity = "before"
    await store.server.come_back()

    with pytest.raises(StoreUnavailable, match="another one"):
        await guarded.organisations()


async def test_a_person_says_that_the_new_server_is_meant(
    place: Estate, manager: StoreManager, store: StoreSetUp, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a look at what it has; a wrong address, or the server that it was, changes nothing."""
    roof = await place.settled()
    settings = ProvisionerSettings.model_validate(
        {
            "database_url": str(place.engine.url),
            "token_key": KEY_OF_ZEROS,
            "bridge_mqtt_password": "the bridge's",
            "influx_url": store.url,
            "influx_operator_token": store.operator_token,
        }
    )

    async def accept(url: str) -> int:
        asked = provisioner_command._parser().parse_args(["server", "accept", url, "--yes"])
        return await provisioner_command._do(settings, asked)

    with pytest.raises(CannotDo, match="Nothing is known of"):
        await accept(store.url)
    async with place.sessions.begin() as session:
        session.add(StoreServer(url=store.url, capacity_buckets=1, buckets=0, identity="before", another=True))
    with pytest.raises(CannotDo, match="The settings name no server"):
        await accept("http://elsewhere:8086")
    statuses = [await accept(f"{store.url}/"), await accept(store.url)]
    said = capsys.readouterr().out
    async with reading(place.sessions) as session:
        row = await session.get_one(StoreServer, store.url)
        entries = (await session.scalars(select(AuditEntry).where(AuditEntry.action == Action.SERVER_ACCEPTED))).all()
    guarded = same_server(place.sessions, manager, server=store.url, clock=place._seconds)

    assert statuses == [0, 0]
    assert "It has 1 of the 1 organisations" in said
    assert "is the InfluxDB that it was" in said
    assert (row.identity, row.another) == (await manager.identity(), False)
    assert [(one.actor, one.details["found"]) for one in entries] == [("command", 1)]
    await guarded.organisations()
    await one_of_each(place, roof)
