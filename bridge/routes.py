"""Who owns what: a feed with its inverter, owner and destination as one value, and the directory of all. No I/O."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from schema.timeseries.port import Destination


class Claim(StrEnum):
    """The claim states of ``schema.models.ClaimState``, without its tables."""

    PENDING = "pending"
    ACTIVE = "active"
    DISPUTED = "disputed"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Route:
    """One feed, read from the registry as one row: never assembled from parts of two.

    ``destination`` is None while provisioning has not finished. ``aliases`` are serials seen in its payloads before.
    """

    feed_id: UUID
    login: str
    selector: str
    dialect: str
    claim: Claim
    device_key: str
    inverter_id: UUID
    owner_id: UUID
    serial: str
    rated_power_w: int | None = None
    aliases: frozenset[str] = frozenset()
    destination: Destination | None = field(default=None, repr=False)

    def knows(self, serial: str) -> bool:
        """Whether ``serial`` (normalised) is this inverter's own or one seen from it before."""
        return serial == self.serial or serial in self.aliases


@dataclass(frozen=True, slots=True)
class LoginEntry:
    """One login and its feeds by selector."""

    name: str
    revoked: bool
    routes: dict[str, Route]


class Directory:
    """All logins, and who holds which serial. Replaced as a whole at a resync, amended at a claim or look-up."""

    def __init__(self, version: int, entries: Iterable[LoginEntry], holders: dict[str, UUID]) -> None:
        self.version = version
        self._logins = {entry.name: entry for entry in entries}
        self._holders = holders
        self._destinations: dict[UUID, Destination | None] = {}
        for entry in self._logins.values():
            self._note(entry)

    def _note(self, entry: LoginEntry) -> None:
        for route in entry.routes.values():
            self._destinations[route.inverter_id] = route.destination

    def login(self, name: str) -> LoginEntry | None:
        """The login, or None where nobody has this name."""
        return self._logins.get(name)

    def destination(self, inverter_id: UUID) -> Destination | None:
        """Where the inverter's points go now; None while it has no place, or is no longer known."""
        return self._destinations.get(inverter_id)

    def entries(self) -> list[LoginEntry]:
        """All logins."""
        return list(self._logins.values())

    def foreign(self, serial: str, owner_id: UUID) -> bool:
        """Whether ``serial`` is active for somebody else. An alias is not: whoever is first to send a serial that he
        has not proved would shut its owner out.
        """
        return self._holders.get(serial, owner_id) != owner_id

    def put(self, entry: LoginEntry) -> None:
        """Enter or replace one login."""
        self._logins[entry.name] = entry
        self._note(entry)

    def replace(self, route: Route) -> None:
        """Replace one feed of a known login, and note the serials it holds now."""
        entry = self._logins[route.login]
        self.put(LoginEntry(entry.name, entry.revoked, {**entry.routes, route.selector: route}))
        if route.claim is Claim.ACTIVE:
            self._holders[route.serial] = route.owner_id
