"""Starts the children, says when all of them answer, keeps the broker's password file loaded, stops them in order."""

import asyncio
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from standalone import broker_setup, readiness
from standalone.broker_setup import BrokerUser
from standalone.children import Child, Command, ending, start
from standalone.console import Console
from standalone.plan import CannotStart, Plan, environment_of
from standalone.reload import ReloadRule

READY_WITHIN_S = 60.0
# All of it stays below ten seconds: what publishes and serves first, the broker when the bridge has settled.
STOP_S = 6.5
BROKER_STOP_S = 2.0

BROKER = "broker"

_POLL_S = 0.1
_BRIDGE_CONNECTED = re.compile(r"New client connected from .* u'bridge'\)")


@dataclass(slots=True)
class Supervisor:
    """One run of ``commands``: broker, bridge, provisioner, portal; ``afterwards`` start when all of those answer."""

    plan: Plan
    commands: Sequence[Command]
    console: Console
    afterwards: Sequence[Command] = ()
    stop_asked: asyncio.Event = field(default_factory=asyncio.Event)
    _rule: ReloadRule = field(default_factory=ReloadRule)
    _children: dict[str, Child] = field(default_factory=dict)
    # The generation that the provisioner was told of.
    _told: int | None = None

    async def run(self, greeting: Callable[[], list[str]]) -> None:
        """Until ``stop_asked`` is set. ``greeting`` follows the two addresses. Raises ``CannotStart``."""
        running = [self._start(command) for command in self.commands]
        keeper = asyncio.create_task(self._keep_loaded(), name="reload")
        try:
            if await self._until_ready():
                running += [self._start(command) for command in self.afterwards]
                self.console.open(f"Portal: {self.plan.portal_url}", f"MQTT: {self.plan.mqtt_address}", *greeting())
                await self.stop_asked.wait()
        finally:
            keeper.cancel()
            await self._stop()
            await asyncio.gather(*running, keeper, return_exceptions=True)

    def _start(self, command: Command) -> asyncio.Task[None]:
        child = Child(command, self._line, self.console.say)
        if command.name == BROKER:
            child.started = self._broker_starts
        self._children[command.name] = child
        return asyncio.create_task(child.run(), name=command.name)

    def _line(self, child: str, text: str) -> None:
        if child == BROKER and _BRIDGE_CONNECTED.search(text):
            self._rule.bridge_connected()
            self._told = None
        self.console.line(child, text)

    def _broker_starts(self) -> None:
        self._rule.broker_starts(broker_setup.generation(self.plan.broker_dir))

    async def _keep_loaded(self) -> None:
        """SIGHUP for each new generation, by the rule; then the provisioner is told, as soon as the disk has room."""
        clock = asyncio.get_running_loop().time
        full = False
        while True:
            wanted = broker_setup.generation(self.plan.broker_dir)
            if wanted is not None and self._rule.is_due(wanted, now=clock()):
                self._children[BROKER].hang_up()
                self._rule.reloaded(wanted, now=clock())
                # The broker has one thread: a client that comes after the signal is served after the reload.
                await asyncio.sleep(_POLL_S)
            try:
                self._tell_provisioner()
            except OSError as fault:
                if not full:
                    self.console.say(f"{self.plan.broker_dir} cannot be written ({fault.strerror}): trying again.")
                full = True
            else:
                full = False
            await asyncio.sleep(_POLL_S)

    def _tell_provisioner(self) -> None:
        """What the broker has loaded, unless that was said. Raises ``OSError``."""
        loaded = self._rule.loaded if self._rule.bridge_was_here else None
        if loaded is not None and loaded != self._told:
            broker_setup.write_applied(self.plan.broker_dir, loaded)
            self._told = loaded

    async def _until_ready(self) -> bool:
        """True when every part answers, false when a stop was asked for before. Raises ``CannotStart``."""
        deadline = asyncio.get_running_loop().time() + READY_WITHIN_S
        while not self.stop_asked.is_set():
            missing = await self._missing()
            if missing is None:
                return True
            if asyncio.get_running_loop().time() > deadline or self._children[missing].failures > 2:
                self.console.complain(missing)
                raise CannotStart(f"The {missing} does not start; its last lines stand above.")
            await asyncio.sleep(_POLL_S)
        return False

    async def _missing(self) -> str | None:
        """The first part that does not answer yet."""
        if not await readiness.accepts("127.0.0.1", self.plan.mqtt_port):
            return BROKER
        if not self._rule.bridge_was_here:
            return "bridge"
        if not await readiness.answers_http(self.plan.host, self.plan.portal_port, "/healthcheck"):
            return "portal"
        return None

    async def _stop(self) -> None:
        """Everything but the broker at once, then the broker: the bridge settles what it holds before it goes."""
        broker = self._children[BROKER]
        await asyncio.gather(*(child.stop(STOP_S) for child in self._children.values() if child is not broker))
        await broker.stop(BROKER_STOP_S)


def commands(
    environment: Mapping[str, str], program: str, configuration: Path, user: BrokerUser, *, reload: bool = False
) -> list[Command]:
    """The four parts. With ``reload`` the portal starts again when one of its files changes."""
    portal: tuple[str, ...] = (sys.executable, "-m", "portal")
    if reload:
        portal = (sys.executable, "-m", "watchfiles", f"{sys.executable} -m portal", "portal", "schema")
    broker_environment = {"PATH": environment.get("PATH", "")}
    return [
        Command(BROKER, (program, "-c", str(configuration)), broker_environment, user=user.start_as),
        Command("bridge", (sys.executable, "-m", "bridge"), environment_of("bridge", environment)),
        Command(
            "provisioner", (sys.executable, "-m", "portal.provisioner"), environment_of("provisioner", environment)
        ),
        Command("portal", portal, environment_of("portal", environment)),
    ]


async def finish(command: Command, console: Console, stop_asked: asyncio.Event) -> None:
    """Run a command to its end before anything else starts. Raises ``CannotStart`` with its last line."""
    process = await start(command)
    assert process.stdout is not None  # noqa: S101  # always a pipe
    output = asyncio.create_task(process.stdout.read(), name=command.name)
    stopping = asyncio.create_task(stop_asked.wait(), name=f"{command.name}.stop")
    await asyncio.wait({output, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if stop_asked.is_set() and process.returncode is None:
        process.terminate()
    lines = (await output).decode(errors="replace").splitlines()
    stopping.cancel()
    for line in lines:
        console.line(command.name, line)
    if status := await process.wait():
        if stop_asked.is_set():
            return
        console.complain(command.name)
        raise CannotStart(f"The step '{command.name}' {ending(status)}; its last lines stand above.")
