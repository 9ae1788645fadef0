"""A process that dies at a chosen moment: a request to the store, or a commit, is its last."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from schema.database import Sessions
from schema.timeseries.management import StoreManager


class Killed(Exception):
    """The process ends here; no part of it may catch this."""


class Mortality:
    """Kills the process at the n-th boundary: before or after a request to the store, or after a commit."""

    def __init__(self, dies_at: int, died: Callable[[], None] = lambda: None) -> None:
        self._left = dies_at
        self._died = died

    def boundary(self) -> None:
        """Pass it, or die."""
        self._left -= 1
        if self._left == 0:
            self._died()
            raise Killed

    def manager(self, inner: StoreManager) -> Any:
        """The manager of a process that may die."""
        return _Mortal(inner, self)

    def sessions(self, inner: Sessions) -> Any:
        """The database of a process that may die."""
        return _MortalSessions(inner, self)


class _Mortal:
    def __init__(self, inner: Any, mortality: Mortality) -> None:
        self._inner = inner
        self._mortality = mortality

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*arguments: object, **named: object) -> object:
            self._mortality.boundary()
            answer = await getattr(self._inner, name)(*arguments, **named)
            self._mortality.boundary()
            return answer

        return call


class _MortalSessions:
    def __init__(self, inner: Sessions, mortality: Mortality) -> None:
        self._inner = inner
        self._mortality = mortality

    def __call__(self) -> Any:
        return self._inner()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Any]:
        async with self._inner.begin() as session:
            yield session
        self._mortality.boundary()
