"""What is answered on the port for machines that watch: ``/metrics``, ``/health/live`` and ``/health/ready``."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from bridge import health
from bridge.edges.http import Answer, Pages, serving
from bridge.edges.watch import Watch
from schema.settings import BridgeSettings


@asynccontextmanager
async def watched(watch: Watch, settings: BridgeSettings) -> AsyncIterator[Watch]:
    """Answer those who watch until the end, where a port is given for it."""
    if settings.metrics_port is None:
        yield watch
        return
    async with serving(settings.metrics_host, settings.metrics_port, pages(watch)):
        yield watch


def pages(watch: Watch) -> Pages:
    """The three of them."""
    prepared: list[tuple[Any, Any]] = []

    async def metrics() -> Answer:
        if not prepared:
            prepared.append(await asyncio.to_thread(_prepare, watch))
        exposition, registry = prepared[0]
        body, content_type = exposition(registry)
        return Answer(body, content_type=content_type)

    async def live() -> Answer:
        return _judged(health.live(watch.observed()))

    async def ready() -> Answer:
        return _judged(health.ready(await watch.look(writing=True)))

    return {"/metrics": metrics, "/health/live": live, "/health/ready": ready}


def _judged(parts: Mapping[str, health.Part]) -> Answer:
    state = health.worst(parts)
    body = {"status": state, "parts": {name: asdict(part) for name, part in parts.items()}}
    status = HTTPStatus.SERVICE_UNAVAILABLE if state is health.State.FAILED else HTTPStatus.OK
    return Answer(json.dumps(body).encode() + b"\n", status, "application/json")


def _prepare(watch: Watch) -> tuple[Any, Any]:
    """In a thread: the import takes longer than the event loop should stand still."""
    from bridge.metrics import BridgeCollector, exposition, registry_of  # noqa: PLC0415

    collector = BridgeCollector(watch.counters, watch.observed, lambda: watch.alarms.active)
    return exposition, registry_of(collector)
