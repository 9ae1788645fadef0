"""``python -m standalone up | demo | dev``: everything on one computer, until Ctrl-C."""

import argparse
import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from standalone import broker_setup, checks, greeting, secrets_file
from standalone.children import Command, end_with_parent
from standalone.console import Console
from standalone.parent import watch_make
from standalone.plan import CannotStart, Plan, environment, port
from standalone.supervisor import Supervisor, commands, finish


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


def _data_dir() -> Path:
    return Path(os.environ.get("DATA_DIR") or "data").resolve()


def _plan(data_dir: Path) -> Plan:
    return Plan(
        data_dir=data_dir,
        portal_port=checks.kept_port(port(os.environ, "PORTAL_PORT", 8000), "PORTAL_PORT", "the portal"),
        mqtt_port=checks.kept_port(port(os.environ, "MQTT_PORT", 1883), "MQTT_PORT", "the broker"),
        bridge_port=checks.kept_port(0, "", "the bridge"),
        host=os.environ.get("PUBLIC_HOST") or checks.home_address(),
    )


async def _run(plan: Plan, program: str, mode: str) -> None:
    stop_asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop_asked.set)
    watching = asyncio.create_task(watch_make(stop_asked.set), name="parent")
    ours = environment(plan, secrets_file.complete(plan.data_dir / "secrets.env"), os.environ)
    console = Console(verbose=bool(os.environ.get("VERBOSE")))
    plan.broker_dir.mkdir(exist_ok=True)
    user = broker_setup.choose_user(plan.broker_dir, is_root=os.geteuid() == 0)
    own = (sys.executable, "-m", "standalone")
    demo = mode == "demo"
    try:
        await finish(Command("prepare", (*own, "prepare", *(["--demo"] if demo else [])), ours), console, stop_asked)
        if stop_asked.is_set():
            return
        configuration = broker_setup.prepare(
            plan.broker_dir, user, program, port=plan.mqtt_port, bridge_port=plan.bridge_port
        )
        supervisor = Supervisor(
            plan,
            commands(ours, program, configuration, user, reload=mode == "dev"),
            console,
            afterwards=[Command("inverters", (*own, "simulate"), ours)] if demo else [],
            stop_asked=stop_asked,
        )
        await supervisor.run(lambda: greeting.lines(plan, ours, user.note, demo=demo))
    finally:
        watching.cancel()


def _up(mode: str) -> None:
    """Raises ``CannotStart``."""
    checks.python()
    program = checks.mosquitto(os.environ.get("PATH", ""))
    data_dir = _data_dir()
    checks.data_dir(data_dir)
    # Databases, mails and secrets are for this user alone; the broker's folder is opened to the broker's user.
    os.umask(0o077)
    with _only_one(data_dir):
        asyncio.run(_run(_plan(data_dir), program, mode))


def _secrets(path: Path) -> int:
    known = secrets_file.read(path)
    made = [name for name in secrets_file.complete(path, secrets_file.COMPOSE) if not known.get(name)]
    print(f"{path}: {', '.join(made)} made" if made else f"{path}: all secrets are there, nothing was changed")
    return 0


def _new_key(path: Path) -> int:
    try:
        secrets_file.new_token_key(path)
    except secrets_file.CannotChange as reason:
        print(reason, file=sys.stderr)
        return 1
    print(f"{path}: TOKEN_KEY is new, the one before is TOKEN_KEY_OLD. Start everything with it, then reseal.")
    return 0


def _become(module: str, *words: str) -> int:
    """``python -m module`` on the data of this computer; nothing needs to run meanwhile."""
    data_dir = _data_dir()
    secrets = secrets_file.complete(data_dir / "secrets.env")
    ours = environment(
        Plan(data_dir, portal_port=8000, mqtt_port=1883, bridge_port=1884, host="localhost"), secrets, os.environ
    )
    os.execve(sys.executable, [sys.executable, "-m", module, *words], ours)  # noqa: S606


def _step(command: str, *, demo: bool, file: Path | None) -> int | None:
    """The commands that are steps of others; None where it is none of them. Each imports what it alone needs."""
    if command == "secrets":
        return _secrets(Path(".env"))
    if command == "new-key":
        return _new_key(file or _data_dir() / "secrets.env")
    if command == "prepare":
        from standalone import prepare  # noqa: PLC0415

        return prepare.main(demo=demo)
    if command == "simulate":
        from standalone import simulate  # noqa: PLC0415

        return simulate.main(Path(os.environ["DATA_DIR"]), os.environ["MQTT_HOST"], int(os.environ["MQTT_PUBLIC_PORT"]))
    return None


def main() -> int:
    """Exit status 0 after an interrupt, 1 with one sentence where something is in the way."""
    parser = argparse.ArgumentParser(prog="python -m standalone", description="Everything on one computer.")
    known = parser.add_subparsers(dest="command", required=True)
    known.add_parser("up", help="broker, bridge, provisioner and portal, until Ctrl-C")
    known.add_parser("demo", help="the same with an account and three simulated inverters")
    known.add_parser("dev", help="the same as up; the portal starts again when its files change")
    known.add_parser("secrets", help="make .env with the secrets of compose.yaml")
    known.add_parser("admin", help="make an administrator").add_argument("email", metavar="EMAIL")
    new_key = known.add_parser("new-key", help="make a new TOKEN_KEY and keep the one before as TOKEN_KEY_OLD")
    new_key.add_argument("file", nargs="?", type=Path, help="secrets.env of the data folder, where nothing is said")
    of_provisioner = known.add_parser("provisioner", help="a command of python -m portal.provisioner")
    of_provisioner.add_argument("words", nargs=argparse.REMAINDER, metavar="...")
    known.add_parser("prepare", help="migrate, and write the password file").add_argument("--demo", action="store_true")
    known.add_parser("simulate", help="publish as the demo's inverters")
    chosen = parser.parse_args()
    if chosen.command == "admin":
        return _become("portal", "create-admin", chosen.email)
    if chosen.command == "provisioner":
        return _become("portal.provisioner", *chosen.words)
    status = _step(chosen.command, demo=getattr(chosen, "demo", False), file=getattr(chosen, "file", None))
    if status is not None:
        return status
    if "MAKELEVEL" in os.environ:
        # Killed outright, make cannot pass anything on.
        end_with_parent(os.getppid())
    try:
        _up(chosen.command)
    except CannotStart as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
