"""100,000 logins: the password file made, loaded, and one revoked. Run: ``python -m benchmarks.logins``.

The provisioner's own code on SQLite and a real Mosquitto, few logins beside many in one run. The comparison of each
figure is the same work with few; of the file it is the same bytes written and flushed by nobody's rules. Beside each
time stands the processor time of whoever does the work, which a busy machine changes least.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import insert, update

from benchmarks.processes import Measured
from portal.provisioner.broker_folder import BrokerFolder
from portal.provisioner.generations import Generations
from schema import migrate
from schema.changes import registry_changed
from schema.database import Sessions, create_engine_for, sessions_for
from schema.models import Login, Owner
from schema.verifiers import new_login, new_secret, verifier
from tests.broker import BRIDGE_PASSWORD, Broker, connect_as
from tests.broker_guest import guest
from tests.waiting import until

OWNER = UUID(int=1)
_STEP = 10_000
MADE = "the password file made by the provisioner"
SAME_BYTES = "  comparison: the same bytes written and flushed"
UP = "the broker started with it"
WITHOUT = "one revoked: from the click to the new file"
PAUSE = "  the broker's pause for the reload"
CLOSED = "  from the click to the closed connection"


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds by the clock, and of the processor."""

    wall_s: float
    cpu_s: float


@dataclass
class Figures:
    """What was measured with so many logins."""

    logins: int
    file_mb: float = 0.0
    broker_mb: float = 0.0
    hashed_us: float = 0.0
    took: dict[str, Took] = field(default_factory=dict)

    @contextmanager
    def time(self, name: str, cpu: Callable[[], float] = time.process_time) -> Iterator[None]:
        """Measure the block; ``cpu`` is what another process has used so far."""
        wall, before = time.perf_counter(), cpu()
        yield
        self.took[name] = Took(time.perf_counter() - wall, cpu() - before)


async def register(sessions: Sessions, size: int) -> tuple[dict[str, str], float]:
    """So many logins in the database; two of them with their secrets, and microseconds of CPU to hash one."""
    names: set[str] = set()
    while len(names) < size:
        names.add(new_login())
    secrets = {name: new_secret() for name in list(names)[:2]}
    began = time.process_time()
    kept = {name: verifier(secrets.get(name) or new_secret()) for name in names}
    hashed_us = (time.process_time() - began) / size * 1e6
    now = datetime.now(UTC)
    async with sessions.begin() as session:
        version = await registry_changed(session)
        session.add(Owner(id=OWNER, name="owner", created_at=now))
        await session.flush()
        same: dict[str, object] = {"owner_id": OWNER, "registry_version": version, "created_at": now}
        rows = [{"name": name, "verifier": text} | same for name, text in kept.items()]
        for first in range(0, size, _STEP):
            await session.execute(insert(Login), rows[first : first + _STEP])
    return secrets, hashed_us


async def measure(folder: Path, size: int) -> Figures:
    """One database with so many logins, one broker."""
    figures = Figures(size)
    engine = create_engine_for(f"sqlite:///{folder}/deye-{size}.db")
    await migrate.upgrade(engine)
    sessions = sessions_for(engine)
    secrets, figures.hashed_us = await register(sessions, size)
    broker = Broker(folder / f"broker-{size}")
    shared = BrokerFolder(broker.folder)
    generations = Generations(sessions, shared, BRIDGE_PASSWORD)
    with figures.time(MADE):
        await generations.refresh()
    content = shared.passwords() or ""
    figures.file_mb = len(content) / 1e6
    with figures.time(SAME_BYTES), (folder / "same").open("w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        with figures.time(UP, lambda: _cpu_s(broker)):
            broker.start()
        await revoke(sessions, generations, broker, secrets, figures)
    finally:
        broker.kill()
        await engine.dispose()
    return figures


async def revoke(
    sessions: Sessions, generations: Generations, broker: Broker, secrets: dict[str, str], figures: Figures
) -> None:
    """One of two that are connected; the other one must not notice."""
    (gone, secret), (stays, other) = secrets.items()
    async with guest(broker, gone, secret) as revoked, guest(broker, stays, other) as neighbour:
        figures.broker_mb = _resident_mb(broker)
        with figures.time(CLOSED):
            with figures.time(WITHOUT):
                async with sessions.begin() as session:
                    version = await registry_changed(session)
                    ended = {"revoked_at": datetime.now(UTC), "registry_version": version}
                    await session.execute(update(Login).where(Login.name == gone).values(**ended))
                await generations.refresh()
            with figures.time(PAUSE, lambda: _cpu_s(broker)):
                broker.reload()
                # One thread does everything there: this answer comes after the reload.
                assert connect_as(broker.port, "NOBODYSLGN", other)[3] != 0
            await until(lambda: not revoked.client.is_connected())
        assert neighbour.client.is_connected()


def _cpu_s(broker: Broker) -> float:
    process = broker._process  # noqa: SLF001  # the tests' broker needs no door for this
    return Measured(process).cpu_s if process else 0.0  # type: ignore[arg-type]  # of bytes instead of text


def _resident_mb(broker: Broker) -> float:
    assert broker._process is not None  # noqa: SLF001
    return Measured(broker._process).memory_mb("VmRSS")  # type: ignore[arg-type]  # noqa: SLF001


def show(found: list[Figures]) -> None:
    """A column for each size."""
    print(f"{'logins':52}" + "".join(f"{one.logins:>28,}" for one in found))
    print(f"{'a verifier made':52}" + "".join(f"{one.hashed_us:>20.1f} us CPU" for one in found))
    for name in (MADE, SAME_BYTES, UP, WITHOUT, PAUSE, CLOSED):
        took = [one.took[name] for one in found]
        print(f"{name:52}" + "".join(f"{one.wall_s * 1e3:>12,.0f} ms{one.cpu_s * 1e3:>9,.0f} CPU" for one in took))
    print(f"{'size of the file':52}" + "".join(f"{one.file_mb:>25.1f} MB" for one in found))
    print(f"{'resident memory of the broker':52}" + "".join(f"{one.broker_mb:>25.1f} MB" for one in found))


async def run(sizes: list[int]) -> None:
    """All figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        show([await measure(folder, size) for size in sizes])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.logins", description=__doc__)
    parser.add_argument("--few", type=int, default=100)
    parser.add_argument("--many", type=int, default=100_000)
    arguments = parser.parse_args()
    asyncio.run(run([arguments.few, arguments.many]))


if __name__ == "__main__":
    main()
