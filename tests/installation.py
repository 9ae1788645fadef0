"""A whole installation as a newcomer would start it, and an oracle that looks into its database and store."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from schema.database import create_engine_for, reading, sessions_for
from schema.models import Inverter, OwnerPlacement, Placement
from schema.sealing import AesSealer
from schema.timeseries import stores
from schema.timeseries.kinds import StoreKind
from schema.timeseries.port import Source
from tests.lasting_program import Program
from tests.visitor import Pairing, wait_for

START_S = 60.0


@dataclass(frozen=True, slots=True)
class Installation:
    """Broker, bridge, provisioner and portal, running."""

    portal: str
    mqtt_host: str
    mqtt_port: int
    data_dir: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[str]

    @property
    def outbox(self) -> Path:
        """Where mails are kept as files."""
        return self.data_dir / "outbox"

    def publish(self, pairing: Pairing, *payloads: str, tail: str = "reading", qos: int = 1, topic: str = "") -> int:
        """What ``mosquitto_pub`` answers after publishing line by line with the settings of the pairing page."""
        command = ["mosquitto_pub", "-h", self.mqtt_host, "-p", str(self.mqtt_port), "-u", pairing.login]
        command += ["-P", pairing.secret, "-q", str(qos), "-t", topic or f"deye/{pairing.login}/{tail}", "-l"]
        lines = "".join(payload + "\n" for payload in payloads)
        return subprocess.run(command, input=lines, text=True, check=False, timeout=60, capture_output=True).returncode

    @contextmanager
    def program(self, pairing: Pairing) -> Iterator[Program]:
        """A program that has logged in with the settings of the pairing page and stays."""
        with socket.create_connection((self.mqtt_host, self.mqtt_port), timeout=20) as connection:
            yield Program(connection, pairing)

    def children(self) -> dict[str, int]:
        """The process id of each part, by its module or program name."""
        found: dict[str, int] = {}
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(status.read_text().rsplit(")", 1)[1].split()[1])
                words = (status.parent / "cmdline").read_bytes().decode().split("\0")
            except (OSError, IndexError):
                continue
            if parent == self.process.pid:
                name = words[words.index("-m") + 1] if "-m" in words else Path(words[0]).name
                found[name] = int(status.parent.name)
        return found

    def kill(self, part: str) -> None:
        """kill -9; the supervisor starts it again, which this waits for."""
        before = self.children()[part]
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: self.children().get(part, before) != before, seconds=30, what=f"{part} to be started again")

    def stored(self, serial: str, start: datetime, seconds: int) -> dict[datetime, dict[str, float]]:
        """What the store has of an inverter in this span, second by second, past every part of ours but the port."""
        return asyncio.run(self._stored(serial, start, start + timedelta(seconds=seconds)))

    async def _stored(self, serial: str, start: datetime, end: datetime) -> dict[datetime, dict[str, float]]:
        kind = StoreKind.INFLUX2 if self.environment.get("INFLUX_URL") else StoreKind.EMBEDDED
        engine = create_engine_for(self.environment.get("DATABASE_URL", f"sqlite:///{self.data_dir}/deye.db"))
        reader = stores.open_reader(kind, path=self.data_dir / "readings.db")
        statement = (
            select(Inverter, OwnerPlacement, Placement)
            .join(OwnerPlacement, OwnerPlacement.owner_id == Inverter.owner_id)
            .join(Placement, Placement.inverter_id == Inverter.id)
            .where(Inverter.serial == serial)
        )
        try:
            async with reading(sessions_for(engine)) as session:
                inverter, owner, place = (await session.execute(statement)).one()
            token = ""
            if kind is StoreKind.INFLUX2:
                assert owner.read_token_sealed is not None, "provisioning has not come this far"
                sealer = AesSealer(secrets_of(self.data_dir)["TOKEN_KEY"])
                token = sealer.open(owner.read_token_sealed, row=f"owner:{inverter.owner_id}:read")
            source = Source(
                owner_id=inverter.owner_id,
                inverter_id=inverter.id,
                server=owner.server,
                org_id=owner.org_id,
                bucket_name=place.bucket_name,
                token=token,
            )
            windows = await reader.windows(source, ["ac_power", "day_energy"], start, end, 1)
            return {window.start: window.means for window in windows}
        finally:
            await reader.close()
            await engine.dispose()

    def dead_letters(self) -> list[tuple[str, str]]:
        """Login and reason of each kept message that could not become a reading (SQLite only)."""
        with sqlite3.connect(self.data_dir / "deye.db") as connection:
            return connection.execute("SELECT login, reason FROM dead_letter").fetchall()


def secrets_of(data_dir: Path) -> dict[str, str]:
    """The installation's own secrets."""
    lines = (data_dir / "secrets.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


@contextmanager
def installation(data_dir: Path, environment: Mapping[str, str]) -> Iterator[Installation]:
    """``python -m standalone up`` on ports of the kernel's choice; stopped with one interrupt, as by Ctrl-C."""
    log = data_dir.with_suffix(".log")
    given = {"PORTAL_PORT": "0", "MQTT_PORT": "0", "PUBLIC_HOST": "127.0.0.1", "DATA_DIR": str(data_dir)} | dict(
        environment
    )
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "standalone", "up"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | given,
            text=True,
            start_new_session=True,
        )
    try:

        def first_lines() -> list[str] | None:
            assert process.poll() is None, log.read_text()
            lines = log.read_text().splitlines()
            return lines[:2] if len(lines) >= 2 else None

        portal, mqtt = wait_for(first_lines, seconds=START_S, what="the first two lines")
        assert portal.startswith("Portal: "), log.read_text()
        assert mqtt.startswith("MQTT: "), log.read_text()
        _, _, port = mqtt.rpartition(":")
        yield Installation(
            portal=f"http://127.0.0.1:{portal.rpartition(':')[2]}",
            mqtt_host="127.0.0.1",
            mqtt_port=int(port),
            data_dir=data_dir,
            environment=given,
            process=process,
        )
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(15)


def a_minute_ago() -> datetime:
    """A whole second in the recent past: payload times count up from here."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
