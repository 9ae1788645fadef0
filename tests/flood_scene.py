"""One scene in a network of its own (``unshare -n``): firewall.nft, or the real fail2ban, before a real broker.

``python -m tests.flood_scene <scene> <folder>`` prints what it measured as JSON. Needs root, for addresses and rules.
"""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from schema.topics import BRIDGE_USER
from tests.broker import BRIDGE_PASSWORD, TEMPLATES, Broker, bridge_listener, broker
from tests.flood import connect_times, guess, silent_connections

ALICE, SECRET = "AACE234567", "s3cret"
ATTACKERS = ("203.0.113.1", "203.0.113.2", "203.0.113.3")
AT_HOME = "198.51.100.7"
MQTT, INNER = 1883, 1884


def main(scene: str, folder: Path) -> dict[str, object]:
    """The scene's figures."""
    _run("ip", "link", "set", "lo", "up")
    for address in (*ATTACKERS, AT_HOME):
        _run("ip", "address", "add", f"{address}/32", "dev", "lo")
    with broker(folder / "broker", extra=bridge_listener(INNER), port=MQTT) as server:
        server.allow({ALICE: SECRET})
        return {"firewall": _firewall, "fail2ban": _fail2ban}[scene](server, folder)


def _firewall(server: Broker, _: Path) -> dict[str, object]:
    _run("nft", "-f", str(TEMPLATES / "firewall.nft"))
    with silent_connections(MQTT, 5_000, ATTACKERS) as established:
        times = connect_times(MQTT, ALICE, SECRET, count=100, source=AT_HOME)
        inner = _bridge_times()
    guessing = guess(MQTT, ALICE, source=ATTACKERS[0], seconds=10)
    return {"established": established, "times": times, "inner": inner, "refused": guessing.refused}


def _fail2ban(server: Broker, folder: Path) -> dict[str, object]:
    jail = _jail(server, folder)
    control = ("-c", str(jail), "-s", str(folder / "socket"), "-p", str(folder / "pid"))
    process = subprocess.Popen(["fail2ban-server", *control, "-f", "start"], stdout=sys.stderr, stderr=sys.stderr)
    try:
        _until(lambda: b"deye-broker" in _output("fail2ban-client", *control, "status"))
        guessing = guess(MQTT, ALICE, source=ATTACKERS[0], seconds=30)
        banned = _output("fail2ban-client", *control, "get", "deye-broker", "banned").decode()
        return {
            "refused": guessing.refused,
            "shut_out_s": guessing.shut_out_s,
            "banned": banned,
            "times": connect_times(MQTT, ALICE, SECRET, count=50, source=AT_HOME),
            "inner": _bridge_times(),
        }
    finally:
        process.terminate()
        process.wait(20)


def _jail(server: Broker, folder: Path) -> Path:
    """The system's own fail2ban configuration with our filter and jail, on this broker's log."""
    jail = folder / "fail2ban"
    shutil.copytree("/etc/fail2ban", jail, ignore=shutil.ignore_patterns("*.local", "jail.d", "paths-*.conf"))
    (jail / "jail.d").mkdir()
    (jail / "jail.conf").write_text("[DEFAULT]\nignorecommand =\nbantime.increment = false\n")
    shutil.copy(TEMPLATES / "fail2ban/filter.d/deye-broker.conf", jail / "filter.d")
    text = (TEMPLATES / "fail2ban/jail.d/deye-broker.conf").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("logpath")]
    # All addresses of this scene are this machine's own, which fail2ban would spare.
    lines += [f"logpath = {server.folder / 'log'}", "ignoreself = false", ""]
    (jail / "jail.d" / "deye-broker.conf").write_text("\n".join(lines))
    (jail / "fail2ban.local").write_text(
        f"[DEFAULT]\nlogtarget = {folder / 'fail2ban.log'}\ndbfile = None\nsyslogsocket = auto\n"
    )
    return jail


def _bridge_times() -> list[float]:
    return connect_times(INNER, BRIDGE_USER, BRIDGE_PASSWORD, count=20, source="127.0.0.1")


def _until(condition: object) -> None:
    deadline = time.monotonic() + 20
    while not condition():  # type: ignore[operator]  # a question without arguments
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _output(*command: str) -> bytes:
    return subprocess.run(command, check=False, capture_output=True).stdout


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
