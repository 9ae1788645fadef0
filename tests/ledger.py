"""The oracle of fault tests: what was published and acknowledged by the broker, to be found again exactly."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.bridge_set_up import Paired, Publisher
from tests.waiting import until


class Ledger:
    """Readings of one inverter, each with a second and a value of its own."""

    def __init__(self, paired: Paired, *, seconds_ago: int = 9_000) -> None:
        """The first reading is so old; each next one is a second younger."""
        self.paired = paired
        self.start = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=seconds_ago)
        self.sent: dict[datetime, float] = {}
        self._answers: dict[datetime, Callable[[], bool]] = {}

    def throw(self, logger: Publisher, count: int) -> None:
        """Publish so many readings without waiting."""
        for _ in range(count):
            number = len(self.sent)
            at = self.start + timedelta(seconds=number)
            self.sent[at] = float(number)
            self._throw(logger, at)

    def throw_again(self, logger: Publisher) -> None:
        """Everything once more, as a publisher does that has not heard the broker's answers."""
        for at in self.sent:
            self._throw(logger, at)

    def _throw(self, logger: Publisher, at: datetime) -> None:
        self._answers[at] = logger.throw(self.paired.topic(), {"ac_power": self.sent[at], "time": at.isoformat()})

    async def acknowledged(self) -> dict[datetime, float]:
        """Everything sent, once the broker has acknowledged all of it."""
        await until(lambda: all(answer() for answer in self._answers.values()))
        return self.sent
