"""The oracle of fault tests: what was published and acknowledged by the broker, to be found again exactly."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.bridge_set_up import Paired, Publisher
from tests.waiting import until


class Ledger:
    """Readings of one inverter, each with a second and a value of its own."""

    def __init__(self, paired: Paired) -> None:
        self.paired = paired
        self.start = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=9_000)
        self.sent: dict[datetime, float] = {}
        self._answers: dict[datetime, Callable[[], bool]] = {}

    def throw(self, logger: Publisher, count: int) -> None:
        """Publish so many readings without waiting."""
        for _ in range(count):
            number = len(self.sent)
            at = self.start + timedelta(seconds=number)
            self.sent[at] = float(number)
            document = {"ac_power": float(number), "time": at.isoformat()}
            self._answers[at] = logger.throw(self.paired.topic(), document)

    async def acknowledged(self) -> dict[datetime, float]:
        """Everything sent, once the broker has acknowledged all of it."""
        await until(lambda: all(answer() for answer in self._answers.values()))
        return self.sent
