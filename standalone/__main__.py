"""``python -m standalone up | demo``: everything on one computer, until Ctrl-C. ``prepare`` is a step of both."""

import argparse
import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from standalone import broker_setup, checks, prepare, secrets_file
from standalone.children import Command, end_with_parent
from standalone.console import Console
from standalone.plan import CannotStart, Plan, environment, port
from standalone.supervisor import Supervisor, finish


@contextlib.contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    """Nobody else runs on this data. Raises ``CannotStart``; the kernel lets go when the process ends."""
    with (data_dir / "standalone.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(
                f"Another 'make up' or 'make demo' is running on {data_dir}: stop it first, or set DATA_DIR."
            ) from None
        yield


def _plan(data_dir: Path) -> Plan:
    return Plan(
        data_dir=data_dir,
        portal_port=checks.free_port(port(os.environ, "PORTAL_PORT", 8000), "PORTAL_PORT", "the portal"),
        mqtt_port=checks.free_port(port(os.environ, "MQTT_PORT", 1883), "MQTT_PORT", "the broker"),
        host=os.environ.get("PUBLIC_HOST") or checks.home_address(),
    )


async def _run(plan: Plan, program: str, *, demo: bool) -> None:
    secrets = secrets_file.complete(plan.data_dir / "secrets.env")
    ours = environment(plan, secrets, os.environ)
    console = Console(verbose=bool(os.environ.get("VERBOSE")))
    plan.broker_dir.mkdir(exist_ok=True)
    user = broker_setup.choose_user(plan.broker_dir, is_root=os.geteuid() == 0)
    supervisor = Supervisor(plan, ours, program, user, console)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, supervisor.stop_asked.set)
    arguments = (sys.executable, "-m", "standalone", "prepare", *(["--demo"] if demo else []))
    await finish(Command("prepare", arguments, ours), console, supervisor.stop_asked)
    if not supervisor.stop_asked.is_set():
        await supervisor.run(lambda: [line for line in (user.note,) if line])


def _up(*, demo: bool) -> None:
    """Raises ``CannotStart``."""
    checks.python()
    program = checks.mosquitto(os.environ.get("PATH", ""))
    data_dir = Path(os.environ.get("DATA_DIR") or "data").resolve()
    checks.data_dir(data_dir)
    # Databases, mails and secrets are for this user alone; the broker's folder is opened to the broker's user below.
    os.umask(0o077)
    with _only_one(data_dir):
        asyncio.run(_run(_plan(data_dir), program, demo=demo))


def main() -> int:
    """Exit status 0 after an interrupt, 1 with one sentence where something is in the way."""
    parser = argparse.ArgumentParser(prog="python -m standalone", description="Everything on one computer.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="broker, bridge, provisioner and portal, until Ctrl-C")
    commands.add_parser("demo", help="the same with an account and three simulated inverters")
    step = commands.add_parser("prepare", help="migrate the database and write the password file")
    step.add_argument("--demo", action="store_true")
    chosen = parser.parse_args()
    if "MAKELEVEL" in os.environ:
        # Killed outright, make cannot pass anything on.
        end_with_parent(os.getppid())
    if chosen.command == "prepare":
        return prepare.main(demo=chosen.demo)
    try:
        _up(demo=chosen.command == "demo")
    except CannotStart as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
