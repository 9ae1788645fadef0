"""The demo's own notes in the data folder: its log-in, its inverters' logins, and how far each simulation has come."""

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from standalone.devices import State

EMAIL = "demo@example.org"
NAME = "demo.json"


@dataclass(frozen=True, slots=True)
class DemoInverter:
    """One simulated inverter and its program's credentials; ``kind`` is micro, string or hybrid."""

    kind: str
    name: str
    serial: str
    login: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Demo:
    """``zone`` is where the house stands, ``since`` when its inverters began to count."""

    email: str
    password: str = field(repr=False)
    zone: str
    since: datetime
    inverters: tuple[DemoInverter, ...]


def load(data_dir: Path) -> Demo | None:
    """The demo of this data folder, None where there is none yet."""
    path = data_dir / NAME
    if not path.is_file():
        return None
    kept: dict[str, Any] = json.loads(path.read_text())
    return Demo(
        email=kept["email"],
        password=kept["password"],
        zone=kept["zone"],
        since=datetime.fromisoformat(kept["since"]),
        inverters=tuple(DemoInverter(**inverter) for inverter in kept["inverters"]),
    )


def save(data_dir: Path, demo: Demo) -> None:
    """Replace the notes; only their owner may read them."""
    _replace(data_dir / NAME, asdict(demo) | {"since": demo.since.isoformat()})


def load_state(data_dir: Path, login: str, since: datetime) -> State:
    """How far the simulation behind ``login`` has come; a new one begins at ``since``."""
    path = _state_path(data_dir, login)
    if not path.is_file():
        return State(at=since)
    kept: dict[str, Any] = json.loads(path.read_text())
    return State(**kept | {"at": datetime.fromisoformat(kept["at"])})


def save_state(data_dir: Path, login: str, state: State) -> None:
    """Remember it, so that counters go on after a restart."""
    _replace(_state_path(data_dir, login), asdict(state) | {"at": state.at.isoformat()})


def _state_path(data_dir: Path, login: str) -> Path:
    return data_dir / f"demo-{login}.json"


def _replace(path: Path, content: dict[str, Any]) -> None:
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
        json.dump(content, file, indent=1)
    draft.replace(path)
