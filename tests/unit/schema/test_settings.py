"""Settings say what is wrong with them; sealed tokens open only where they belong."""

import base64
from pathlib import Path

import pytest

from schema.sealing import AesSealer, CannotUnseal
from schema.settings import BridgeSettings, PortalSettings, ProvisionerSettings, SettingsInvalid, load
from schema.timeseries.kinds import StoreKind

pytestmark = pytest.mark.unit
TOKEN_KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INFLUX_URL", "DATABASE_URL", "ENV_FILE", "AUTH_SECRET", "WEB_DEV_TESTING"):
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
