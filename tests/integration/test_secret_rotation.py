"""Another secret and a damaged password file beside a busy Mosquitto: nobody else is dropped (F22, F26)."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import update

from portal.provisioner.broker_folder import BrokerFolder
from portal.provisioner.generations import Generations
from schema import migrate
from schema.changes import registry_changed
from schema.database import Sessions, create_engine_for, sessions_for
from schema.models import Login, Owner
from schema.verifiers import new_secret, verifier
from tests.broker import BRIDGE_PASSWORD, Broker, connect_as
from tests.broker_guest import ALICE, BOB, SECRET, Guest, guest
from tests.waiting import until

pytestmark = pytest.mark.integration

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
OWNER = UUID(int=1)
_LET_IN, _NOT_AUTHORISED = 0, 0x87


class Place:
    """Alice's and Bob's logins in a database, the password file made of it, and the broker that reads that."""

    def __init__(self, sessions: Sessions, broker: Broker) -> None:
        self.sessions = sessions
        self.broker = broker
        self.folder = BrokerFolder(broker.folder)

    async def published(self) -> None:
        """As the provisioner, started anew, and whoever keeps the broker."""
        before = self.folder.generation()
        await Generations(self.sessions, self.folder, BRIDGE_PASSWORD).refresh()
        if self.broker.running and self.folder.generation() != before:
            self.broker.reload()

    def tries(self, secret: str) -> int:
        """What the broker answers to Alice's login with this secret."""
        return connect_as(self.broker.port, ALICE, secret)[3]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """With the broker running."""
    engine = create_engine_for(f"sqlite:///{tmp_path}/deye.db")
    await migrate.upgrade(engine)
    one = Place(sessions_for(engine), Broker(tmp_path / "broker"))
    async with one.sessions.begin() as session:
        version = await registry_changed(session)
        session.add(Owner(id=OWNER, name="Alice", created_at=NOW))
        await session.flush()
        for name in (ALICE, BOB):
            kept = {"verifier": verifier(SECRET), "registry_version": version}
            session.add(Login(name=name, owner_id=OWNER, created_at=NOW, **kept))
    await one.published()
    one.broker.start()
    yield one
    one.broker.kill()
    await engine.dispose()


def _goes_on(bob: Guest, messages: int = 100) -> None:
    for number in range(messages):
        bob.client.publish(f"deye/{BOB}/reading", str(number), qos=1)


async def test_another_secret_ends_the_old_one_and_drops_nobody_else(place: Place) -> None:
    """F22: from the reload on the old secret opens nothing, its open connection is closed, the new one is let in; Bob
    publishes all the while on one connection.
    """
    renewed = new_secret()
    async with guest(place.broker, ALICE) as alice, guest(place.broker, BOB) as bob:
        before = place.tries(renewed)
        _goes_on(bob)
        async with place.sessions.begin() as session:
            version = await registry_changed(session)
            changed = update(Login).where(Login.name == ALICE)
            await session.execute(changed.values(verifier=verifier(renewed), registry_version=version))
        await place.published()
        _goes_on(bob)
        await until(lambda: not alice.client.is_connected())
        await until(lambda: len(bob.answers) == 201)
        after = [place.tries(secret) for secret in (SECRET, renewed)]

        assert bob.answers == ["Success"] + ["No matching subscribers"] * 200
    assert (before, after) == (_NOT_AUTHORISED, [_NOT_AUTHORISED, _LET_IN])


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
async def test_a_torn_password_file_is_made_whole_and_the_broker_lives(place: Place, share: float) -> None:
    """F26: emptied, halved, cut in the middle of a line, by whatever hand. The next provisioner writes it anew before
    anybody loads it; who is connected stays, and both can log in.
    """
    file = place.folder.path / "passwords"
    whole = file.read_text()
    async with guest(place.broker, BOB) as bob:
        file.write_text(whole[: int(len(whole) * share)])
        _goes_on(bob)
        await place.published()
        _goes_on(bob)
        await until(lambda: len(bob.answers) == 201)

        assert bob.answers == ["Success"] + ["No matching subscribers"] * 200
    assert {line.split(":")[0] for line in file.read_text().splitlines()} == {"bridge", "canary", ALICE, BOB}
    assert place.broker.running
    assert place.tries(SECRET) == _LET_IN
