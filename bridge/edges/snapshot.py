"""Registry rows: from the database to routes, and to a file beside the spool from which a bridge starts alone.

Tokens stay sealed in the rows and in the file; they are opened when a route is made of them.
"""

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self
from uuid import UUID

import structlog

from bridge.routes import Claim, Directory, LoginEntry, Route
from schema.models import PlacementState
from schema.sealing import CannotUnseal, Sealer
from schema.timeseries.port import Destination

_log = structlog.get_logger(__name__)

_FORMAT = 1


class Row(NamedTuple):
    """One feed with login, inverter and placement, in JSON's types; ``feed_id`` is empty for a login without one."""

    login: str
    revoked: bool
    feed_id: str = ""
    selector: str = ""
    dialect: str = ""
    claim: str = ""
    device_key: str = ""
    inverter_id: str = ""
    owner_id: str = ""
    serial: str = ""
    active: bool = False
    rated_power_w: int | None = None
    placed: bool = False
    bucket_id: str = ""
    sealed_token: str = ""
    server: str = ""
    org_id: str = ""
    aliases: Sequence[str] = ()

    @classmethod
    def of(cls, columns: tuple[Any, ...], aliases: Mapping[UUID, Sequence[str]]) -> Self:
        """From the columns of the registry's query."""
        name, revoked_at, feed_id, selector, dialect, claim, device_key, *inverter = columns
        inverter_id, owner_id, serial, active_serial, rated_power_w, state, bucket_id, sealed, *owner = inverter
        owner_state, server, org_id = owner
        if feed_id is None or inverter_id is None:
            return cls(name, revoked_at is not None)
        return cls(
            name,
            revoked_at is not None,
            str(feed_id),
            selector,
            dialect,
            str(claim),
            device_key,
            str(inverter_id),
            str(owner_id),
            serial,
            active_serial is not None,
            rated_power_w,
            state == PlacementState.READY and owner_state == PlacementState.READY,
            bucket_id or "",
            b64encode(sealed).decode() if sealed else "",
            server or "",
            org_id or "",
            sorted(aliases.get(inverter_id, ())),
        )


def _destination(row: Row, sealer: Sealer) -> Destination | None:
    """Where the inverter's points go, from this one row; None while there is no place or its token does not open."""
    if not row.placed:
        return None
    token = ""
    if row.sealed_token:
        try:
            token = sealer.open(b64decode(row.sealed_token), row=f"placement:{row.inverter_id}:bridge")
        except CannotUnseal:
            _log.error("token.sealed", inverter_id=row.inverter_id, detail="TOKEN_KEY does not open it")
            return None
    return Destination(
        inverter_id=UUID(row.inverter_id),
        owner_id=UUID(row.owner_id),
        server=row.server,
        org_id=row.org_id,
        bucket_id=row.bucket_id,
        token=token,
    )


def _route(row: Row, sealer: Sealer) -> Route:
    return Route(
        feed_id=UUID(row.feed_id),
        login=row.login,
        selector=row.selector,
        dialect=row.dialect,
        claim=Claim(row.claim),
        device_key=row.device_key,
        inverter_id=UUID(row.inverter_id),
        owner_id=UUID(row.owner_id),
        serial=row.serial,
        rated_power_w=row.rated_power_w,
        aliases=frozenset(row.aliases),
        destination=_destination(row, sealer),
    )


def entries_of(rows: Iterable[Row], sealer: Sealer) -> list[LoginEntry]:
    """Rows as logins with their routes."""
    entries: dict[str, LoginEntry] = {}
    for row in rows:
        entry = entries.setdefault(row.login, LoginEntry(row.login, row.revoked, {}))
        if row.feed_id:
            entry.routes[row.selector] = _route(row, sealer)
    return list(entries.values())


def directory_of(version: int, rows: Sequence[Row], sealer: Sealer) -> Directory:
    """Rows as a directory; a serial is held by the owner of the inverter that it is active for."""
    holders = {row.serial: UUID(row.owner_id) for row in rows if row.active}
    return Directory(version, entries_of(rows, sealer), holders)


class SnapshotFile:
    """The rows as a JSON file, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, rows: Sequence[Row]) -> None:
        """Write beside, flush to disk, put in place; a failure is logged, for the bridge runs without it."""
        beside = self._path.with_suffix(".new")
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump({"format": _FORMAT, "rows": rows}, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as fault:
            _log.warning("snapshot.not_saved", detail=str(fault))

    def load(self) -> list[Row]:
        """The rows of the last snapshot; none where there is no readable one."""
        try:
            content = json.loads(self._path.read_bytes())
            return [Row(*row) for row in content["rows"]] if content["format"] == _FORMAT else []
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError) as fault:
            _log.warning("snapshot.unreadable", detail=str(fault))
            return []
