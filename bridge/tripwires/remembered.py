"""A bounded memory by name: whoever was touched longest ago goes first. Pure."""

from collections.abc import Callable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT")
StateT = TypeVar("StateT")


class Remembered(Generic[KeyT, StateT]):
    """States by key, made when they are first asked for."""

    def __init__(self, make: Callable[[], StateT], most: int) -> None:
        self._make = make
        self._most = most
        self._states: dict[KeyT, StateT] = {}

    def __len__(self) -> int:
        return len(self._states)

    def __contains__(self, key: KeyT) -> bool:
        return key in self._states

    def touch(self, key: KeyT) -> StateT:
        """The state of ``key``, which is the newest one now."""
        state = self._states.pop(key, None)
        if state is None:
            state = self._make()
            if len(self._states) >= self._most:
                del self._states[next(iter(self._states))]
        self._states[key] = state
        return state

    def get(self, key: KeyT) -> StateT | None:
        """The state, if there is one; its age stays."""
        return self._states.get(key)

    def forget(self, key: KeyT) -> None:
        """Nothing is held against it any more."""
        self._states.pop(key, None)
