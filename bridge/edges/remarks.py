"""What the bridge notices beside readings, put together: where each remark goes, and who writes it down.

Nothing in here is waited for before an acknowledgement, and nothing raises into the way of a message.
"""

from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from typing import Any

from bridge.clock import Clock
from bridge.counters import Counters
from bridge.dialects import told_by
from bridge.edges.broker_log import Told
from bridge.edges.found_devices import FoundDevices
from bridge.edges.live import LiveRows
from bridge.edges.login_rows import LoginRows
from bridge.edges.notice_rows import NoticeRows
from bridge.identify import serial_in
from bridge.plausible import has_power
from bridge.ports import Delivery, Registry
from bridge.routes import Directory, Route
from bridge.tripwires.clocks import Clocks
from bridge.tripwires.flapping import Flapping
from bridge.tripwires.log_ins import LogIns
from bridge.tripwires.power import Power
from schema.database import Sessions
from schema.settings import BridgeSettings
from schema.topics import parse, selector_of


class EdgeRemarks:
    """A ``Remarks``. ``logins`` is told who speaks; who comes and goes the broker's log tells."""

    def __init__(
        self,
        settings: BridgeSettings,
        *,
        sessions: Sessions,
        registry: Registry,
        live: LiveRows,
        clock: Clock,
        counters: Counters,
    ) -> None:
        def directory() -> Directory:
            return registry.directory

        url = settings.database_url
        self.logins = LoginRows(live.engine, directory, settings.live_url, clock, counters)
        self._devices = FoundDevices(sessions, directory, url, clock, counters)
        self._notices = NoticeRows(sessions, directory, url, clock, counters)
        self._flapping, self._power, self._clocks, self._log_ins = Flapping(), Power(), Clocks(), LogIns()

    def loops(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """What runs for ever."""
        return {"logins": self.logins.run, "found_devices": self._devices.run, "notices": self._notices.run}

    async def flush(self) -> None:
        """The bridge stops: write what the pages would miss."""
        await self.logins.flush(everything=True)

    def came(self, told: Told, at: datetime) -> None:
        """The broker let the login in."""
        self.logins.came(told.login, at)
        self._notices.note(self._flapping.came(told.login, told.address, told.program, at))

    def thrown_out(self, told: Told, at: datetime) -> None:
        """Its connection was closed because somebody else came with it."""
        self._flapping.thrown_out(told.login, at)

    def went(self, told: Told, at: datetime) -> None:
        """Its connection ended."""
        self.logins.went(told.login, at)

    def turned_away(self, told: Told, at: datetime) -> None:
        """Somebody came with the login and was refused."""
        self._notices.note(self._log_ins.refused(told.login, told.address, at))

    def another_device(self, delivery: Delivery, route: Route | None, *, device: str, serial: str) -> None:
        """See ``Remarks.another_device``."""
        address = parse(delivery.topic)
        if address is None:
            return
        above = route.selector if route is not None else ""
        self._devices.note(
            address.login,
            selector_of(device or serial, above=above),
            serial=serial or serial_in(device),
            dialect=told_by(address.rest),
            at=delivery.received_at,
        )
        if self._flapping.watching:
            self._flapping.spoke(address.login, delivery.received_at, own=False)

    def reading(self, route: Route, values: Mapping[str, float], received_at: datetime) -> None:
        """See ``Remarks.reading``."""
        if self._power.watching and has_power(values):
            self._power.possible(route.login)
        if self._flapping.watching and route.device_key:
            self._flapping.spoke(route.login, received_at, own=True)

    def impossible_power(
        self, route: Route, quantity: str, value: float, received_at: datetime, *, anybodys: bool
    ) -> None:
        """See ``Remarks.impossible_power``."""
        trip = self._power.impossible(
            route.login, route.inverter_id, quantity=quantity, value=value, anybodys=anybodys, at=received_at
        )
        self._notices.note(trip)

    def own_time(self, route: Route, behind: timedelta, received_at: datetime) -> None:
        """See ``Remarks.own_time``."""
        self._notices.note(self._clocks.own_time(route.login, route.inverter_id, behind, received_at))
