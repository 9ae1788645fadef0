"""API keys go on reading where something else ends or waits."""

import asyncio
import re
import sqlite3
from pathlib import Path

import pytest

from tests.people import Cast, Person

pytestmark = pytest.mark.integration


async def new_key(person: Person) -> str:
    """Made by the page, which shows it once."""
    await person.post("/account/keys", name="Home", days="90")
    found = re.search(r"deye_[A-Z2-7]{32}", (await person.get("/account/keys")).text)
    assert found
    return found[0]


async def reads(cast: Cast, key: str) -> int:
    """How a program without cookies is answered."""
    async with cast.portal.browser() as http:
        answer = await http.get("/api/account/me", headers={"Authorization": f"Bearer {key}"})
    return answer.status_code


async def test_a_key_reads_while_its_use_cannot_be_noted(cast: Cast, tmp_path: Path) -> None:
    """Somebody else writes for long, or the disk is full: reading is no matter of writing."""
    key = await new_key(cast.alice)
    writer = sqlite3.connect(tmp_path / "deye.db", check_same_thread=False)
    await asyncio.to_thread(writer.execute, "BEGIN IMMEDIATE")

    try:
        status = await reads(cast, key)
    finally:
        writer.close()

    assert status == 200


async def test_who_logs_out_everywhere_is_told_that_keys_are_no_devices(cast: Cast) -> None:
    """Whoever was robbed must not believe that this was all."""
    key = await new_key(cast.alice)
    page = (await cast.alice.get("/account/devices")).text

    await cast.alice.post("/account/devices/end-all")

    assert await reads(cast, key) == 200
    assert "API keys go on reading" in page
    assert 'href="/account/keys"' in page
