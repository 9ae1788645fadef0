"""Inputs that once did harm, kept for ever: one JSON file each below ``seeds``."""

import base64
import json
import re
from pathlib import Path

from tests.hostile.attack import Attack

FOLDER = Path(__file__).parent / "seeds"


def load() -> list[Attack]:
    """All of them, by name."""
    return [_attack(json.loads(path.read_text())) for path in sorted(FOLDER.glob("*.json"))]


def save(attack: Attack, harm: str) -> Path:
    """Keep one; ``harm`` says what it did."""
    content = {
        "harm": harm,
        "name": attack.name,
        "topic": base64.b64encode(attack.topic).decode(),
        "payload": base64.b64encode(attack.payload).decode(),
        "packets": [base64.b64encode(packet).decode() for packet in attack.packets],
        "logged_in": attack.logged_in,
    }
    path = FOLDER / f"{re.sub('[^A-Za-z0-9]+', '-', attack.name)}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def _attack(content: dict[str, object]) -> Attack:
    packets = content["packets"]
    assert isinstance(packets, list)
    return Attack(
        name=f"seed {content['name']}: {content['harm']}",
        topic=base64.b64decode(str(content["topic"])),
        payload=base64.b64decode(str(content["payload"])),
        packets=tuple(base64.b64decode(packet) for packet in packets),
        logged_in=bool(content["logged_in"]),
    )
