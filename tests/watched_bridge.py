"""A bridge process that is watched as operators do: by its metrics, its health and its log."""

import json
from dataclasses import dataclass
from typing import Any

import aiohttp
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.bridge_process import BridgeProcess
from tests.bridge_set_up import Home
from tests.waiting import until, until_async


@dataclass(frozen=True, slots=True)
class Health:
    """One answer of /health/live or /health/ready."""

    status: int
    body: dict[str, Any]

    @property
    def wrong(self) -> dict[str, str]:
        """The parts that are not well, with their state."""
        return {name: part["state"] for name, part in self.body["parts"].items() if part["state"] != "ok"}


class WatchedBridge:
    """Metrics and health are on a port of the kernel's choice."""

    def __init__(self, place: Home, **environment: str) -> None:
        self.process = BridgeProcess(place, METRICS_PORT="0", **environment)
        self.port = 0

    async def served(self) -> None:
        """Somebody may ask; whether the bridge is active is another question."""
        await until(lambda: any(line["event"] == "health.served" for line in self.lines()))
        self.port = next(line["port"] for line in self.lines() if line["event"] == "health.served")

    def lines(self) -> list[dict[str, Any]]:
        """The log so far; a line that is no JSON object is an error."""
        whole, _, _ = self.process.said.rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    async def asked(self, question: str) -> Health:
        """What /health/<question> answers now."""
        async with aiohttp.ClientSession() as http, http.get(self._url(f"/health/{question}")) as answer:
            return Health(answer.status, await answer.json())

    async def until_ready(self, status: int, wrong: dict[str, str]) -> Health:
        """Ask until /health/ready answers this status and exactly these parts are not well."""

        async def found() -> Health | None:
            health = await self.asked("ready")
            return health if (health.status, health.wrong) == (status, wrong) else None

        health = await until_async(found, limit_s=30)
        assert health is not None
        return health

    async def scraped(self) -> dict[str, Metric]:
        """All families of /metrics by the name of their samples' stem."""
        async with aiohttp.ClientSession() as http, http.get(self._url("/metrics")) as answer:
            text = await answer.text()
        assert answer.status == 200
        return {family.name: family for family in text_string_to_metric_families(text)}

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"
