"""How long messages may wait for a database that says nothing: not at all, once it is known. The clock is handed in."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from bridge.ports import RegistryUnavailable

# A question that takes longer than this, as long as a message may be held, makes nobody wait behind it.
PATIENCE_S = 2.0
# After a question that could not be asked none is asked for so long, or for as long as that one took.
AWAY_S = 1.0

AnswerT = TypeVar("AnswerT")


class Patience:
    """Asks one question at a time and remembers how that went. Times are monotonic seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._asking_since: float | None = None
        self._away_until = 0.0

    @property
    def over(self) -> bool:
        """Whether the database is not to be waited for now: it could not be asked just now, or lets us wait."""
        now = self._monotonic()
        return now < self._away_until or (self._asking_since is not None and now - self._asking_since >= PATIENCE_S)

    async def ask(self, question: Awaitable[AnswerT]) -> AnswerT:
        """The answer. Raises ``RegistryUnavailable``."""
        began = self._asking_since = self._monotonic()
        try:
            return await question
        except RegistryUnavailable:
            now = self._monotonic()
            self._away_until = now + max(AWAY_S, now - began)
            raise
        finally:
            self._asking_since = None
