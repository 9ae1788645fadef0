"""The original's addresses for outside collectors. HTTP only; who may call them is in ``auth.only_collectors``."""

from dataclasses import dataclass
from typing import Any

import structlog
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from portal import limits
from portal.auth import VisitorRequest, only_collectors
from portal.credentials import service
from portal.credentials.forms import Metadata
from portal.credentials.service import RETRY_AFTER_S, NoSuchSerial, PlacePending, WriteToken
from portal.errors import problem
from portal.headers import NEVER_STORED
from portal.parts import parts_of
from schema.database import reading
from schema.timeseries.kinds import StoreKind

_log = structlog.get_logger(__name__)

_NOT_FOUND = "No active inverter has this serial."


@dataclass(frozen=True, slots=True)
class MetadataKept:
    """The record after the change. ``rated_power`` is in watts."""

    serial: str
    sw_version: str | None
    rated_power: int | None
    number_of_mppts: int | None


@get(
    "/influx_token",
    guards=[only_collectors],
    middleware=[limits.COLLECTORS],
    tags=["Collectors"],
    summary="Where a collector writes an inverter's points",
)
async def influx_token(request: VisitorRequest, serial: FromQuery[str]) -> Response[WriteToken] | Response[bytes]:
    """Where and with which write-only token an outside collector writes this inverter's points into InfluxDB."""
    parts = parts_of(request)
    if parts.settings.store is not StoreKind.INFLUX2:
        return problem(501, "This installation keeps readings in its embedded store: there are no InfluxDB tokens.")
    try:
        async with reading(parts.sessions) as session:
            found = await service.write_token(session, parts.sealer, serial)
    except NoSuchSerial:
        return problem(404, _NOT_FOUND, NEVER_STORED)
    except PlacePending:
        headers = {"Retry-After": str(RETRY_AFTER_S), **NEVER_STORED}
        return problem(503, "The inverter's bucket is being made.", headers)
    _log.info("credentials.read", account=str(request.user.account_id), bucket=found.bucket_id)
    return Response(found, headers=NEVER_STORED)


@post(
    "/inverter_metadata/{serial:str}",
    status_code=200,
    guards=[only_collectors],
    middleware=[limits.COLLECTORS],
    tags=["Collectors"],
    summary="Tell what a device is",
)
async def inverter_metadata(
    request: VisitorRequest, serial: FromPath[str], data: JSONBody[Metadata]
) -> Response[MetadataKept] | Response[bytes]:
    """Keep what the collector found out about the device; what is not named stays as it is."""
    try:
        async with parts_of(request).sessions.begin() as session:
            inverter = await service.note_metadata(session, serial, data)
    except NoSuchSerial:
        return problem(404, _NOT_FOUND, NEVER_STORED)
    return Response(
        MetadataKept(inverter.serial, inverter.sw_version, inverter.rated_power_w, inverter.number_of_mppts)
    )


HANDLERS: list[Any] = [influx_token, inverter_metadata]
