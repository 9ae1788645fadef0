"""Every environment variable, typed, with unit and default: one class per process, built once by that process's entry.

``ENV_FILE`` names a file of ``NAME=value`` lines that is read first; the environment wins over it. The variables of the
original system keep their names (DESIGN 4.5). Nothing here is read when the module is imported.
"""

import base64
import os
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schema.timeseries.kinds import StoreKind


class SettingsInvalid(Exception):
    """A variable is missing or wrong; the message names each one and what it should be."""


SettingsT = TypeVar("SettingsT", bound="CommonSettings")


def _key_of_32_bytes(value: SecretStr) -> SecretStr:
    try:
        key = base64.b64decode(value.get_secret_value(), validate=True)
    except ValueError as error:
        raise ValueError("must be base64") from error
    if len(key) != 32:
        raise ValueError("must be base64 of exactly 32 bytes")
    return value


def _long_secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < 32:
        raise ValueError("must have at least 32 characters")
    return value


TokenKey = Annotated[SecretStr, AfterValidator(_key_of_32_bytes)]
LongSecret = Annotated[SecretStr, AfterValidator(_long_secret)]


class CommonSettings(BaseSettings):
    """What every process of ours needs: the database, the store and the key that opens sealed tokens."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    database_url: str = "sqlite:///data/deye.db"
    live_database_url: str = ""
    data_dir: Path = Path("data")
    influx_url: str = ""
    web_dev_testing: bool = False
    token_key: TokenKey
    log_format: str = Field(default="json", pattern="^(json|console)$")

    @property
    def store(self) -> StoreKind:
        """InfluxDB where an address is given, unless the original's ``WEB_DEV_TESTING`` switches it off."""
        return StoreKind.INFLUX2 if self.influx_url and not self.web_dev_testing else StoreKind.EMBEDDED

    @property
    def readings_path(self) -> Path:
        """The embedded store's file."""
        return self.data_dir / "readings.db"

    @property
    def live_url(self) -> str:
        """Beside the other tables on PostgreSQL; a file of its own on SQLite, where its commits need no fsync."""
        if self.live_database_url:
            return self.live_database_url
        return f"sqlite:///{self.data_dir}/live.db" if self.database_url.startswith("sqlite") else self.database_url


class BridgeSettings(CommonSettings):
    """The bridge's own."""

    mqtt_host: str = "127.0.0.1"
    mqtt_port: int = Field(default=1883, ge=1, le=65535)
    bridge_mqtt_password: SecretStr
    receive_maximum: int = Field(default=1000, ge=1, le=65535)
    session_expiry_s: int = 7 * 86_400
    hold_s: float = Field(default=2.0, gt=0)
    probe_s: float = Field(default=5.0, gt=0)
    store_timeout_s: float = Field(default=10.0, gt=0)
    writes_in_flight: int = Field(default=64, ge=1)
    reading_max_bytes: int = 16_384
    spool_max_bytes: int = 2 * 1024**3
    stop_timeout_s: float = Field(default=5.0, gt=0)

    @property
    def spool_path(self) -> Path:
        """What is kept until the store takes it, and the dead letters."""
        return self.data_dir / "spool.db"

    @property
    def snapshot_path(self) -> Path:
        """The last registry, tokens sealed, so that a bridge starts while the database is away."""
        return self.data_dir / "registry-snapshot.json"


class ProvisionerSettings(CommonSettings):
    """The provisioner's own; the only process that holds the operator token and writes the broker's password file."""

    influx_operator_token: SecretStr = SecretStr("")
    bridge_mqtt_password: SecretStr
    broker_dir: Path = Path("data/broker")
    retention_days: int = Field(default=730, ge=0)
    shard_group_weeks: int = Field(default=52, ge=1, le=520)

    @model_validator(mode="after")
    def _operator_token_for_influx(self) -> Self:
        if self.store is StoreKind.INFLUX2 and not self.influx_operator_token.get_secret_value():
            raise ValueError("INFLUX_OPERATOR_TOKEN is needed where INFLUX_URL is set")
        return self


class PortalSettings(CommonSettings):
    """The portal's own. ``base_url`` is what links in mails begin with, never a request's Host header."""

    auth_secret: LongSecret
    cookie_secure: bool = True
    base_url: str = "http://localhost:8000"
    portal_host: str = "127.0.0.1"
    portal_port: int = Field(default=8000, ge=0, le=65535)
    mqtt_public_host: str = "localhost"
    mqtt_public_port: int = Field(default=1883, ge=1, le=65535)
    mqtt_public_tls: bool = False
    smtp_host: str = ""
    smtp_port: int = 25
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_starttls: bool = False
    mail_from: str = "Deye Hard <no-reply@localhost>"
    trusted_proxies: str = ""
    allowed_hosts: str = ""
    admin_bearer_reads_influx_tokens: bool = False
    argon2_small_board: bool = False

    @property
    def outbox_dir(self) -> Path:
        """Where mails are kept as files where no SMTP server is named."""
        return self.data_dir / "outbox"


def load(kind: type[SettingsT]) -> SettingsT:
    """Settings of ``kind`` from the environment and ``ENV_FILE``. Raises ``SettingsInvalid`` naming what is wrong."""
    env_file = os.environ.get("ENV_FILE")
    if env_file and not Path(env_file).is_file():
        raise SettingsInvalid(f"ENV_FILE names {env_file}, which is not a file")
    try:
        return kind(_env_file=env_file)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']).upper() or 'settings'}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        raise SettingsInvalid(faults) from None
