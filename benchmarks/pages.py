"""How long the portal takes for each page: ``python -m benchmarks.pages``.

Runs the demo (three inverters, a few days of history, everything on this computer) and asks for each page over one
kept connection, a static file beside them as what a request costs by itself.
"""

import argparse
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.processes import Measured, cores, start

_WARM_UP = 5
_A_MORNING = 1000  # bytes of a curve with some hours in it; an empty one has less than a hundred
_PATIENCE_S = 120.0
_INVERTER = re.compile(r'href="(/inverters/[0-9a-f-]{36})"')
_TOKEN = re.compile(r'name="_csrf_token"[^>]*value="([^"]+)"')


def _begun(log: Path, demo: Measured) -> tuple[str, str]:
    """The portal's address and the demo's password, once it prints them."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        text = log.read_text()
        address, password = re.search(r"Portal: (\S+)", text), re.search(r"with the password (\S+)", text)
        if address and password:
            return address[1], password[1]
        if demo.process.poll() is not None:
            raise SystemExit(f"the demo ended:\n{text}")
        time.sleep(0.1)
    raise SystemExit("the demo did not start in time")


def _log_in(browser: httpx.Client, password: str) -> None:
    token = _TOKEN.search(browser.get("/login").text)
    assert token, "the log-in page has no CSRF token"
    form = {"email": "demo@example.org", "password": password, "_csrf_token": token[1]}
    browser.post("/login", data=form).raise_for_status()


def _history_is_there(browser: httpx.Client, curve: str) -> None:
    """The demo's history comes over MQTT: a page without it would be measured empty."""
    deadline = time.monotonic() + _PATIENCE_S
    while len(browser.get(curve).content) < _A_MORNING:
        if time.monotonic() > deadline:
            raise SystemExit("the demo's history did not come in time")
        time.sleep(0.5)


def _measure(browser: httpx.Client, name: str, path: str, *, rounds: int) -> None:
    times_ms: list[float] = []
    for turn in range(_WARM_UP + rounds):
        began = time.perf_counter()
        answer = browser.get(path)
        if turn >= _WARM_UP:
            times_ms.append((time.perf_counter() - began) * 1000)
        answer.raise_for_status()
    p95 = statistics.quantiles(times_ms, n=20)[18]
    print(
        f"{name:28s} median {statistics.median(times_ms):6.1f} ms   p95 {p95:6.1f} ms   {len(answer.content):8,d} bytes"
    )


def main() -> None:
    """Prints one line per page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages")
    parser.add_argument("--rounds", type=int, default=50, help="how often each page is asked for; 429 beyond 70")
    rounds = parser.parse_args().rounds
    environment = {"PORTAL_PORT": "0", "MQTT_PORT": "0", "PUBLIC_HOST": "127.0.0.1"}
    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "log"
        demo = start(
            [sys.executable, "-u", "-m", "standalone", "demo"],
            on=set.union(*cores()),
            log=log,
            env=os.environ | environment | {"DATA_DIR": f"{name}/data"},
        )
        try:
            address, password = _begun(log, demo)
            with httpx.Client(base_url=address, follow_redirects=True, timeout=30) as browser:
                _log_in(browser, password)
                inverter = _INVERTER.search(browser.get("/").text)
                assert inverter, "the demo shows no inverter"
                _history_is_there(browser, f"{inverter[1]}/curve")
                for title, path in (
                    ("static file (comparison)", "/static/favicon.svg"),
                    ("overview", "/"),
                    ("inverter", inverter[1]),
                    ("day curve (JSON)", f"{inverter[1]}/curve"),
                    ("pairing", f"{inverter[1]}/pairing"),
                    ("add inverter", "/inverters/new"),
                ):
                    _measure(browser, title, path, rounds=rounds)
        finally:
            demo.stop()


if __name__ == "__main__":
    main()
