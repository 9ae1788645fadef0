"""The registry's snapshot on both databases: it serves while the database is away, and restarts go on from it."""

import base64
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import delete, update

from bridge.edges.snapshot import SnapshotFile, State
from bridge.ports import RegistryUnavailable
from portal.provisioner.reseal_command import reseal
from schema.changes import registry_version
from schema.database import is_sqlite, reading
from schema.models import Feed, Login, RegistryChange
from schema.sealing import AesSealer
from tests.registry_set_up import NOW, Site, fleet, site
from tests.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture
async def place(tmp_path: Path, database_url: str) -> AsyncIterator[Site]:
    """A database of each kind."""
    async with site(tmp_path, database_url) as made:
        yield made


async def test_while_the_database_is_away_the_last_snapshot_serves(place: Site, request: pytest.FixtureRequest) -> None:
    """Tokens sealed in the file; a claim is in it, a withdrawn login stays withdrawn; look-ups say that they failed."""
    alice, roof = await place.pair()
    bob, _ = await place.pair()
    async with place.registry() as first:
        entry = first.registry.directory.login(alice)
        assert entry is not None
        await first.registry.claim(entry.routes[""], device_key="x", alias="")
        await first.applied(await place.revoke(bob, UUID(int=0)))
        first.registry.refetch()
        await until(lambda: b"active" in place.snapshot.load()[0].get(alice, b""))
        await until(lambda: not first.knows(bob) and place.snapshot.load()[0][bob][0] == 1)
    raw = (place.folder / "snapshot.db").read_bytes()
    away = _cut_off(place, request)
    try:
        async with place.registry(following=False) as second:
            destination = second.registry.directory.destination(roof)
            with pytest.raises(RegistryUnavailable):
                await second.registry.look_up(["AAAAAAAAAA"])
    finally:
        away()

    assert b"token" not in raw
    assert second.version == first.version
    assert second.knows(alice)
    assert not second.knows(bob)
    assert destination is not None
    assert destination.token == "token"


def _cut_off(place: Site, request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]  # gives back what undoes it
    if is_sqlite(place.url):
        path = Path(place.url.removeprefix("sqlite:///"))
        path.rename(path.with_suffix(".away"))
        path.mkdir()

        def back() -> None:
            path.rmdir()
            path.with_suffix(".away").rename(path)

        return back
    server = request.getfixturevalue("postgres_server")
    server.close(place.url)
    return lambda: server.open(place.url)


async def test_a_database_that_comes_back_is_followed_again(place: Site, request: pytest.FixtureRequest) -> None:
    """Started from the snapshot or running: a few seconds later what has changed is applied."""
    login, _ = await place.pair()
    async with place.registry() as first:
        await until(lambda: login in place.snapshot.load()[0])
        back = _cut_off(place, request)
        async with place.registry() as second:
            both_know = first.knows(login) and second.knows(login)
            back()
            new, _ = await place.pair()
            for bridge in (first, second):
                await until(lambda bridge=bridge: bridge.knows(new), limit_s=10.0)  # type: ignore[misc]  # bound

    assert both_know


def test_a_damaged_snapshot_is_none_and_harms_nobody(tmp_path: Path) -> None:
    """A flipped record is left out, a file that is no database is made anew, an unwritable one is survived."""
    path = tmp_path / "snapshot.db"
    file = SnapshotFile(path)
    assert file.save({"A": b"one", "B": b"two"}, state=State(2, UUID(int=2)))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE login SET record = x'ff' WHERE name = 'B'")
    connection.close()
    flipped, unknown = file.load()
    path.write_bytes(b"no database at all, but longer than a header is" * 100)
    wrecked = file.load()
    state = State(3, UUID(int=3))
    again = file.save({"C": b"three"}, state=state) and file.load()
    path.unlink()
    path.mkdir()

    assert flipped == {"A": b"one"}
    assert unknown == State()
    assert wrecked == ({}, State())
    assert again == ({"C": b"three"}, state)
    assert not file.save({"D": b"four"})
    assert file.load() == ({}, State())


async def test_a_restart_reads_what_has_changed_since_and_then_everything_behind_it(place: Site) -> None:
    """Ready from the snapshot with two changes of five hundred logins; a row that was changed by hand, without a
    version, is found by the reading behind.
    """
    logins = await fleet(place, 500)
    async with place.registry() as first:
        await until(lambda: first.version == place.snapshot.load()[1].version)
    by_hand = logins[7]
    async with place.sessions() as session, session.begin():
        await session.execute(update(Login).where(Login.name == by_hand).values(revoked_at=NOW))
    gone, inverter_id = await place.pair()
    await place.revoke(gone, inverter_id)

    async with place.registry(following=False) as second:
        ready = [second.knows(logins[1]), second.knows(gone), second.knows(by_hand)]
        statements = [one for one in second.statements if one != "BEGIN"]
        await second.registry._look()
        later = second.knows(by_hand)

    assert ready == [True, False, True]
    assert len(statements) <= 6
    assert not later


async def test_a_snapshot_of_another_history_is_not_gone_on_from(place: Site) -> None:
    """The database was restored from a backup and has come to the same version by other changes."""
    alice, roof = await place.pair()
    async with place.registry() as first:
        await until(lambda: first.version == place.snapshot.load()[1].version)
    async with place.sessions() as session, session.begin():
        await session.execute(delete(RegistryChange))
        session.add(RegistryChange(version=1, inverter_id=roof))
        await session.execute(update(Login).where(Login.name == alice).values(revoked_at=NOW))

    async with place.registry(following=False) as second:
        known = second.knows(alice)

    assert second.version == first.version == 1
    assert not known


async def test_a_binding_that_the_snapshot_lacks_is_found_at_the_claim(place: Site) -> None:
    """Killed before it was saved: the database still knows which device was first, and the second stays out."""
    login, _ = await place.pair()
    async with place.registry(following=False) as bridge:
        entry = bridge.registry.directory.login(login)
        assert entry is not None
        stale = entry.routes[""]
        async with place.sessions() as session, session.begin():
            await session.execute(update(Feed).values(device_key="roof", claim_state="active"))
        claimed = await bridge.registry.claim(stale, device_key="barn", alias="")

    assert (stale.device_key, claimed.device_key) == ("", "roof")


async def test_a_new_key_reaches_the_snapshot(place: Site, request: pytest.FixtureRequest) -> None:
    """What was sealed anew in the database is soon in its copy: the key from before may go, and the bridge starts."""
    old, new = (base64.b64encode(bytes([number]) * 32).decode() for number in (7, 9))
    place.sealer = AesSealer(old)
    _, roof = await place.pair()
    place.sealer = both = AesSealer(new, old)
    async with place.registry() as first:
        await until(lambda: place.snapshot.load()[1].version == first.version >= 0)
        await reseal(place.sessions, both)
        async with reading(place.sessions) as session:
            version = await registry_version(session)
        await until(lambda: place.snapshot.load()[1].version >= version)
    place.sealer = AesSealer(new)
    away = _cut_off(place, request)
    try:
        async with place.registry(following=False) as second:
            token = second.token(roof)
    finally:
        away()

    assert token == "token"
