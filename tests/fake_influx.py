"""A fake InfluxDB 2.9.1 over HTTP: the real one's rules, a plan of faults, a log of every write for oracles.

Inside a test: ``async with FakeInflux() as server``. As a child process: ``python -m tests.fake_influx --port 0``
prints its address on the first line; faults and the log are then at ``/fake/faults`` and ``/fake/writes``.
"""

import argparse
import asyncio
import signal
import sys
from dataclasses import asdict, dataclass
from typing import Self

from aiohttp import web

from tests.fake_flux import run
from tests.fake_influx_management import answering, management_routes, set_up, shown_token
from tests.fake_influx_state import Bucket, Refused, State, parsed


@dataclass(frozen=True, slots=True)
class WriteSeen:
    """One write request as it arrived, answered or not; ``token_id`` is empty for an unknown token."""

    org_id: str
    bucket_id: str
    token_id: str
    serials: tuple[str, ...]
    lines: int
    status: int


@dataclass(slots=True)
class Fault:
    """What happens to the next ``times`` writes instead: an error, silence, or an answer that gets lost.

    ``lost_answer`` writes first; with ``hang`` too, the answer to what is written never comes.
    """

    status: int = 503
    times: int = 1
    retry_after: str = ""
    hang: bool = False
    lost_answer: bool = False


class FakeInflux:
    """Stop and start it again on the same port: it remembers everything, as a restarted server does."""

    def __init__(self, *, port: int = 0, operator_token: str = "") -> None:
        """``operator_token`` sets the server up at once; without it ``POST /api/v2/setup`` does.

        ``hanging`` is set once a request hangs by a fault; a body beyond ``largest_body`` is a 413, and
        one that holds ``poison`` a 400 as a whole.
        """
        self.state = State()
        self.faults: list[Fault] = []
        self.writes: list[WriteSeen] = []
        self.largest_body = 64 * 1024**2
        self.poison = b""
        self.port = port
        self._runner: web.AppRunner | None = None
        self.hanging = asyncio.Event()
        self._released = asyncio.Event()
        if operator_token:
            set_up(self.state, "operators", "operators", operator_token)

    @property
    def url(self) -> str:
        """Where it listens; the port is known after the first start."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen, on the same port as the last time."""
        self._released.clear()
        app = web.Application(client_max_size=64 * 1024**2)
        app.add_routes([*self._routes(), *management_routes(self.state)])
        self._runner = web.AppRunner(app, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Refuse connections from now on."""
        self._released.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    def _routes(self) -> list[web.RouteDef]:
        handlers = [
            ("GET", "/health", self._health),
            ("GET", "/metrics", self._metrics),
            ("POST", "/api/v2/write", self._write),
            ("POST", "/api/v2/query", self._query),
            ("GET", "/fake/writes", self._writes_seen),
            ("POST", "/fake/faults", self._new_fault),
            ("DELETE", "/fake/faults", self._no_faults),
        ]
        return [web.route(method, path, answering(handler)) for method, path, handler in handlers]

    async def _health(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"name": "influxdb", "status": "pass", "version": "2.9.1-fake"})

    async def _metrics(self, _: web.Request) -> web.StreamResponse:
        """The few that our provisioner reads; like 2.9.1 it counts two buckets of its own for each organisation."""
        organisations, buckets = len(self.state.organisations), self.state.buckets.values()
        shards = [f'storage_shard_series{{id="{one.id}"}} 1' for one in buckets if one.points]
        counts = [
            f"influxdb_organizations_total {organisations}",
            f"influxdb_buckets_total {len(buckets) + 2 * organisations}",
            "go_memstats_sys_bytes 1.26335272e+08",
            "go_memstats_heap_released_bytes 5.627904e+06",
        ]
        return web.Response(text="\n".join(["# HELP", *counts, *shards, ""]))

    async def _write(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        fault = self._next_fault()
        if fault is not None and fault.hang and not fault.lost_answer:
            await self._hang()
        if len(body) > self.largest_body:
            # As a proxy in front of the server answers.
            self._note(request, body, 413)
            return web.Response(status=413, text="<html>413 Request Entity Too Large</html>")
        if fault is not None and not fault.lost_answer:
            self._note(request, body, fault.status)
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            return web.Response(status=fault.status, text='{"message":"planned fault"}', headers=headers)
        if self.poison and self.poison in body:
            self._note(request, body, 400)
            raise Refused(400, "invalid", f"unable to parse '{self.poison.decode()}'")
        try:
            to, ns = (request.query["orgID"], request.query["bucket"]), request.query["precision"] == "ns"
            self.state.write(shown_token(request), *to, body, nanoseconds=ns)
        except Refused as refusal:
            self._note(request, body, refusal.status)
            raise
        self._note(request, body, 204)
        if fault is not None and fault.hang:
            await self._hang()
        if fault is not None and request.transport is not None:
            request.transport.abort()
        return web.Response(status=204)

    async def _hang(self) -> None:
        self.hanging.set()
        await self._released.wait()
        raise Refused(503, "unavailable", "stopped")

    async def _query(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        token, org_id = shown_token(request), request.query.get("orgID") or request.query["org"]
        self.state.authorization(token)
        if org_id not in self.state.organisations:
            raise Refused(400, "invalid", "failed to decode request body: organization not found")

        def find(how: str, value: str) -> Bucket:
            if how == "bucket":
                return self.state.bucket_to_read(token, org_id, value)
            # As 2.9.1: an id is not checked against the token's rights, and an unknown one is an internal error.
            if value not in self.state.buckets:
                raise Refused(500, "internal error", "An internal error has occurred - check server logs")
            return self.state.buckets[value]

        annotated = "datatype" in (asked.get("dialect", {}).get("annotations") or ())
        return web.Response(text=run(asked["query"], find, annotated=annotated), content_type="text/csv")

    async def _writes_seen(self, _: web.Request) -> web.StreamResponse:
        return web.json_response([asdict(seen) for seen in self.writes])

    async def _new_fault(self, request: web.Request) -> web.StreamResponse:
        self.faults.append(Fault(**await request.json()))
        return web.Response(status=204)

    async def _no_faults(self, _: web.Request) -> web.StreamResponse:
        self.faults.clear()
        return web.Response(status=204)

    def _next_fault(self) -> Fault | None:
        if not self.faults:
            return None
        fault = self.faults[0]
        fault.times -= 1
        if fault.times <= 0:
            self.faults.pop(0)
        return fault

    def _note(self, request: web.Request, body: bytes, status: int) -> None:
        try:
            token_id = self.state.authorization(shown_token(request)).id
        except Refused:
            token_id = ""
        try:
            points = parsed(body, 0)
        except Refused:
            points = []
        serials = tuple(sorted({point.serial for point in points}))
        org_id, bucket_id = request.query.get("orgID", ""), request.query.get("bucket", "")
        self.writes.append(WriteSeen(org_id, bucket_id, token_id, serials, body.count(b"\n") + 1, status))


async def _serve(port: int) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with FakeInflux(port=port) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        await stopped.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A fake InfluxDB 2 for set-ups without the real one.")
    parser.add_argument("--port", type=int, default=0, help="0 lets the kernel choose; the first line says which")
    asyncio.run(_serve(parser.parse_args().port))
