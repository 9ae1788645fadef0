"""InfluxDB servers beside that of ``INFLUX_URL``, as an operator writes them down for the provisioner.

A JSON list, one object a server. What is wrong is said without what was written: operator tokens are in it.
"""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError, field_validator

CAPACITY_BUCKETS = 1_000
"""What a server with 4 GB of memory was seen to serve (docs/capacity.md)."""


def address(url: str) -> str:
    """A server's name: its URL without the slash at its end. Raises ``ValueError``, which does not repeat the URL."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an InfluxDB server is written as http://host:8086")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("an InfluxDB server's address has no user, question mark or fragment")
    return url.rstrip("/")


OPEN_FILES = 65_536
"""What InfluxDB's package for systemd allows; Docker usually allows more."""


class InfluxServer(BaseModel):
    """One server. ``open``: new owners may be placed there, as long as it has fewer than ``capacity_buckets``.

    ``memory_mb`` and ``open_files`` are how much it may have; without the first nobody is warned of its memory.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    operator_token: SecretStr = Field(min_length=1)
    capacity_buckets: int = Field(default=CAPACITY_BUCKETS, ge=1)
    open: bool = True
    memory_mb: int | None = Field(default=None, ge=1)
    open_files: int = Field(default=OPEN_FILES, ge=1)

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        return address(url)


_LIST = TypeAdapter(tuple[InfluxServer, ...])


def written_down(text: str, file: Path | None) -> tuple[InfluxServer, ...]:
    """The servers of ``INFLUX_SERVERS``, or of the file that ``INFLUX_SERVERS_FILE`` names. Raises ``ValueError``."""
    if file is not None:
        if text:
            raise ValueError("INFLUX_SERVERS and INFLUX_SERVERS_FILE are both set: one of them is enough")
        try:
            text = file.read_text()
        except (OSError, UnicodeError) as error:
            raise ValueError(f"INFLUX_SERVERS_FILE cannot be read: {type(error).__name__}") from None
    return _parsed(text) if text.strip() else ()


def _parsed(text: str) -> tuple[InfluxServer, ...]:
    """The servers of a JSON list. Raises ``ValueError`` that names the place of each mistake, never a value."""
    try:
        return _LIST.validate_json(text)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        said = "; ".join(f"{'.'.join(str(part) for part in one['loc']) or 'the list'}: {one['msg']}" for one in faults)
        raise ValueError(f"INFLUX_SERVERS: {said}") from None


def all_different(servers: tuple[InfluxServer, ...]) -> tuple[InfluxServer, ...]:
    """The servers again. Raises ``ValueError`` where one is named twice."""
    urls = [server.url for server in servers]
    if len(set(urls)) != len(urls):
        raise ValueError("an InfluxDB server is named twice")
    return servers


def renamed(text: str) -> str:
    """``ours=theirs`` pairs, separated by commas, with addresses as we write them. Raises ``ValueError``."""
    if not all("=" in pair for pair in text.split(",") if pair.strip()):
        raise ValueError("must be of the form http://influxdb:8086=https://influx.example.org")
    known = pairs(text).items()
    return ",".join(f"{address(ours)}={address(theirs)}" for ours, theirs in known)


def pairs(text: str) -> dict[str, str]:
    """What others call our servers, by our own addresses, of what ``renamed`` has checked."""
    split = (pair.partition("=") for pair in text.split(",") if pair.strip())
    return {ours.strip(): theirs.strip() for ours, _, theirs in split}
