"""A pipeline with everything around it faked: session, registry, live row and time."""

from bridge.counters import Counters
from bridge.pipeline import Decisions, Pipeline
from bridge.routes import Route
from tests.fakes import ALICE_LOGIN, FakeLive, FakeRegistry, FakeSession, FakeTime

READING = f"deye/{ALICE_LOGIN}/reading"


class Bench:
    """A pipeline with everything around it faked."""

    def __init__(self, *routes: Route) -> None:
        self.session = FakeSession()
        self.registry = FakeRegistry(*routes)
        self.live = FakeLive()
        self.time = FakeTime()
        self.counters = Counters()
        self.pipeline = Pipeline(
            directory=lambda: self.registry.directory,
            live=self.live,
            counters=self.counters,
            reading_max_bytes=1000,
            monotonic=lambda: self.time.seconds,
        )

    def send(self, topic: str, payload: bytes | str, *, retained: bool = False) -> Decisions:
        """Take one message, and the parts it set free."""
        out = Decisions()
        delivery = self.session.deliver(topic, payload, at=self.time.now(), retained=retained)
        self.pipeline.take(delivery, out)
        return self._parts(out)

    def wait(self, seconds: float) -> Decisions:
        """Let time pass."""
        self.time.seconds += seconds
        out = Decisions()
        self.pipeline.due(out)
        return self._parts(out)

    def _parts(self, out: Decisions) -> Decisions:
        for part in out.parts:
            self.pipeline.take_part(part, out)
        return out
