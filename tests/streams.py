"""The beginning of an answer that does not end: a stream of events, asked without a server between."""

import asyncio
from typing import Any

import httpx
from litestar import Litestar

_LONGEST_S = 10.0


async def first_answer(app: Litestar, path: str, http: httpx.AsyncClient, headers: dict[str, str]) -> httpx.Response:
    """Status and headers, without the body; the visitor leaves as soon as the answer has begun."""
    request = http.build_request("GET", path, headers=headers)
    asgi: Any = app
    begun: asyncio.Future[httpx.Response] = asyncio.get_running_loop().create_future()
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "headers": request.headers.raw,
        "server": ("portal.example.org", 80), "client": ("127.0.0.1", 1), "root_path": "",
    }  # fmt: skip
    scope["headers"] = [(name.lower(), value) for name, value in request.headers.raw]

    async def receive() -> dict[str, Any]:
        if begun.done():
            return {"type": "http.disconnect"}
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start" and not begun.done():
            begun.set_result(httpx.Response(message["status"], headers=message["headers"]))

    asking = asyncio.create_task(asgi(scope, receive, send), name="tests.stream")
    try:
        return await asyncio.wait_for(asyncio.shield(begun), _LONGEST_S)
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
