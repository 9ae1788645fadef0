"""Hostile inputs through everything: Mosquitto, the bridge as a process, a fake InfluxDB that logs each request.

Beside them an honest owner sends a reading for every ten: all of hers must arrive, whatever the others do.
"""

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import cycle

from tests.bridge_process import BridgeProcess
from tests.bridge_set_up import SECRET, Publisher
from tests.hostile.attack import Attack
from tests.hostile.wire import Answers, Wire, throw_packets
from tests.influx_site import Site, Tenant
from tests.waiting import until

_CONTROL_EVERY = 10
# Memory is compared from here on: by then every code path and table has been used.
_WARM = 0.2
_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Sum:
    """What a raid came to: the broker's answers, and the bridge's own counts at its end."""

    answers: Answers
    controls: int
    counts: dict[str, int]
    resident_bytes: list[int]

    @property
    def growth(self) -> float:
        """By which part the bridge's memory grew after it was warm."""
        return self.resident_bytes[-1] / self.resident_bytes[0] - 1


class Raid:
    """Owners who attack, one who does not, and one who is to be harmed."""

    def __init__(self, site: Site, honest: Tenant, victim: Tenant, hostile: list[Tenant]) -> None:
        self.site = site
        self.honest = honest
        self.victim = victim
        self.hostile = hostile

    def _aimed(self, attack: Attack, by: Tenant) -> Attack:
        return attack.aimed(own=by.paired.login, other=self.victim.paired.login, other_serial=self.victim.paired.serial)

    async def messages(self, attacks: Iterable[Attack], total: int, process: BridgeProcess) -> Sum:
        """Publish them all, stop the bridge in order, and read its last words."""
        place, controls, resident = self.site.place, 0, list[int]()
        wires = [Wire(place.broker.port, one.paired.login, SECRET) for one in self.hostile]
        async with Publisher(place.broker, self.honest.paired.login) as logger:
            async with AsyncExitStack() as stack:
                for wire in wires:
                    await stack.enter_async_context(wire)
                turns = zip(cycle(self.hostile), cycle(wires), strict=True)
                for number, (attack, (by, wire)) in enumerate(zip(attacks, turns, strict=False)):
                    await wire.send(self._aimed(attack, by))
                    if number % _CONTROL_EVERY == 0:
                        self.honest.ledger.throw(logger, 1)
                        controls += 1
                    if number >= total * _WARM and number % max(1, total // 20) == 0:
                        resident.append(process.resident_bytes)
            # The broker hands on in order: when this one is stored, the bridge has seen all the others.
            self.honest.ledger.throw(logger, 1)
            await self._honest_has_all()
        answers = Answers()
        for wire in wires:
            answers.codes.update(wire.answers.codes)
            answers.thrown_out += wire.answers.thrown_out
        resident.append(process.resident_bytes)
        return Sum(answers, controls + 1, await last_counts(process), resident)

    async def packets(self, attacks: Iterable[Attack], process: BridgeProcess) -> Sum:
        """Raw packets on several connections at once, each of a login of its own."""
        place, waiting, before = self.site.place, iter(attacks), len(self.honest.ledger.sent)
        resident = [process.resident_bytes]

        async def raid(by: Tenant) -> None:
            for number, attack in enumerate(waiting):
                await throw_packets(place.broker.port, by.paired.login, SECRET, self._aimed(attack, by))
                if number % _CONTROL_EVERY == 0:
                    self.honest.ledger.throw(logger, 1)

        async with Publisher(place.broker, self.honest.paired.login) as logger:
            await asyncio.gather(*(raid(one) for one in self.hostile))
            self.honest.ledger.throw(logger, 1)
            await self._honest_has_all()
        resident.append(process.resident_bytes)
        controls = len(self.honest.ledger.sent) - before
        return Sum(Answers(), controls, await last_counts(process), resident)

    async def _honest_has_all(self) -> None:
        sent = await self.honest.ledger.acknowledged()
        await until(lambda: self.site.points(self.honest) == sent, limit_s=_PATIENCE_S)


async def last_counts(process: BridgeProcess) -> dict[str, int]:
    """Stop the bridge in order; the numbers it says good-bye with."""
    process.terminate()
    assert await process.ended() == 0
    (last,) = [record for record in process.records() if record.get("event") == "bridge.stopped"]
    counts = {name: count for name, count in last.items() if isinstance(count, int)}
    # What the bridge sent itself, to try the broker's rules, is not part of the raid.
    own = counts.get("not_readings.self_check", 0)
    return counts | {name: counts.get(name, own) - own for name in ("received", "settled", "outcomes.not_a_reading")}
