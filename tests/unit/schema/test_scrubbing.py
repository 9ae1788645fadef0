"""What looks like a secret is taken out of any text; what a reader of logs needs stays."""

import base64
import json
from random import Random

import pytest

from schema.scrubbing import BLANK, scrubbed
from schema.settings import BridgeSettings
from schema.verifiers import new_secret

pytestmark = pytest.mark.unit

_DICE = Random(11)
INFLUX_TOKEN = base64.urlsafe_b64encode(_DICE.randbytes(64)).decode()
TOKEN_KEY = base64.b64encode(_DICE.randbytes(32)).decode()
API_KEY, COLLECTOR_KEY = f"deye_{'ABCDEFGH' * 4}", f"deyec_{'ABCDEFGH' * 4}"
MARK = f"6a2b1c3d.{_DICE.randbytes(8).hex()}.{_DICE.randbytes(16).hex()}"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql://deye:canary@host/db is away", "canary"),
        ("postgresql://deye:pass:word@host/db is away", "pass:word"),
        ("Authorization: Token canary", "canary"),
        ("{'Authorization': 'Bearer canary'}", "canary"),
        ('{"message": "password=canary"}', "canary"),
        ("secret: 'canary'", "canary"),
        (f"the server answered {INFLUX_TOKEN}", INFLUX_TOKEN),
        (f"the key {TOKEN_KEY} is old", TOKEN_KEY),
        (f"wrong secret for a login: {new_secret(lambda count: b'a' * count)}", "MFQW"),
        (f"a cookie held {JWT}", JWT),
        (f"nobody knows {API_KEY}", API_KEY),
        (f"nobody knows {COLLECTOR_KEY}", COLLECTOR_KEY),
        (f"brought {MARK}~{MARK}", MARK),
    ],
)
def test_what_looks_like_a_secret_is_blanked(text: str, secret: str) -> None:
    """Wherever it stands in the text."""
    cleaned = scrubbed(text)

    assert secret not in cleaned
    assert BLANK in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "the token is not printable",
        "password authentication failed for user deye",
        "inverter ef96bf51-2575-408f-a83e-ddc311afb48b on deye/ABCDEFGH23/reading",
        'File "/usr/lib/python3.11/site-packages/aiohttp/client_reqrep.py", line 12, in _create_direct_connection_2',
        "2026-11-23T23:55:12.060802Z bucket 0123456789abcdef",
        "http://127.0.0.1:8086/api/v2/write",
    ],
)
def test_what_a_reader_needs_stays(text: str) -> None:
    """Words about secrets, identifiers of rows, paths and addresses are no secrets."""
    assert scrubbed(text) == text


def test_a_blanked_text_stays_whole_inside_json() -> None:
    """Blanking happens before the line is made, so a quotation mark in a secret breaks nothing."""
    line = json.dumps({"detail": scrubbed('password="a\\"b" went wrong')})

    assert BLANK in json.loads(line)["detail"]


def test_settings_name_their_own_secrets() -> None:
    """Also the password inside a URL, as it stands there and decoded."""
    settings = BridgeSettings(
        token_key=TOKEN_KEY, bridge_mqtt_password="canary-one", database_url="postgresql://deye:canary%40two@host/db"
    )

    assert {TOKEN_KEY, "canary-one", "canary%40two", "canary@two"} <= set(settings.secrets())
