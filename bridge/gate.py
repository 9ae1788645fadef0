"""Who may come in: messages beyond their login's quota are counted and end here, before anything is decoded."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

import structlog

from bridge.beyond import Beyond
from bridge.clock import Clock
from bridge.kept import Tally
from bridge.ports import Delivery
from bridge.quotas import Quotas, Verdict
from bridge.refusals import Reason, sentence
from bridge.routes import Directory
from schema import topics

_log = structlog.get_logger(__name__)

# The login in ``deye/<login>/…``; what has another form is judged by whatever stands there, all such together.
_LOGIN = slice(5, 15)


class Gate:
    """Judges messages as they come, by their login."""

    def __init__(
        self,
        quotas: Quotas,
        beyond: Beyond,
        directory: Callable[[], Directory],
        clock: Clock,
        spoke: Callable[[Iterable[str], datetime], None] | None = None,
    ) -> None:
        """``spoke`` is told which logins have sent something, within their quota or not."""
        self._spoke = spoke
        self._quotas = quotas
        self._beyond = beyond
        self._directory = directory
        self._clock = clock
        self._told: dict[str, datetime] = {}

    def admit(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """Those that are within their quotas. The others are counted, shown to their owners and settled."""
        now = self._clock.monotonic()
        judge = self._quotas.judge
        beyond: dict[tuple[str, Verdict], list[int]] = {}
        within: list[Delivery] = []
        speakers = set()
        for delivery in deliveries:
            login = delivery.topic[_LOGIN]
            speakers.add(login)
            verdict = judge(login, now, queued=delivery.backlog)
            if verdict is Verdict.WITHIN:
                within.append(delivery)
            else:
                beyond.setdefault((login, verdict), []).append(delivery.token)
        if self._spoke is not None and deliveries:
            self._spoke(speakers, deliveries[-1].received_at)
        for (login, verdict), tokens in beyond.items():
            self._count(login, verdict, tokens, now)
        return within

    def _count(self, login: str, verdict: Verdict, tokens: list[int], now: float) -> None:
        at = self._clock.now()
        if verdict is Verdict.QUARANTINED:
            until = at + timedelta(seconds=self._quotas.quarantined_for(login, now))
            self._tell(login, at, until)
            reason, detail = Reason.TOO_MUCH, sentence(Reason.TOO_MUCH, f"{until:%H:%M} UTC")
        else:
            reason = Reason.TOO_FAST
            detail = sentence(reason, f"{self._quotas.quota.per_s:g} messages a second")
        entry = self._directory().login(login)
        inverters = list({route.inverter_id for route in entry.routes.values()}) if entry else []
        name = login if topics.is_login(login) else ""
        tally = Tally(name, inverters[0] if inverters else None, reason, detail, len(tokens), at)
        self._beyond.count(tally, tokens, also=inverters[1:])

    def _tell(self, login: str, at: datetime, until: datetime) -> None:
        """Once for each quarantine."""
        if self._told.get(login, at) <= at:
            self._told = {other: end for other, end in self._told.items() if end > at}
            self._told[login] = until
            _log.warning("login.kept_out", login=login, until=until.isoformat(timespec="seconds"))
