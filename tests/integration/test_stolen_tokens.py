"""What a thief can do at InfluxDB with what he has found: in the web process or the bridge (T30), in a copy of the
database (T31).
"""

import base64
import re
from contextlib import suppress
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from portal.provisioner import saga
from schema.models import Base
from schema.timeseries.port import Source, StoreError
from tests.estate import SEALER, Estate, Held
from tests.store_set_ups import DAY, encoded, reading

pytestmark = pytest.mark.integration
LINES = b"\n".join(encoded(reading(DAY, ac_power=9.0)))


async def _tokens(place: Estate, held: Held) -> dict[str, str]:
    """What the portal has of an owner, and the bridge and a collector of his inverter."""
    home, box = await place.rows(held)
    assert home is not None
    assert box is not None
    assert home.read_token_sealed
    assert box.bridge_token_sealed
    assert box.external_token_sealed
    return {
        "portal": SEALER.open(home.read_token_sealed, row=saga.read_row(held.owner_id)),
        "bridge": SEALER.open(box.bridge_token_sealed, row=saga.write_row(held.inverter_id, "bridge")),
        "collector": SEALER.open(box.external_token_sealed, row=saga.write_row(held.inverter_id, "external")),
    }


async def _can(place: Estate, token: str, held: Held) -> set[str]:
    """Which of these acts a token allows on this owner's things."""
    home, box = await place.rows(held)
    assert home is not None
    assert box is not None
    org = {"orgID": home.org_id}
    acts: dict[str, tuple[str, str, dict[str, str], dict[str, Any]]] = {
        "make an organisation": ("POST", "/api/v2/orgs", {}, {"json": {"name": f"thief-{len(token)}"}}),
        "make a bucket": ("POST", "/api/v2/buckets", {}, {"json": {**org, "name": "thief", "retentionRules": []}}),
        "make a token": (
            "POST", "/api/v2/authorizations", {},
            {"json": {**org, "permissions": [{"action": "read", "resource": {"type": "buckets", **org}}]}},
        ),
        "rename the organisation": ("PATCH", f"/api/v2/orgs/{home.org_id}", {}, {"json": {"name": "thief"}}),
        "delete a token": ("DELETE", f"/api/v2/authorizations/{home.read_authorization_id}", {}, {}),
        "write": ("POST", "/api/v2/write", {**org, "bucket": box.bucket_id, "precision": "ms"}, {"content": LINES}),
        "delete the organisation": ("DELETE", f"/api/v2/orgs/{home.org_id}", {}, {}),
    }  # fmt: skip
    can = set()
    async with httpx.AsyncClient(base_url=place.store.url, headers={"Authorization": f"Token {token}"}) as http:
        for name, (method, path, query, more) in acts.items():
            answer = await http.request(method, path, params=query, **more)
            if answer.is_success:
                can.add(name)
    source = Source(held.owner_id, held.inverter_id, home.server, home.org_id, box.bucket_name, token)
    with suppress(StoreError):
        if await place.store.reader.latest(source, DAY - timedelta(days=1)):
            can.add("read")
    return can


async def test_each_process_can_do_its_own_work_at_influxdb_and_no_other(place: Estate) -> None:
    """The portal reads one owner's inverters, bridge and collectors write into one: no token makes anything."""
    alice, bob = await place.settled(), await place.settled(17.0)
    tokens = await _tokens(place, alice)

    own = {name: await _can(place, token, alice) for name, token in tokens.items()}
    foreign = {name: await _can(place, token, bob) for name, token in tokens.items()}

    assert own == {"portal": {"read"}, "bridge": {"write"}, "collector": {"write"}}
    assert foreign == {"portal": set(), "bridge": set(), "collector": set()}
    assert await place.newest(bob) == 17.0


async def test_a_stolen_database_opens_no_store(place: Estate) -> None:
    """Every text and every sealed value of every row, tried as a token, as it is and decoded; with the key it opens."""
    alice = await place.settled()
    home, box = await place.rows(alice)
    assert home is not None
    assert box is not None
    found: set[bytes] = set()
    async with place.engine.connect() as connection:
        for table in Base.metadata.tables.values():
            for row in (await connection.execute(select(table))).all():
                found |= {one if isinstance(one, bytes) else str(one).encode() for one in row if one is not None}
    sealed = {one for one in found if one in (home.read_token_sealed, box.bridge_token_sealed)}
    shapes = {re.sub(rb"[^!-~]", b"", shape) for one in found for shape in (one, one[13:], base64.b64encode(one))}
    tried = {one for one in shapes if len(one) >= 6}
    query = {"orgID": home.org_id, "bucket": box.bucket_id, "precision": "ms"}
    let_in = []
    async with httpx.AsyncClient(base_url=place.store.url) as http:
        for token in (await _tokens(place, alice))["bridge"].encode(), *sorted(tried):
            headers = {b"Authorization": b"Token " + token}
            answer = await http.post("/api/v2/write", params=query, content=LINES, headers=headers)
            let_in += [token] * answer.is_success

    assert len(sealed) == 2
    assert len(tried) > 50
    assert let_in == [(await _tokens(place, alice))["bridge"].encode()]
