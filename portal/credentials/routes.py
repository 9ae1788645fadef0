"""The original's addresses for outside collectors. HTTP only; who may call them is in ``auth.only_collectors``."""

from dataclasses import dataclass, field
from typing import Any

import structlog
from litestar import Response, get, post
from litestar.exceptions import (
    HTTPException,
    NotFoundException,
    PermissionDeniedException,
    ServiceUnavailableException,
    TooManyRequestsException,
)
from litestar.params import FromPath, FromQuery, JSONBody

from portal import limits
from portal.auth import VisitorRequest, only_collectors
from portal.credentials import service
from portal.credentials.door import FOR_COLLECTORS, STOPPED, CollectorVisitor
from portal.credentials.forms import Metadata, WhichSerial
from portal.credentials.service import RETRY_AFTER_S, Refusal, WriteToken
from portal.credentials.sweeps import Asker, Desk
from portal.errors import problem
from portal.headers import NEVER_STORED
from portal.keys import KeyUse, derived
from portal.parts import Parts, parts_of
from schema.timeseries.kinds import StoreKind

_log = structlog.get_logger(__name__)


class _NoInflux(HTTPException):
    """For the description alone: the embedded store has no tokens."""

    status_code = 501


_WHO: dict[str, Any] = {
    "guards": [only_collectors, limits.not_too_many_of_one],
    "middleware": [limits.COLLECTORS],
    "opt": {FOR_COLLECTORS: True},
    "tags": ["Collectors"],
}
_READS: dict[str, Any] = {
    **_WHO,
    "status_code": 200,
    "raises": [
        PermissionDeniedException,
        NotFoundException,
        TooManyRequestsException,
        _NoInflux,
        ServiceUnavailableException,
    ],
}


@dataclass(frozen=True, slots=True)
class NotTaken:
    """A value that was told and not taken: `told_by` ("owner") has said something else."""

    name: str
    told_by: str


@dataclass(frozen=True, slots=True)
class MetadataKept:
    """The record after the change. ``rated_power`` is in watts; `kept` names what stays as somebody else said it."""

    serial: str
    sw_version: str | None
    rated_power: int | None
    number_of_mppts: int | None
    kept: list[NotTaken] = field(default_factory=list)


@get("/influx_token", operation_id="getWriteToken", summary="Where a collector writes an inverter's points", **_READS)
async def influx_token(request: VisitorRequest, serial: FromQuery[str]) -> Response[WriteToken]:
    """Where and with which write-only token an outside collector writes this inverter's points into InfluxDB."""
    return await _write_token(request, serial)


@post("/api/influx_token", operation_id="askForWriteToken", summary="The same, with the serial in the body", **_READS)
async def ask_for_influx_token(request: VisitorRequest, data: JSONBody[WhichSerial]) -> Response[WriteToken]:
    """What `GET /influx_token` answers. A serial in the body stands in no log of addresses on the way."""
    return await _write_token(request, data.serial)


@post(
    "/inverter_metadata/{serial:str}",
    operation_id="tellMetadata",
    status_code=200,
    raises=[PermissionDeniedException, TooManyRequestsException],
    summary="Tell what a device is",
    **_WHO,
)
async def inverter_metadata(
    request: VisitorRequest, serial: FromPath[str], data: JSONBody[Metadata]
) -> Response[MetadataKept]:
    """Keep what the collector found out about the device; what is not named, or was said by its owner, stays."""
    parts = parts_of(request)
    async with parts.sessions.begin() as session:
        noted = await service.note_metadata(session, _desk(parts), _asker(request), serial, data, now=parts.now())
    if isinstance(noted, Refusal):
        return _refused(parts, noted)
    inverter = noted.inverter
    return Response(
        MetadataKept(
            inverter.serial,
            inverter.sw_version,
            inverter.rated_power_w,
            inverter.number_of_mppts,
            [NotTaken(name, "owner") for name in service.kept_of(noted.told)],
        ),
        headers=NEVER_STORED,
    )


async def _write_token(request: VisitorRequest, serial: str) -> Response[WriteToken]:
    parts, asker = parts_of(request), _asker(request)
    if parts.settings.store is not StoreKind.INFLUX2:
        return problem(501, "This installation keeps readings in its embedded store: there are no InfluxDB tokens.")
    # No token leaves without its entry in the audit log: both are one transaction.
    async with parts.sessions.begin() as session:
        found = await service.write_token(session, _desk(parts), asker, serial, now=parts.now())
    if isinstance(found, Refusal):
        return _refused(parts, found)
    _log.info("credentials.read", asker=asker.subject, bucket=found.bucket_id)
    return Response(found, headers=NEVER_STORED)


def _refused(parts: Parts, why: Refusal) -> Response[Any]:
    if why is Refusal.STOPPED:
        parts.mailer.wake()
        return problem(403, STOPPED, NEVER_STORED)
    if why is Refusal.PLACE_PENDING:
        headers = {"Retry-After": str(RETRY_AFTER_S), **NEVER_STORED}
        return problem(503, "The inverter's bucket is being made or moved.", headers)
    return problem(404, "No active inverter has this serial.", NEVER_STORED)


def _asker(request: VisitorRequest) -> Asker:
    return Asker(request.user.account_id, is_collector=isinstance(request.user, CollectorVisitor))


def _desk(parts: Parts) -> Desk:
    key = derived(parts.settings.auth_secret.get_secret_value(), KeyUse.COLLECTOR_SERIALS)
    return Desk(parts.tries, parts.sealer, parts.links.base_url, parts.settings.public_urls, key)


HANDLERS: list[Any] = [influx_token, ask_for_influx_token, inverter_metadata]
