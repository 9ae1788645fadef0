"""What the simulated inverters' programs send: topics and payloads. Pure.

The micro-inverter's program speaks as kbialek's deye-inverter-mqtt does, one number per topic; the other two send our
own JSON document. What happened before is sent as documents with their own time by all three.
"""

import json
from collections.abc import Sequence
from datetime import datetime

from schema import topics
from standalone.devices import Values

# The topics of kbialek's micro-inverter sensors, in the order it sends them.
_SCALARS = (
    ("dc_pv1_voltage", "dc/pv1/voltage"),
    ("dc_pv1_current", "dc/pv1/current"),
    ("dc_pv1_power", "dc/pv1/power"),
    ("dc_pv2_voltage", "dc/pv2/voltage"),
    ("dc_pv2_current", "dc/pv2/current"),
    ("dc_pv2_power", "dc/pv2/power"),
    ("ac_l1_voltage", "ac/l1/voltage"),
    ("ac_l1_current", "ac/l1/current"),
    ("ac_frequency", "ac/freq"),
    ("day_energy", "day_energy"),
    ("total_energy", "total_energy"),
    ("temperature", "radiator_temp"),
    ("ac_power", "ac/active_power"),
)


def document(login: str, values: Values, at: datetime | None = None) -> tuple[str, str]:
    """Topic and payload of our own document; ``at`` is its time, left out for what is true right now."""
    content = dict(values) if at is None else {"time": at.isoformat(), **values}
    return topics.native(login), json.dumps(content)


def scalars(login: str, values: Values) -> Sequence[tuple[str, str]]:
    """One message for each value, as the micro-inverter's program sends them."""
    root = topics.prefix(login)
    return [(f"{root}/{topic}", str(values[name])) for name, topic in _SCALARS if name in values]


def live(kind: str, login: str, values: Values) -> Sequence[tuple[str, str]]:
    """What the program of a ``kind`` of inverter sends about now; nothing where the device is silent."""
    if not values:
        return []
    return scalars(login, values) if kind == "micro" else [document(login, values)]
