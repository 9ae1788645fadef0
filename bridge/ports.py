"""What the bridge asks of the world, as Protocols of a few verbs each. No I/O here; the adapters are in ``edges``."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

from bridge.refusals import Reason
from bridge.routes import Directory, Route
from schema.readings import Reading


class Delivery(NamedTuple):
    """One message as it came; a tuple, because there are thousands a second.

    ``token`` is opaque: whoever ends the message hands it to ``BrokerSession.settle``. ``received_at`` is UTC.
    ``backlog`` says that the broker had kept the message while the bridge was away, ``assembled`` that several messages
    made this one.
    """

    token: int
    topic: str
    payload: bytes
    received_at: datetime
    retained: bool = False
    backlog: bool = False
    assembled: bool = False


class Packet(NamedTuple):
    """What a message came in: its packet id (0 with QoS 0), and whether the broker has sent it before (DUP)."""

    packet_id: int
    again: bool


class BrokerSession(Protocol):
    """A persistent session with the broker. Whatever is not settled comes again after a reconnect."""

    async def receive(self) -> list[Delivery]:
        """Everything that has come since the last call; waits where there is nothing."""

    def settle(self, tokens: Sequence[int]) -> int:
        """Acknowledge in any order; returns how many. Tokens of a lost connection are skipped.

        Raises ``SettledTwice``.
        """

    def alive(self, token: int) -> bool:
        """False where the message's connection was lost: the broker sends it again, so this copy may be dropped."""


class SettledTwice(AssertionError):
    """A message was settled a second time: a defect of the bridge."""


class RegistryUnavailable(Exception):
    """The database could not be asked: keep what depends on it and ask again."""


class Registry(Protocol):
    """Who owns what, from the last snapshot, and the questions that need the database."""

    @property
    def directory(self) -> Directory:
        """All routes as known now."""

    async def look_up(self, logins: Collection[str]) -> None:
        """Ask the database for these logins and enter them into the directory. Raises ``RegistryUnavailable``."""

    async def claim(self, route: Route, *, device_key: str, alias: str) -> Route:
        """Activate a feed at its first reading, bind its device and record an alias.

        Returns the route as it is now, active or disputed; without the alias where that serial is active for another
        owner. Raises ``RegistryUnavailable``.
        """

    async def gone(self, inverter_ids: Collection[UUID]) -> set[UUID]:
        """Those of these inverters that nobody can bring back any more. Raises ``RegistryUnavailable``."""

    def refetch(self, inverter_id: UUID | None = None) -> None:
        """Read an inverter's rows, or everything, again soon, because the store refused a credential."""


class Live(Protocol):
    """The live row of each inverter, in memory; written out by and by, never waited for."""

    def topic_right(self, inverter_id: UUID, at: datetime) -> None:
        """A message came on a topic of this inverter."""

    def understood(self, inverter_id: UUID, at: datetime) -> None:
        """A payload could be read."""

    def reading(self, inverter_id: UUID, reading: Reading, at: datetime) -> None:
        """Plausible values came."""

    def refused(self, inverter_id: UUID, reason: Reason, detail: str, at: datetime) -> None:
        """A message, or part of it, was set aside."""

    def newest(self, inverter_id: UUID) -> tuple[Mapping[str, float], datetime | None]:
        """The newest known values and the newest reading's time."""


class Remarks(Protocol):
    """What is noticed beside readings, for owners to be told of; in memory, never waited for. Nothing here raises."""

    def another_device(self, delivery: Delivery, route: Route | None, *, device: str, serial: str) -> None:
        """A device spoke through a login and has no feed there. ``route`` is the feed its topic led to, if any;
        ``device`` is its name in the topic, ``serial`` the one in the payload: one of them is there.
        """

    def reading(self, route: Route, values: Mapping[str, float], received_at: datetime) -> None:
        """A reading of which nothing had to be set aside; called for nearly every one."""

    def impossible_power(
        self, route: Route, quantity: str, value: float, received_at: datetime, *, anybodys: bool
    ) -> None:
        """A power was set aside; ``anybodys`` says that no inverter of any size could have it."""

    def own_time(self, route: Route, behind: timedelta, received_at: datetime) -> None:
        """A document that had not waited in the broker named its own time, so far behind its arrival."""


class NoRemarks:
    """``Remarks`` of messages that have been remarked upon when they came."""

    def another_device(self, delivery: Delivery, route: Route | None, *, device: str, serial: str) -> None:
        """Nothing."""

    def reading(self, route: Route, values: Mapping[str, float], received_at: datetime) -> None:
        """Nothing."""

    def impossible_power(
        self, route: Route, quantity: str, value: float, received_at: datetime, *, anybodys: bool
    ) -> None:
        """Nothing."""

    def own_time(self, route: Route, behind: timedelta, received_at: datetime) -> None:
        """Nothing."""
