"""Whether the portal can do its work, part by part: the database and the store of readings."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiohttp
import structlog
from litestar import Request, Response, get
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from portal.headers import NEVER_STORED
from portal.parts import Parts, parts_of
from schema.database import reading
from schema.timeseries.kinds import StoreKind
from schema.timeseries.port import Source, StoreError

_log = structlog.get_logger(__name__)

TIMEOUT_S = 3.0
OK = "ok"
FAILED = "failed"

_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Health:
    """``status`` is "ok" when every part is; ``failed`` names the parts that are not."""

    status: str
    parts: dict[str, str]
    failed: list[str] = field(default_factory=list)


@get("/healthcheck", tags=["Health"], summary="Whether every part works", security=[])
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


async def _answers(part: str, question: Awaitable[None]) -> bool:
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
    # InfluxDB tells without a token whether it works; the portal holds none that is not an owner's.
    url = f"{parts.settings.influx_url.rstrip('/')}/health"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        if answer.status != 200:
            raise OSError(f"the store answered {answer.status}")
