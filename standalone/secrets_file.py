"""The installation's own secrets: made once, kept in a file only its owner can read, never changed afterwards.

Changing ``TOKEN_KEY`` would lock away every sealed token, changing ``AUTH_SECRET`` would sign everybody out. So a new
key comes beside the one before (``new_token_key``), which stays until everything is sealed anew (docs/keys.md).
"""

import base64
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path


def _token_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


class CannotChange(Exception):
    """The file stays as it is; the message says why."""


OLDER = "TOKEN_KEY_OLD"

STANDALONE: Mapping[str, Callable[[], str]] = {
    "AUTH_SECRET": lambda: secrets.token_urlsafe(48),
    "TOKEN_KEY": _token_key,
    "BRIDGE_MQTT_PASSWORD": lambda: secrets.token_urlsafe(32),
}

COMPOSE: Mapping[str, Callable[[], str]] = {
    **STANDALONE,
    "POSTGRES_PASSWORD": lambda: secrets.token_hex(24),
    "BRIDGE_DATABASE_PASSWORD": lambda: secrets.token_hex(24),
    "INFLUX_OPERATOR_TOKEN": lambda: secrets.token_urlsafe(48),
}


def read(path: Path) -> dict[str, str]:
    """``NAME=value`` lines; empty where there is no file."""
    if not path.is_file():
        return {}
    pairs = (line.partition("=") for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, separator, value in pairs if separator}


def complete(path: Path, wanted: Mapping[str, Callable[[], str]] = STANDALONE) -> dict[str, str]:
    """Every secret of ``wanted``; the missing ones are made and added. What stands in the file is never changed."""
    present = read(path)
    made = {name: make() for name, make in wanted.items() if not present.get(name)}
    if made:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "a") as file:
            os.fchmod(descriptor, 0o600)
            if file.tell() and not path.read_text().endswith("\n"):
                file.write("\n")
            file.writelines(f"{name}={value}\n" for name, value in made.items())
            file.flush()
            os.fsync(descriptor)
    older = {OLDER: present[OLDER]} if present.get(OLDER) else {}
    return {name: (present | made)[name] for name in wanted} | older


def new_token_key(path: Path) -> None:
    """A new ``TOKEN_KEY``, and the one before as ``TOKEN_KEY_OLD``; everything else in the file stays as it is.

    Raises ``CannotChange`` where there is no key, or an older one is still needed.
    """
    present = read(path)
    if not present.get("TOKEN_KEY"):
        raise CannotChange(f"There is no TOKEN_KEY in {path}: nothing was changed.")
    if present.get(OLDER):
        raise CannotChange(f"{path} has a {OLDER}: end that change first (docs/keys.md). Nothing was changed.")
    lines = [
        line for line in path.read_text().splitlines() if line.partition("=")[0].strip() not in ("TOKEN_KEY", OLDER)
    ]
    lines += [f"TOKEN_KEY={_token_key()}", f"{OLDER}={present['TOKEN_KEY']}"]
    beside = path.with_name(f"{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)
        file.write("\n".join(lines) + "\n")
        file.flush()
        os.fsync(descriptor)
    beside.replace(path)
