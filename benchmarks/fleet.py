"""A fleet for benchmarks: owners, inverters and logins in a fresh SQLite database, and the messages they send."""

import base64
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from benchmarks.mqtt_load import Publication
from schema import migrate
from schema.changes import registry_changed
from schema.database import create_engine_for, sessions_for
from schema.models import Feed, Inverter, Login, Owner, OwnerPlacement, Placement, PlacementState
from schema.sealing import AesSealer
from schema.topics import native, prefix
from schema.verifiers import new_login, new_secret, verifier

TOKEN_KEY = base64.b64encode(b"benchmarks only, no real secret!").decode()

_DAY = {"day_energy": 4.2, "total_energy": 1234.5, "ac_frequency": 49.98, "temperature": 41.5, "status": "normal"}
_GRID = {f"ac_l{phase}_{name}": value for phase in (1, 2, 3) for name, value in (("voltage", 231.4), ("current", 0.6))}
_STRINGS = {f"dc_pv{n}_{name}": value for n in (1, 2) for name, value in (("voltage", 33.4), ("current", 6.2))}
_SCALARS = (
    [f"ac/l{p}/{q}" for p in (1, 2, 3) for q in ("voltage", "current", "power")]
    + [f"dc/pv{n}/{q}" for n in (1, 2, 3, 4) for q in ("voltage", "current", "power", "day_energy", "total_energy")]
    + ["ac/active_power", "ac/freq", "day_energy", "total_energy", "radiator_temp", "operating_power", "uptime"]
    + ["dc/total_power", "ac/apparent_power", "ac/reactive_power", "igbt_temp"]
)


@dataclass(frozen=True, slots=True)
class Device:
    """One inverter with its login."""

    login: str
    secret: str
    serial: str
    inverter_id: UUID

    def document(self, at_ms: int) -> Publication:
        """Our JSON document of 16 quantities, about 400 bytes."""
        values = {"time": at_ms, "ac_power": 412.5} | _DAY | _GRID | _STRINGS
        return Publication(native(self.login), json.dumps(values).encode())

    def cycle(self) -> list[Publication]:
        """One cycle of kbialek's client: forty scalars, a topic each."""
        root = prefix(self.login)
        return [Publication(f"{root}/{suffix}", b"23.4") for suffix in _SCALARS]


async def build(database_url: str, size: int, *, server: str, ready: bool) -> list[Device]:
    """A migrated database with ``size`` owners of one inverter each, to be written to at ``server`` ('' = embedded).

    ``ready`` places have made-up buckets and tokens; the others wait for the provisioner.
    """
    engine, now, sealer = create_engine_for(database_url), datetime.now(UTC), AesSealer(TOKEN_KEY)
    await migrate.upgrade(engine)
    devices = [Device(new_login(), new_secret(), f"27{number:08d}", uuid4()) for number in range(size)]
    owners = [uuid4() for _ in devices]
    state = {"state": PlacementState.READY if ready else PlacementState.PENDING, "updated_at": now}
    async with sessions_for(engine).begin() as session:
        version = await registry_changed(session)
        for number, owner in enumerate(owners):
            session.add(Owner(id=owner, name=f"owner {number}", created_at=now))
        await session.flush()
        for number, (owner, one) in enumerate(zip(owners, devices, strict=True)):
            session.add(
                OwnerPlacement(owner_id=owner, server=server, org_id=f"{number:016x}" if ready else "", **state)
            )
            session.add(Inverter(id=one.inverter_id, owner_id=owner, name="roof", serial=one.serial, created_at=now))
            secret = {"verifier": verifier(one.secret), "registry_version": version}
            session.add(Login(name=one.login, owner_id=owner, created_at=now, **secret))
        await session.flush()
        for number, one in enumerate(devices):
            sealed = sealer.seal(f"token-{number}", row=f"placement:{one.inverter_id}:bridge")
            place = {"bucket_id": f"{number:016x}", "bridge_token_sealed": sealed} if ready else {}
            session.add(Placement(inverter_id=one.inverter_id, **place, **state))
            session.add(Feed(login=one.login, inverter_id=one.inverter_id))
    await engine.dispose()
    return devices


def password_file(devices: list[Device], bridge_secret: str) -> str:
    """What the broker reads."""
    lines = [f"{device.login}:{verifier(device.secret)}" for device in devices]
    return "\n".join([*lines, f"bridge:{verifier(bridge_secret)}", ""])


def environment(folder: Path, *, mqtt_port: int, server: str, bridge_secret: str) -> dict[str, str]:
    """A bridge's environment."""
    return os.environ | {
        "DATABASE_URL": f"sqlite:///{folder}/deye.db",
        "DATA_DIR": str(folder),
        "TOKEN_KEY": TOKEN_KEY,
        "MQTT_HOST": "127.0.0.1",
        "MQTT_PORT": str(mqtt_port),
        "BRIDGE_MQTT_PASSWORD": bridge_secret,
        "INFLUX_URL": server,
        "LOG_FORMAT": "json",
    }
