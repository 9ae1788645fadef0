"""What has to wait for the database: a feed's first reading, a device not seen before, a login nobody knows yet.

A reading that claims its feed is not acknowledged before the registry has taken the claim. Where the database is away
or lets us wait, readings go to the spool, which is as good an end; the next reading of that feed claims again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from uuid import UUID

import structlog

from bridge.clock import Clock
from bridge.counters import Counters
from bridge.decoded import Refused
from bridge.identify import Admitted, Found, admit, is_sum, needs_claim
from bridge.keeper import Keeper, Outcome
from bridge.kept import Raw
from bridge.patience import Patience
from bridge.pipeline import Claimed, letter
from bridge.ports import Delivery, NoRemarks, Registry, RegistryUnavailable, Remarks
from bridge.refusals import Reason, sentence
from bridge.routes import Route
from bridge.writer import Writer
from schema import topics

_log = structlog.get_logger(__name__)

# A message may overtake its login's or feed's registration by so much; a few wait for it.
GRACE_S = 1.0
_MOST_WAITING = 100
# A login that does not exist is not asked for again this soon; one that is made now raises the registry's version.
_UNKNOWN_FOR_S = 5.0
_MOST_UNKNOWN = 10_000
_MOST_FIRST = 10_000


class Claims:
    """A queue in front of the registry."""

    def __init__(
        self,
        *,
        registry: Registry,
        writer: Writer,
        keeper: Keeper,
        counters: Counters,
        clock: Clock,
        remarks: Remarks | None = None,
    ) -> None:
        self._registry = registry
        self._remarks = remarks or NoRemarks()
        self._writer = writer
        self._keeper = keeper
        self._counters = counters
        self._clock = clock
        self._claims: deque[Claimed] = deque()
        self._strangers: list[Delivery] = []
        # Logins that the database did not have: when that was first seen and when it was last asked.
        self._missed_at: dict[str, float] = {}
        self._asked_at: dict[str, float] = {}
        # The device that spoke first on a feed while the database could not be told of it.
        self._first: dict[UUID, str] = {}
        self._wanted = asyncio.Event()
        self._working = False
        self._waiting = 0
        self._patience = Patience(clock.monotonic)

    @property
    def pending(self) -> bool:
        """Whether something waits for the database."""
        return bool(self._claims or self._strangers or self._working or self._waiting)

    def add(self, claims: Sequence[Claimed], strangers: Sequence[Delivery]) -> None:
        """Take over what needs the database."""
        self._claims.extend(claims)
        self._strangers.extend(strangers)
        if self._patience.over:
            self._postpone()
        self._wanted.set()

    async def run(self, again: Callable[[Sequence[Delivery]], None]) -> None:
        """Work through the queue, for ever; ``again`` takes deliveries whose login is known by now."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                self._working = True
                try:
                    while self._claims:
                        await self._turn(self._claims.popleft())
                    strangers, self._strangers = self._strangers, []
                    if strangers and (early := await self._look_up(strangers, again)):
                        self._waiting += len(early)
                        group.create_task(self._later(early), name="claims.early")
                finally:
                    self._working = False

    async def _later(self, early: Sequence[Delivery]) -> None:
        """Ask once more for logins that were not there yet."""
        await self._clock.sleep(GRACE_S)
        self._waiting -= len(early)
        for name in map(_login_of, early):
            self._asked_at.pop(name, None)
        self.add([], early)

    def _postpone(self) -> None:
        """Keep everything that waits: a database that says nothing must not fill the window of all."""
        while self._claims:
            claimed = self._claims.popleft()
            question = self._to_ask(claimed)
            if question is not None:
                self._keep_meanwhile(claimed, *question)
        strangers, self._strangers = self._strangers, []
        self._keep_as_they_came(strangers)

    async def _turn(self, claimed: Claimed) -> None:
        question = self._to_ask(claimed)
        if question is None:
            return
        if self._patience.over:
            self._keep_meanwhile(claimed, *question)
            return
        try:
            await self._claim(claimed, *question)
        except RegistryUnavailable as fault:
            _log.warning("claim.postponed", login=claimed.parcel.login, detail=str(fault))
            self._keep_meanwhile(claimed, *question)
        except Exception:  # noqa: BLE001  # one turn of a loop: this line is kept, the others go on
            self._failed(claimed)

    def _keep_meanwhile(self, claimed: Claimed, route: Route, admitted: Admitted) -> None:
        """While the database cannot be told which device a feed has, it has the first one that spoke: a second one must
        not get into its curve by way of the spool.
        """
        if admitted.device_key:
            if len(self._first) >= _MOST_FIRST:
                self._first.clear()
            first = self._first.setdefault(route.feed_id, admitted.device_key)
            judged = admit(replace(route, device_key=first), device=claimed.device, serial=claimed.serial)
            if isinstance(judged, Refused):
                self._refuse(claimed, judged)
                return
        self._writer.spool_lines([claimed.parcel])

    def _failed(self, claimed: Claimed) -> None:
        _log.exception("claim.fault", login=claimed.parcel.login)
        self._counters.faults += 1
        self._writer.spool_lines([claimed.parcel])

    def _to_ask(self, claimed: Claimed) -> tuple[Route, Admitted] | None:
        """What the database is to be told; None where the line has found its way without it."""
        try:
            return self._judged(claimed)
        except Exception:  # noqa: BLE001  # one turn of a loop: this line is kept, the others go on
            self._failed(claimed)
            return None

    def _judged(self, claimed: Claimed) -> tuple[Route, Admitted] | None:
        """Judge again, for an earlier claim may have bound the feed meanwhile."""
        parcel = claimed.parcel
        directory = self._registry.directory
        entry = directory.login(parcel.login)
        if not directory.speaks(parcel.login, parcel.selector, parcel.inverter_id):
            self._writer.add([parcel])
            return None
        route = entry.routes.get(parcel.selector) if entry else None
        if route is None:
            self._writer.spool_lines([parcel])
            return None
        if claimed.origin.assembled and is_sum(Found(route, "", entry), claimed.device):
            self._counters.not_readings["sum_of_loggers"] += len(parcel.tokens)
            self._keeper.settle(parcel.tokens, Outcome.NOT_A_READING)
            return None
        admitted = admit(route, device=claimed.device, serial=claimed.serial)
        if isinstance(admitted, Refused):
            self._refuse(claimed, admitted)
            return None
        if needs_claim(route, admitted):
            return route, admitted
        self._writer.add([parcel])
        return None

    async def _claim(self, claimed: Claimed, route: Route, admitted: Admitted) -> None:
        """Claim, then let the line go. Raises ``RegistryUnavailable``."""
        key, alias = admitted
        first = self._first.get(route.feed_id, key) if key else key
        if first != key:
            # Another one spoke while the database was away: that one has the feed.
            key, alias = first, ""
        current = await self._patience.ask(self._registry.claim(route, device_key=key, alias=alias))
        self._first.pop(route.feed_id, None)
        again = admit(current, device=claimed.device, serial=claimed.serial)
        if isinstance(again, Refused):
            # The database knew of a binding that the directory did not.
            self._refuse(claimed, again)
            return
        self._counters.aliases_withheld += bool(alias) and not current.knows(alias)
        self._writer.add([claimed.parcel])

    def _refuse(self, claimed: Claimed, refused: Refused) -> None:
        """The message is set aside, not its line: once its device has a feed it can be replayed."""
        parcel, origin = claimed.parcel, claimed.origin
        self._counters.refusals[refused.reason] += 1
        entry = self._registry.directory.login(parcel.login)
        route = entry.routes.get(parcel.selector) if entry else None
        self._remarks.another_device(origin, route, device=claimed.device, serial=claimed.serial)
        self._keeper.keep(letter(origin, route, refused), parcel.tokens)

    async def _look_up(
        self, strangers: Sequence[Delivery], again: Callable[[Sequence[Delivery]], None]
    ) -> list[Delivery]:
        """Ask the database for their logins; those returned are to be asked for once more."""
        now = self._clock.monotonic()
        asked = {name for name in map(_login_of, strangers) if not self._asked_lately(name, now)}
        if asked and self._patience.over:
            self._keep_as_they_came(strangers)
            return []
        try:
            if asked:
                await self._patience.ask(self._registry.look_up(asked))
        except RegistryUnavailable as fault:
            _log.warning("look_up.postponed", logins=len(asked), detail=str(fault))
            self._keep_as_they_came(strangers)
            return []
        early: list[Delivery] = []
        found: list[Delivery] = []
        for delivery in strangers:
            name = _login_of(delivery)
            if self._is_known(name):
                found.append(delivery)
            elif now < self._missed_at.get(name, now) + GRACE_S and self._waiting + len(early) < _MOST_WAITING:
                early.append(delivery)
            else:
                refused = self._refused(delivery)
                self._counters.refusals[refused.reason] += 1
                self._keeper.keep(letter(delivery, None, refused), [delivery.token])
        self._remember((name for name in asked if not self._is_known(name)), now)
        if found:
            again(found)
        return early

    def _remember(self, missing: Iterable[str], now: float) -> None:
        if len(self._asked_at) > _MOST_UNKNOWN:
            self._asked_at.clear()
            self._missed_at.clear()
        for name in missing:
            self._asked_at[name] = now
            self._missed_at.setdefault(name, now)

    def _asked_lately(self, name: str, now: float) -> bool:
        return name in self._asked_at and now < self._asked_at[name] + _UNKNOWN_FOR_S

    def _is_known(self, name: str) -> bool:
        entry = self._registry.directory.login(name)
        return entry is not None and (entry.revoked or bool(entry.routes))

    def _refused(self, stranger: Delivery) -> Refused:
        """Nobody's login, or one that speaks of nothing."""
        address = topics.parse(stranger.topic)
        if address is None or self._registry.directory.login(address.login) is None:
            return Refused(Reason.UNKNOWN_LOGIN, sentence(Reason.UNKNOWN_LOGIN))
        return Refused(Reason.WRONG_TOPIC, sentence(Reason.WRONG_TOPIC, address.rest))

    def _keep_as_they_came(self, strangers: Sequence[Delivery]) -> None:
        version = self._registry.directory.version
        # A token below zero is a message that is kept already.
        for delivery in (stranger for stranger in strangers if stranger.token > 0):
            raw = Raw(delivery.topic, delivery.payload, delivery.received_at, version, delivery.backlog)
            self._keeper.keep(raw, [delivery.token])


def _login_of(stranger: Delivery) -> str:
    address = topics.parse(stranger.topic)
    return address.login if address else ""
