"""Whether the portal can do its work, part by part: the database, the live rows and the store of readings.

``/healthcheck`` is the original's address: everything or 503. ``/health/live`` and ``/health/ready`` are the bridge's
two questions: whoever balances or restarts must not take a portal away because InfluxDB is.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiohttp
import structlog
from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from portal.headers import NEVER_STORED
from portal.parts import Parts, parts_of
from schema import live
from schema.database import reading
from schema.models import OwnerPlacement
from schema.timeseries.kinds import StoreKind
from schema.timeseries.port import Source, StoreError

_log = structlog.get_logger(__name__)

TIMEOUT_S = 3.0
OK = "ok"
DEGRADED = "degraded"
FAILED = "failed"

_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Health:
    """``status`` is "ok" when every part is, "degraded" where pages answer all the same; ``failed`` names the parts
    that are not well.
    """

    status: str
    parts: dict[str, str]
    failed: list[str] = field(default_factory=list)


UNWELL = {503: ResponseSpec(Health, description="A part is not well; `failed` names it.", generate_examples=False)}


@get(
    "/healthcheck",
    operation_id="getHealth",
    responses=UNWELL,
    tags=["Health"],
    summary="Whether every part works",
    security=[],
)
async def healthcheck(request: Request[Any, Any, Any]) -> Response[Health]:
    """200 when every part answers, else 503 with the names of those that do not."""
    parts = parts_of(request)
    answers = await asyncio.gather(_answers("database", _database(parts)), _answers("store", _store(parts)))
    found = {"database": answers[0], "store": answers[1]}
    failed = [name for name, works in found.items() if not works]
    health = Health(
        status=FAILED if failed else OK,
        parts={name: OK if works else FAILED for name, works in found.items()},
        failed=failed,
    )
    return Response(health, status_code=503 if failed else 200, headers=NEVER_STORED)


@get(
    "/health/live",
    operation_id="getLiveness",
    tags=["Health"],
    summary="Whether it runs",
    security=[],
    sync_to_thread=False,
)
def live_check() -> Response[Health]:
    """200: the event loop turns, else nobody would answer."""
    return Response(Health(status=OK, parts={}), headers=NEVER_STORED)


@get(
    "/health/ready",
    operation_id="getReadiness",
    responses=UNWELL,
    tags=["Health"],
    summary="Whether it can answer",
    security=[],
)
async def ready_check(request: Request[Any, Any, Any]) -> Response[Health]:
    """503 where the database is away: without it there is no page. Without store or live rows pages show less."""
    found = await looked_at(parts_of(request))
    status = OK if all(found.values()) else DEGRADED if found["database"] else FAILED
    health = Health(
        status=status,
        parts={name: OK if works else FAILED for name, works in found.items()},
        failed=[name for name, works in found.items() if not works],
    )
    return Response(health, status_code=200 if found["database"] else 503, headers=NEVER_STORED)


async def looked_at(parts: Parts) -> dict[str, bool]:
    """Which parts answer: database, live rows and store."""
    questions = {"database": _database(parts), "live": live.newest_version(parts.live_engine), "store": _store(parts)}
    answers = await asyncio.gather(*(_answers(name, question) for name, question in questions.items()))
    return dict(zip(questions, answers, strict=True))


async def _answers(part: str, question: Awaitable[object]) -> bool:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await question
    except (TimeoutError, OSError, SQLAlchemyError, StoreError, aiohttp.ClientError) as error:
        _log.warning("health.part_failed", part=part, error=type(error).__name__)
        return False
    return True


async def _database(parts: Parts) -> None:
    """A table of ours, not just a connection: a database that was never migrated does not work either."""
    async with reading(parts.sessions) as session:
        await session.execute(text("SELECT version FROM registry_version"))


async def _store(parts: Parts) -> None:
    if parts.settings.store is StoreKind.EMBEDDED:
        await parts.reader.latest(Source(owner_id=_NOBODY, inverter_id=_NOBODY), parts.now())
        return
    async with reading(parts.sessions) as session:
        used = (
            await session.scalars(select(OwnerPlacement.server).where(OwnerPlacement.server != "").distinct())
        ).all()
    async with aiohttp.ClientSession() as http:
        await asyncio.gather(*(_influxdb(http, server) for server in used or [parts.settings.influx_url]))


async def _influxdb(http: aiohttp.ClientSession, server: str) -> None:
    """InfluxDB tells without a token whether it works; the portal holds none that is not an owner's."""
    async with http.get(f"{server}/health") as answer:
        if answer.status != 200:
            raise OSError(f"the store answered {answer.status}")
