"""What the bridge asks of the world, as Protocols of a few verbs each. No I/O here; the adapters are in ``edges``."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from bridge.refusals import Reason
from bridge.routes import Directory, Route
from schema.readings import Reading


class Delivery(NamedTuple):
    """One message as it came; a tuple, because there are thousands a second.

    ``token`` is opaque: whoever ends the message hands it to ``Settlement``. ``received_at`` is UTC. ``backlog`` says
    that the broker had kept the message while the bridge was away.
    """

    token: int
    topic: str
    payload: bytes
    received_at: datetime
    retained: bool = False
    backlog: bool = False


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
        """Activate a feed at its first reading, bind its device and record an alias, in one transaction.

        Returns the route as it is now, active or disputed. Raises ``RegistryUnavailable``.
        """

    def refetch(self) -> None:
        """Ask for a new snapshot soon, because the store refused a credential."""


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


@dataclass(frozen=True, slots=True)
class Line:
    """An encoded line to be kept for an inverter until the store takes it."""

    inverter_id: UUID
    registry_version: int
    received_at: datetime
    line: bytes


@dataclass(frozen=True, slots=True)
class Raw:
    """A message to be kept as it came, because the registry could not be asked about it."""

    topic: str
    payload: bytes
    received_at: datetime
    registry_version: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter. ``login`` and ``inverter_id`` are empty where nobody could be named."""

    login: str
    inverter_id: UUID | None
    topic: str
    payload: bytes
    reason: Reason
    detail: str
    at: datetime


Entry = Line | Raw | Letter


class KeptLine(NamedTuple):
    """A spooled line with its record number."""

    record: int
    line: bytes


class KeptRaw(NamedTuple):
    """A spooled message with its record number."""

    record: int
    raw: Raw


class SpoolUnavailable(Exception):
    """Nothing can be kept now (full, or the disk failed): do not acknowledge, try again later."""


class Spool(Protocol):
    """What is kept on disk. Returning means: a power cut does not lose it."""

    async def commit(self, entries: Sequence[Entry], forgotten: Sequence[int]) -> list[int]:
        """Keep ``entries`` and drop the records ``forgotten`` in one transaction; returns the new record numbers.

        Raises ``SpoolUnavailable``.
        """

    async def oldest_lines(self, inverter_id: UUID, *, lines: int, size: int) -> list[KeptLine]:
        """The oldest lines of an inverter, at most ``lines`` and ``size`` bytes, at least one where there is one."""

    async def oldest_raws(self, limit: int) -> list[KeptRaw]:
        """The oldest messages kept as they came."""

    async def backlog(self) -> dict[UUID, int]:
        """How many lines are kept for each inverter."""
