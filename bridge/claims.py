"""What has to wait for the database: a feed's first reading, a device not seen before, a login nobody knows yet.

A reading that claims its feed is not acknowledged before the registry has taken the claim. Where the database is away,
readings go to the spool, which is as good an end; the next reading of that feed claims again.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from bridge.clock import Clock
from bridge.counters import Counters
from bridge.decoded import Refused
from bridge.identify import admit, needs_claim
from bridge.keeper import Keeper
from bridge.pipeline import Claimed, letter
from bridge.ports import Delivery, Letter, Raw, Registry, RegistryUnavailable
from bridge.refusals import Reason, sentence
from bridge.writer import Writer
from schema import topics

_log = structlog.get_logger(__name__)

# A login that does not exist is not asked for again this soon; one that is made now raises the registry's version.
_UNKNOWN_FOR_S = 2.0
_MOST_UNKNOWN = 10_000


class Claims:
    """A queue in front of the registry."""

    def __init__(self, *, registry: Registry, writer: Writer, keeper: Keeper, counters: Counters, clock: Clock) -> None:
        self._registry = registry
        self._writer = writer
        self._keeper = keeper
        self._counters = counters
        self._clock = clock
        self._claims: list[Claimed] = []
        self._strangers: list[Delivery] = []
        self._unknown: dict[str, float] = {}
        self._wanted = asyncio.Event()
        self._working = False

    @property
    def pending(self) -> bool:
        """Whether something waits for the database."""
        return bool(self._claims or self._strangers or self._working)

    def add(self, claims: Sequence[Claimed], strangers: Sequence[Delivery]) -> None:
        """Take over what needs the database."""
        self._claims.extend(claims)
        self._strangers.extend(strangers)
        self._wanted.set()

    async def run(self, again: Callable[[Sequence[Delivery]], None]) -> None:
        """Work through the queue, for ever; ``again`` takes deliveries whose login is known by now."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            self._working = True
            try:
                claims, self._claims = self._claims, []
                strangers, self._strangers = self._strangers, []
                for claimed in claims:
                    await self._turn(claimed)
                if strangers:
                    await self._look_up(strangers, again)
            finally:
                self._working = False

    async def _turn(self, claimed: Claimed) -> None:
        try:
            await self._claim(claimed)
        except Exception:  # noqa: BLE001  # one turn of a loop: this line is kept, the others go on
            _log.exception("claim.fault", login=claimed.parcel.login)
            self._counters.faults += 1
            self._writer.spool_lines([claimed.parcel])

    async def _claim(self, claimed: Claimed) -> None:
        """Judge again, for an earlier claim may have bound the feed meanwhile; then claim, then let the line go."""
        parcel = claimed.parcel
        directory = self._registry.directory
        entry = directory.login(parcel.login)
        route = entry.routes.get(parcel.selector) if entry else None
        if route is None:
            self._writer.spool_lines([parcel])
            return
        admitted = admit(route, directory, device=claimed.device, serial=claimed.serial)
        if isinstance(admitted, Refused):
            self._counters.refusals[admitted.reason] += 1
            self._keeper.keep(
                Letter(
                    login=parcel.login,
                    inverter_id=parcel.inverter_id,
                    topic=parcel.topic,
                    payload=parcel.line,
                    reason=admitted.reason,
                    detail=admitted.detail,
                    at=self._clock.now(),
                ),
                parcel.tokens,
            )
            return
        if needs_claim(route, admitted):
            try:
                await self._registry.claim(route, device_key=admitted.device_key, alias=admitted.alias)
            except RegistryUnavailable as fault:
                _log.warning("claim.postponed", login=parcel.login, detail=str(fault))
                self._writer.spool_lines([parcel])
                return
        self._writer.add([parcel])

    async def _look_up(self, strangers: Sequence[Delivery], again: Callable[[Sequence[Delivery]], None]) -> None:
        now = self._clock.monotonic()
        names = {address.login for delivery in strangers if (address := topics.parse(delivery.topic))}
        asked = {name for name in names if self._unknown.get(name, 0.0) <= now}
        try:
            if asked:
                await self._registry.look_up(asked)
        except RegistryUnavailable as fault:
            _log.warning("look_up.postponed", logins=len(asked), detail=str(fault))
            # A token below zero is a message that is kept already.
            for delivery in (stranger for stranger in strangers if stranger.token > 0):
                raw = Raw(delivery.topic, delivery.payload, delivery.received_at, self._registry.directory.version)
                self._keeper.keep(raw, [delivery.token])
            return
        found: list[Delivery] = []
        for delivery in strangers:
            address = topics.parse(delivery.topic)
            if address is not None and self._registry.directory.login(address.login) is not None:
                found.append(delivery)
                continue
            self._counters.refusals[Reason.UNKNOWN_LOGIN] += 1
            refused = Refused(Reason.UNKNOWN_LOGIN, sentence(Reason.UNKNOWN_LOGIN))
            self._keeper.keep(letter(delivery, None, refused), [delivery.token])
        if len(self._unknown) > _MOST_UNKNOWN:
            self._unknown.clear()
        missing = (name for name in asked if self._registry.directory.login(name) is None)
        self._unknown.update(dict.fromkeys(missing, now + _UNKNOWN_FOR_S))
        if found:
            again(found)
