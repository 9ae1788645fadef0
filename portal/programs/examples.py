"""An example of every answer in the API's description. A test holds each against its schema. Data only."""

from typing import Any

INVERTER_ID = "0b6a6ae3-3f7e-4f0e-9a53-6f1c1f6d2a11"

_OWNER_ID = "5a3c1c52-3c7f-4d8f-8f4e-2b1f0a6e7d21"
_ACCOUNT_ID = "c2f6b1de-8a47-4a5b-9f0c-7f6f6d1f1e32"
_AT = "2026-06-01T12:00:00Z"
_INVERTER: dict[str, Any] = {
    "id": INVERTER_ID,
    "name": "Garage roof",
    "serial": "2711111111",
    "sw_version": "1.2.7",
    "rated_power_w": 800,
    "number_of_mppts": 2,
    "created_at": "2026-05-01T08:15:00Z",
    "reading_at": _AT,
    "seen_at": "2026-06-01T12:00:01Z",
    "values": {"ac_power": 412.5, "day_energy": 2.1},
    "told": {"rated_power_w": {"by": "owner", "at": "2026-05-01T08:20:00Z"}},
    "former_serials": [{"serial": "2700000000", "why": "replaced", "ended_at": "2026-05-20T17:00:00Z"}],
    "given_away_at": None,
}
_WELL = {"status": "ok", "parts": {"database": "ok", "store": "ok"}, "failed": []}
_UNWELL = {"status": "failed", "parts": {"database": "ok", "store": "failed"}, "failed": ["store"]}
_READY = {"status": "ok", "parts": {"database": "ok", "live": "ok", "store": "ok"}, "failed": []}
_NOT_READY = {
    "status": "failed",
    "parts": {"database": "failed", "live": "ok", "store": "ok"},
    "failed": ["database"],
}

_WRITE_TOKEN = {
    "serial": "2711111111",
    "token": "a token that only writes",
    "bucket_id": "1f1e1d1c1b1a1918",
    "bucket_name": "0b6a6ae33f7e4f0e9a536f1c1f6d2a11",
    "org_id": "2f2e2d2c2b2a2928",
    "url": "https://influx.example.org",
}

# Operation and status of the answers in JSON.
ANSWERS: dict[tuple[str, str], Any] = {
    ("getHealth", "200"): _WELL,
    ("getHealth", "503"): _UNWELL,
    ("getLiveness", "200"): {"status": "ok", "parts": {}, "failed": []},
    ("getReadiness", "200"): _READY,
    ("getReadiness", "503"): _NOT_READY,
    ("logIn", "200"): {"access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.xyz", "token_type": "bearer"},
    ("getAccount", "200"): {
        "id": _ACCOUNT_ID,
        "email": "alice@example.org",
        "display_name": "Alice",
        "language": "en",
        "is_admin": False,
        "is_installer": False,
        "delete_after": None,
        "owners": [{"owner_id": _OWNER_ID, "role": "owner", "time_zone": "Europe/Berlin", "until": None}],
    },
    ("listInverters", "200"): {"inverters": [_INVERTER], "next": None},
    ("getInverter", "200"): _INVERTER,
    ("getLatest", "200"): {
        "inverter_id": INVERTER_ID,
        "reading_at": _AT,
        "seen_at": "2026-06-01T12:00:01Z",
        "values": {"ac_power": 412.5, "day_energy": 2.1},
        "units": {"ac_power": "W", "day_energy": "kWh"},
    },
    ("listReadings", "200"): {
        "inverter_id": INVERTER_ID,
        "start": "2026-05-31T12:00:00Z",
        "end": _AT,
        "step_s": 300,
        "units": {"ac_power": "W"},
        "readings": [{"at": "2026-06-01T11:55:00Z", "values": {"ac_power": 409.3}}],
        "next": None,
    },
    ("listEnergy", "200"): {
        "inverter_id": INVERTER_ID,
        "time_zone": "Europe/Berlin",
        "days": [
            {"date": "2026-06-01", "energy_kwh": 4.2, "source": "counter", "coverage": 0.98, "repairs": []},
        ],
        "next": None,
    },
    ("listQuantities", "200"): [
        {"name": "ac_power", "unit": "W", "kind": "gauge", "low": -200000, "high": 200000, "codes": []},
        {"name": "grid_connected", "unit": "", "kind": "state", "low": 0, "high": 1, "codes": ["off", "on"]},
    ],
    ("getWriteToken", "200"): _WRITE_TOKEN,
    ("askForWriteToken", "200"): _WRITE_TOKEN,
    ("tellMetadata", "200"): {
        "serial": "2711111111",
        "sw_version": "1.2.7",
        "rated_power": 800,
        "number_of_mppts": 2,
        "kept": [{"name": "rated_power", "told_by": "owner"}],
    },
}

# The same answers as tables.
TABLES = {
    "listReadings": "at,ac_power (W)\r\n2026-06-01T11:55:00Z,409.3\r\n",
    "listEnergy": "date,energy (kWh),source,coverage,repairs\r\n2026-06-01,4.2,counter,0.98,\r\n",
}
