"""T14 and T15: silent connections by the thousand, and guessing at passwords. The bridge and honest loggers go on.

What Mosquitto cannot do by itself is tried with what is shipped beside it (``firewall.nft``, ``fail2ban/``), in a
network namespace of its own; that needs root, nft and, for one test, fail2ban and a broker that logs addresses (2.1).
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schema.broker_files import PERSISTENCE_2_1, RESERVED_FILES, connections, keeps_changes_one_by_one
from standalone import broker_program
from tests.bridge_set_up import SECRET, Home, Publisher, bridge, home, settled
from tests.broker import TEMPLATES, bridge_listener, broker, connect_as
from tests.flood import connect_times, guess, silent_connections
from tests.services import free_port

pytestmark = pytest.mark.faults

ATTACKERS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
HONEST = "127.0.0.9"
SILENT = 5_000
FILTER = TEMPLATES / "fail2ban" / "filter.d" / "deye-broker.conf"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Home]:
    """A broker with a listener for loggers and one for the bridge."""
    inner = free_port()
    with broker(tmp_path / "broker", extra=bridge_listener(inner)) as server:
        async with home(tmp_path, server, mqtt_port=inner, mqtt_loggers_port=server.port) as made:
            yield made


def met(times: list[float]) -> float:
    """The share of logins that took less than five seconds."""
    return sum(taken < 5.0 for taken in times) / len(times)


async def test_thousands_of_silent_connections_keep_nobody_out(place: Home) -> None:
    """5,000 from three addresses: 99 of 100 logins take less than 5 s, and readings arrive as before."""
    if broker_program.raise_open_files() < 2 * SILENT + 2 * RESERVED_FILES:
        pytest.skip(f"fewer than {2 * SILENT} files may be open here, for both ends of the connections")
    alice, bob = await place.pair(), await place.pair(serial="2722222222")
    async with bridge(place) as one, Publisher(place.broker, alice.login) as logger:
        with silent_connections(place.broker.port, SILENT, ATTACKERS) as established:
            # Another thread: the bridge of this test lives in this one.
            times = await asyncio.to_thread(
                connect_times, place.broker.port, bob.login, SECRET, count=100, source=HONEST
            )
            await logger.send(alice.topic(), {"ac_power": 1.0})
            await settled(one, 1)

    assert established == SILENT
    assert met(times) >= 0.99


async def test_the_bridge_comes_in_when_every_loggers_place_is_taken(tmp_path: Path) -> None:
    """Its listener is its own. Loggers that are connected go on; new ones have to wait until the silent are put out.

    2.0.11 takes each connection that ends off its count twice (measured), so there the limit gives way by and by.
    """
    inner = free_port()
    few = {"max_connections ": "max_connections 50\n#"}
    with broker(tmp_path / "broker", extra=bridge_listener(inner), changed=few) as server:
        async with home(tmp_path, server, mqtt_port=inner, mqtt_loggers_port=server.port) as place:
            alice, bob = await place.pair(), await place.pair(serial="2722222222")
            async with Publisher(server, alice.login) as logger:
                with silent_connections(server.port, 200, ATTACKERS):
                    late = await asyncio.to_thread(
                        connect_times, server.port, bob.login, SECRET, count=1, source=HONEST
                    )
                    async with bridge(place) as one:
                        await logger.send(alice.topic(), {"ac_power": 1.0})
                        await settled(one, 1)

    if server.persistence.template == PERSISTENCE_2_1:
        assert met(late) == 0


def test_the_broker_keeps_files_for_the_bridge_and_itself() -> None:
    """However few the system allows; a snapshot that could not be written would be a loss at the next kill."""
    assert connections(65_536) == 20_000
    assert connections(1_024) == 1_024 - RESERVED_FILES
    assert connections(100) == 50


async def test_guessing_at_full_speed_disturbs_nobody(place: Home) -> None:
    """Without any ban: the secret has 160 bits, so what counts is that readings arrive meanwhile."""
    alice = await place.pair()
    async with bridge(place) as one, Publisher(place.broker, alice.login) as logger:
        guessing = asyncio.create_task(
            asyncio.to_thread(guess, place.broker.port, alice.login, source=ATTACKERS[0], seconds=3.0)
        )
        slowest = 0.0
        number = 0
        while not guessing.done():
            began = time.monotonic()
            await logger.send(alice.topic(), {"ac_power": float(number)})
            slowest = max(slowest, time.monotonic() - began)
            number += 1
        tried = await guessing
        await settled(one, number)
    sys.stdout.write(f"{tried.refused} guesses, {number} readings, the slowest acknowledged after {slowest:.3f} s\n")

    assert tried.refused > 50
    assert number > 10
    assert slowest < 5.0


def scene(name: str, folder: Path) -> dict[str, object]:
    """What ``tests.flood_scene`` measured in a network of its own, or a skip that says why there is none."""
    for program in ("unshare", "ip", "nft"):
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            pytest.skip(f"{program} is not installed")
    if subprocess.run(["unshare", "-n", "nft", "list", "ruleset"], check=False, capture_output=True).returncode:
        pytest.skip("no network namespace or no nft rules may be made here (root is needed)")
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "tests.flood_scene", name, str(folder)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=TEMPLATES.parent,
    )
    assert done.returncode == 0, done.stderr
    figures: dict[str, object] = json.loads(done.stdout)
    return figures


def test_the_firewall_file_lets_three_addresses_have_few_of_5000_connections(tmp_path: Path) -> None:
    """And slows guesses down to ten a second for each address, whatever the broker's version."""
    figures = scene("firewall", tmp_path)
    times, inner = figures["times"], figures["inner"]
    assert isinstance(times, list)
    assert isinstance(inner, list)

    assert int(str(figures["established"])) <= 3 * 500
    assert met(times) >= 0.99
    assert met(inner) == 1
    assert int(str(figures["refused"])) <= 150


def test_fail2ban_shuts_a_guesser_out_within_ten_seconds_and_nobody_else(tmp_path: Path) -> None:
    """The real fail2ban with our filter and jail, on the log of a real broker."""
    if shutil.which("fail2ban-server") is None:
        pytest.skip("fail2ban is not installed")
    program = os.environ.get("MOSQUITTO") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin") or ""
    if not keeps_changes_one_by_one(broker_program.version(program)):
        pytest.skip("Mosquitto 2.0 does not log the address of a refused login; 2.1 does")

    figures = scene("fail2ban", tmp_path)
    times, inner = figures["times"], figures["inner"]
    assert isinstance(times, list)
    assert isinstance(inner, list)

    assert "203.0.113.1" in str(figures["banned"])
    assert figures["shut_out_s"] is not None
    assert float(str(figures["shut_out_s"])) <= 10.0
    assert met(times) == met(inner) == 1


# As 2.1.2 wrote them; the third is what a guesser's chosen name makes of it.
LINES = {
    "2026-11-23T23:45:13+0000: Client AACE234567 [192.0.2.7:58802] disconnected: not authorised.": "192.0.2.7",
    "2026-11-23T23:45:13+0000: Client nobody [2001:db8::7:58816] disconnected: not authorised.": "2001:db8::7",
    "2026-11-23T23:45:13+0000: Client x [198.51.100.1:1] disconnected: not authorised. [192.0.2.7:5] disconnected: not "
    "authorised.": "192.0.2.7",
    "2026-11-23T23:45:13+0000: Client AACE234567 [192.0.2.7:58802] disconnected.": None,
    "2026-11-23T23:45:13+0000: Client AACE234567 [192.0.2.7:58802] disconnected: protocol error.": None,
    "2026-11-23T23:45:13+0000: Client <unknown> disconnected, not authorised.": None,
    "2026-11-23T23:45:13+0000: New connection from 192.0.2.7:58802 on port 1883.": None,
}


def refused_address(line: str) -> str | None:
    """What our filter makes of a line: fail2ban takes the date off and puts its own pattern in the place of <ADDR>."""
    text = FILTER.read_text()
    date = re.search(r"datepattern = (.*)", text)
    pattern = re.search(r"failregex = (.*)", text)
    assert date
    assert pattern
    rest = re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", "", line)
    found = re.search(pattern[1].replace("<ADDR>", r"(?P<address>[0-9a-fA-F:.]+)"), rest)
    return found["address"] if found else None


@pytest.mark.parametrize(("line", "address"), LINES.items())
def test_only_the_address_that_was_refused_is_counted(line: str, address: str | None) -> None:
    """Whatever name was tried."""
    assert refused_address(line) == address


def test_fail2ban_itself_reads_our_filter_so(tmp_path: Path) -> None:
    """Its own tool, on the same lines."""
    tool = shutil.which("fail2ban-regex")
    if tool is None:
        pytest.skip("fail2ban is not installed")
    log = tmp_path / "log"
    log.write_text("".join(f"{line}\n" for line in LINES))

    done = subprocess.run([tool, "-o", "ip", str(log), str(FILTER)], check=True, capture_output=True, text=True)

    assert done.stdout.split() == [address for address in LINES.values() if address]


def test_no_name_breaks_the_line_it_stands_in(place_without_bridge: Home) -> None:
    """A name with a line break would let a guesser accuse another address; the broker takes none."""
    server = place_without_bridge.broker
    forged = "2026-11-23T23:45:13+0000: Client x [198.51.100.1:1] disconnected: not authorised."
    for name in (f"x\n{forged}", f"x\r{forged}", f"x\x0b{forged}", f"x\u2028{forged}", forged):
        try:
            connect_as(server.port, name, "wrong", source=HONEST)
        except OSError:
            continue
    found = {refused_address(line) for line in server.log.splitlines()} - {None}

    assert found <= {HONEST}


@pytest.fixture
async def place_without_bridge(place: Home) -> Home:
    """For a test that is no coroutine."""
    return place
