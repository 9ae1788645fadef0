"""The portal behind a real HTTP server, in a thread and event loop of its own: for programs that come over the wire.

Alice's roof has a past; everybody has a bearer token, Alice an API key too. Limits are off unless asked for, so that a
flood of questions is answered rather than refused; every answer's status is counted.
"""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import uvicorn
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from portal.accounts import api_keys
from portal.keys import KeyUse, derived
from portal.throttle import Throttle
from portal.tries import Limit, Tries
from tests.people import Cast, the_cast
from tests.portal_app import RunningPortal, running_portal
from tests.sunny_roof import shine

_START_S, _STOP_S = 60.0, 30.0


class _NoLimits(Tries):
    """Everybody may try as often as he likes."""

    async def wait(self, limit: Limit, key: str, *, now: datetime) -> timedelta:
        """No wait."""
        del limit, key, now
        return timedelta(0)


@dataclass
class ApiServer:
    """Where it answers, who may ask with which headers, how often each status was answered, and every fault of ours."""

    url: str
    roof: UUID
    serial: str
    headers: dict[str, dict[str, str]]
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


@contextmanager
def api_server(folder: Path, *, limits: bool = False, untrue: bool = False, **settings: Any) -> Iterator[ApiServer]:
    """Serve until the block ends; ``settings`` are the portal's.

    With ``untrue`` answers below ``/api`` have a status that nobody described, to see whether that is noticed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ready, stop = threading.Event(), threading.Event()
    told: list[ApiServer | BaseException] = []

    def serve() -> None:
        try:
            asyncio.run(_serve(folder, told, ready, stop, limits=limits, untrue=untrue, **settings))
        except BaseException as error:  # noqa: BLE001  # the thread that waits must hear of it
            told.insert(0, error)
            ready.set()

    thread = threading.Thread(target=serve, name="api-server")
    thread.start()
    try:
        assert ready.wait(_START_S), "the server did not start"
        if isinstance(told[0], BaseException):
            raise told[0]
        yield told[0]
    finally:
        stop.set()
        thread.join(_STOP_S)
    assert not thread.is_alive()


async def _serve(
    folder: Path,
    told: list[ApiServer | BaseException],
    ready: threading.Event,
    stop: threading.Event,
    *,
    limits: bool,
    untrue: bool,
    **settings: Any,
) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    async with running_portal(folder, admin_bearer_reads_influx_tokens=True, **settings) as portal:
        async with the_cast(portal) as cast:
            await shine(cast, cast.roof)
            server = ApiServer(
                url=f"http://127.0.0.1:{listening.getsockname()[1]}",
                roof=cast.roof,
                serial="2711111111",
                headers=await _headers(cast),
            )
        if not limits:
            _lift_limits(portal)
        config = uvicorn.Config(
            _Counting(_untrue(portal.app) if untrue else portal.app, server),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
        )
        uvicorn_server = uvicorn.Server(config)
        serving = asyncio.create_task(uvicorn_server.serve(sockets=[listening]))
        told.append(server)
        ready.set()
        await asyncio.to_thread(stop.wait)
        uvicorn_server.should_exit = True
        await serving


async def _headers(cast: Cast) -> dict[str, dict[str, str]]:
    """What each of them sends to show who is asking; Nobody sends nothing."""
    people = {name: await getattr(cast, name).bearer() for name in ("alice", "bob", "ines", "ada")}
    parts = cast.portal.parts
    key = derived(parts.settings.auth_secret.get_secret_value(), KeyUse.API_KEYS)
    async with parts.sessions.begin() as session:
        made = await api_keys.make(
            session, cast.alice.account_id, name="fuzz", days=30, key=key, now=cast.portal.clock()
        )
    return {"nobody": {}, **people, "key": {"Authorization": f"Bearer {made.key}"}}


def _lift_limits(portal: RunningPortal) -> None:
    parts = portal.parts
    free = _NoLimits(parts.sessions, parts.tries.key)
    portal.app.state.parts = replace(parts, tries=free, throttle=Throttle(free))


def _untrue(app: ASGIApp) -> ASGIApp:
    async def other(scope: Scope, receive: Receive, send: Send) -> None:
        async def changed(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["path"].startswith("/api/"):
                message["status"] = 203 if message["status"] == 200 else message["status"]
            await send(message)

        await app(scope, receive, changed)

    return other


class _Counting:
    """Counts every answer's status, and remembers which requests were answered with a fault of ours."""

    def __init__(self, app: ASGIApp, server: ApiServer) -> None:
        self._app = app
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = message["status"]
                self._server.statuses[status] += 1
                # 501 is no fault: the embedded store has no tokens to hand out.
                if status >= 500 and status != 501:
                    self._server.faults.append(f"{status} {scope.get('method')} {scope['path']}"[:200])
            await send(message)

        await self._app(scope, receive, counting)
