"""Tokens that somebody has revoked, switched off, changed or doubled: each use has one that works, and no more."""

from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from portal.audit import Action
from portal.provisioner import saga
from schema.models import Placement
from schema.timeseries.management import StoreManager
from tests.estate import Estate, Held
from tests.mended import acts, mended, one_of_each, told

pytestmark = pytest.mark.integration


async def _revoke(place: Estate, manager: StoreManager, who: str, held: Held) -> str:
    home, row = await place.rows(held)
    token_id = home.read_authorization_id if who == "read" else getattr(row, f"{who}_authorization_id")  # type: ignore[union-attr]  # both are there
    await manager.delete_authorization(token_id)
    return str(token_id)


async def _switch_off(place: Estate, _: StoreManager, who: str, held: Held) -> str:
    home, row = await place.rows(held)
    token_id = home.read_authorization_id if who == "read" else getattr(row, f"{who}_authorization_id")  # type: ignore[union-attr]  # both are there
    address = f"{place.store.url}/api/v2/authorizations/{token_id}"
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Token {place.store.operator_token}"}) as http,
        http.patch(address, json={"status": "inactive"}) as answer,
    ):
        assert answer.status == 200
    return str(token_id)


@pytest.mark.parametrize("change", [_revoke, _switch_off], ids=["revoked", "switched off"])
@pytest.mark.parametrize("who", ["bridge", "external", "read"])
async def test_a_token_that_does_not_work_any_more_is_renewed(
    place: Estate, manager: StoreManager, who: str, change: Callable[..., Awaitable[str]]
) -> None:
    """A new one, the old one gone, nothing else changed; an entry in the log, and nothing for the owner to do."""
    roof = await place.settled()
    old = await change(place, manager, who, roof)

    count = await mended(place)
    await place.write(roof, 5.0)

    assert count == 1
    assert await place.newest(roof) == 5.0
    assert await manager.token(old) is None
    assert (await acts(place), await told(place)) == ([Action.TOKEN_RENEWED], set())
    await one_of_each(place, roof)


async def test_a_token_with_other_rights_is_renewed(place: Estate, manager: StoreManager) -> None:
    """One that may read too is not what a collector should be given; it is replaced by one that may not."""
    roof = await place.settled()
    home, row = await place.rows(roof)
    assert home is not None
    assert row is not None
    wide = await manager.create_token(
        home.org_id,
        saga.write_description(roof.inverter_id, "external"),
        bucket_id=row.bucket_id,
        read=True,
        write=True,
    )
    await manager.delete_authorization(row.external_authorization_id)
    async with place.sessions.begin() as session:
        (await session.get_one(Placement, roof.inverter_id)).external_authorization_id = wide.authorization_id

    count = await mended(place)

    assert count == 1
    assert await manager.token(wide.authorization_id) is None
    await one_of_each(place, roof)


async def test_tokens_that_a_crash_has_doubled_go(place: Estate, manager: StoreManager) -> None:
    """They were made and never stored, so nobody can have them."""
    roof = await place.settled()
    home, row = await place.rows(roof)
    assert home is not None
    assert row is not None
    for who in saga.WRITERS:
        text = saga.write_description(roof.inverter_id, who)
        await manager.create_token(home.org_id, text, bucket_id=row.bucket_id, write=True)
    await manager.create_token(home.org_id, saga.read_description(roof.owner_id), read=True)

    count = await mended(place)

    assert count == 3
    await one_of_each(place, roof)
