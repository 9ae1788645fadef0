"""Settings say what is wrong with them; sealed tokens open only where they belong."""

import base64
import json
from pathlib import Path

import pytest

from schema.sealing import AesSealer, CannotUnseal
from schema.settings import BridgeSettings, PortalSettings, ProvisionerSettings, SettingsInvalid, load
from schema.timeseries.kinds import StoreKind

pytestmark = pytest.mark.unit
TOKEN_KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INFLUX_URL", "DATABASE_URL", "ENV_FILE", "AUTH_SECRET", "WEB_DEV_TESTING", "INFLUX_SERVERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TOKEN_KEY", TOKEN_KEY)
    monkeypatch.setenv("BRIDGE_MQTT_PASSWORD", "secret-canary")


def test_a_missing_secret_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator reads which variable is missing, not a traceback."""
    with pytest.raises(SettingsInvalid, match="AUTH_SECRET"):
        load(PortalSettings)

    monkeypatch.setenv("AUTH_SECRET", "short")
    with pytest.raises(SettingsInvalid, match="at least 32 characters") as refusal:
        load(PortalSettings)

    assert "short" not in str(refusal.value)


def test_secrets_do_not_show_in_a_representation() -> None:
    """A settings object that ends in a log tells nothing."""
    assert "secret-canary" not in repr(load(BridgeSettings))
    assert TOKEN_KEY not in repr(load(BridgeSettings))


def test_the_environment_wins_over_the_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in the original: ENV_FILE names the file, a variable overrides its line."""
    env_file = tmp_path / "backend.env"
    env_file.write_text("MQTT_PORT=1999\nMQTT_HOST=from-file\n")
    monkeypatch.setenv("ENV_FILE", str(env_file))
    monkeypatch.setenv("MQTT_HOST", "from-environment")

    settings = load(BridgeSettings)

    assert (settings.mqtt_host, settings.mqtt_port) == ("from-environment", 1999)


def test_an_env_file_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing error in ENV_FILE must not start a service with defaults."""
    monkeypatch.setenv("ENV_FILE", "nowhere.env")

    with pytest.raises(SettingsInvalid, match=r"nowhere\.env"):
        load(BridgeSettings)


def test_an_influx_url_chooses_the_store_and_needs_the_operator_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """INFLUX_URL is the switch, WEB_DEV_TESTING turns it off again."""
    assert load(ProvisionerSettings).store is StoreKind.EMBEDDED

    monkeypatch.setenv("INFLUX_URL", "http://127.0.0.1:8086")
    with pytest.raises(SettingsInvalid, match="INFLUX_OPERATOR_TOKEN"):
        load(ProvisionerSettings)
    monkeypatch.setenv("WEB_DEV_TESTING", "true")

    assert load(ProvisionerSettings).store is StoreKind.EMBEDDED


FIRST, SECOND = "http://influxdb:8086", "http://influxdb2:8086"
CANARY = "operator-token-canary"


def _first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFLUX_URL", f"{FIRST}/")
    monkeypatch.setenv("INFLUX_OPERATOR_TOKEN", "token-of-the-first")


def test_further_influxdb_servers_come_from_a_variable_or_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first is INFLUX_URL; logs know every operator token, to blank it, and a settings object shows none."""
    written = json.dumps([{"url": f"{SECOND}/", "operator_token": CANARY, "capacity_buckets": 500, "open": False}])
    _first(monkeypatch)
    monkeypatch.setenv("INFLUX_CAPACITY_BUCKETS", "200")
    monkeypatch.setenv("INFLUX_SERVERS", written)
    by_variable = load(ProvisionerSettings)
    monkeypatch.delenv("INFLUX_SERVERS")
    (tmp_path / "servers.json").write_text(written)
    monkeypatch.setenv("INFLUX_SERVERS_FILE", str(tmp_path / "servers.json"))
    by_file = load(ProvisionerSettings)

    assert by_variable.servers == by_file.servers
    assert [(one.url, one.capacity_buckets, one.open) for one in by_file.servers] == [
        (FIRST, 200, True),
        (SECOND, 500, False),
    ]
    for settings in (by_variable, by_file):
        assert {CANARY, "token-of-the-first"} <= set(settings.secrets())
        assert CANARY not in repr(settings)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("http://influxdb2:8086 " + CANARY, "the list: Invalid JSON"),
        ("{}", "the list: Input should be a valid array"),
        (f'[{{"url": "{SECOND}", "token": "{CANARY}"}}]', "0.operator_token: Field required"),
        (f'[{{"url": "{SECOND}", "operator_token": ""}}]', "0.operator_token"),
        (f'[{{"url": "influxdb2", "operator_token": "{CANARY}"}}]', "written as http://host:8086"),
        (f'[{{"url": "http://me:{CANARY}@b:8086", "operator_token": "x"}}]', "no user"),
        (f'[{{"url": "{SECOND}", "operator_token": "{CANARY}", "capacity_buckets": 0}}]', "0.capacity_buckets"),
        (f'[{{"url": "{FIRST}", "operator_token": "{CANARY}"}}]', "named twice"),
    ],
)
def test_what_is_wrong_with_further_servers_is_said_without_a_token(
    monkeypatch: pytest.MonkeyPatch, written: str, said: str
) -> None:
    """One sentence that says where; the operator's mistake does not end in a log with a token in it."""
    _first(monkeypatch)
    monkeypatch.setenv("INFLUX_SERVERS", written)

    with pytest.raises(SettingsInvalid) as refusal:
        load(ProvisionerSettings)

    assert said in str(refusal.value)
    assert CANARY not in str(refusal.value)


def test_further_servers_need_a_first_one_and_a_file_that_can_be_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither silently becomes the embedded store."""
    monkeypatch.setenv("INFLUX_SERVERS", json.dumps([{"url": SECOND, "operator_token": CANARY}]))
    with pytest.raises(SettingsInvalid, match="the first one is INFLUX_URL"):
        load(ProvisionerSettings)

    _first(monkeypatch)
    monkeypatch.setenv("INFLUX_SERVERS_FILE", str(tmp_path / "nothing.json"))
    with pytest.raises(SettingsInvalid, match="both set"):
        load(ProvisionerSettings)

    monkeypatch.delenv("INFLUX_SERVERS")
    with pytest.raises(SettingsInvalid, match="cannot be read: FileNotFoundError"):
        load(ProvisionerSettings)


def test_cookies_are_never_sent_in_clear_where_the_portal_is_reached_by_https(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log-in's cookie that also goes over plain HTTP is anybody's on the way; the refusal names the variable."""
    monkeypatch.setenv("AUTH_SECRET", "a" * 32)
    monkeypatch.setenv("COOKIE_SECURE", "false")
    monkeypatch.setenv("BASE_URL", "http://192.0.2.7:8000")
    at_home = load(PortalSettings)
    monkeypatch.setenv("BASE_URL", "HTTPS://portal.example.org")
    with pytest.raises(SettingsInvalid, match="COOKIE_SECURE must be true where BASE_URL begins with https"):
        load(PortalSettings)
    monkeypatch.setenv("COOKIE_SECURE", "true")

    assert at_home.cookie_secure is False
    assert load(PortalSettings).cookie_secure is True


def test_live_rows_have_a_file_of_their_own_only_on_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    """On PostgreSQL they lie beside the other tables."""
    assert load(BridgeSettings).live_url == "sqlite:///data/live.db"

    monkeypatch.setenv("DATABASE_URL", "postgresql://somebody@host/deye")

    assert load(BridgeSettings).live_url == "postgresql://somebody@host/deye"


def test_a_sealed_token_opens_only_in_its_own_row() -> None:
    """Copied into Bob's row, changed by a bit, or under another key, Alice's token stays shut."""
    sealer = AesSealer(TOKEN_KEY)
    sealed = sealer.seal("token-of-alice", row="placement:alice:bridge")
    flipped = sealed[:-1] + bytes([sealed[-1] ^ 1])
    stranger = AesSealer(base64.b64encode(bytes(32)).decode())

    assert sealer.open(sealed, row="placement:alice:bridge") == "token-of-alice"
    assert b"token-of-alice" not in sealed
    for opener, token, row in (
        (sealer, sealed, "placement:bob:bridge"),
        (sealer, flipped, "placement:alice:bridge"),
        (stranger, sealed, "placement:alice:bridge"),
        (sealer, b"", "placement:alice:bridge"),
    ):
        with pytest.raises(CannotUnseal):
            opener.open(token, row=row)


def test_what_collectors_call_a_server_is_an_address_for_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Written as our own addresses are; a typing error stops the portal instead of sending readings nowhere."""
    monkeypatch.setenv("AUTH_SECRET", "a" * 32)
    monkeypatch.setenv("INFLUX_PUBLIC_URLS", "http://influxdb:8086/=https://influx.example.org/, http://b:1=http://c:2")
    found = load(PortalSettings).public_urls

    assert found == {"http://influxdb:8086": "https://influx.example.org", "http://b:1": "http://c:2"}
    for wrong in ("https://influx.example.org", "influxdb=https://x.example.org", "http://a:1=b", "http://a:1="):
        monkeypatch.setenv("INFLUX_PUBLIC_URLS", wrong)
        with pytest.raises(SettingsInvalid, match="INFLUX_PUBLIC_URLS"):
            load(PortalSettings)


def test_a_key_from_before_is_a_key_and_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no key, or the new one again, is said at the start; each of several is blanked in logs."""
    older = [base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2)]
    monkeypatch.setenv("TOKEN_KEY_OLD", ", ".join(older))
    settings = load(BridgeSettings)

    assert settings.token_keys == (TOKEN_KEY, *older)
    assert set(older) <= set(settings.secrets())
    for wrong, said in (("x", "base64"), (f"{older[0]},", "32 bytes"), (TOKEN_KEY, "names the keys from before")):
        monkeypatch.setenv("TOKEN_KEY_OLD", wrong)
        with pytest.raises(SettingsInvalid, match=said) as fault:
            load(BridgeSettings)
        assert wrong not in str(fault.value) or wrong == "x"
