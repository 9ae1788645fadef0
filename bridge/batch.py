"""Encoded lines on their way to the store, and how many of them go together. Pure."""

from collections.abc import Callable
from uuid import UUID

from bridge.kept import Letter

MAX_LINES = 5_000
MAX_BYTES = 1_000_000


class Parcel:
    """One line with the messages it settles. Mutable: it remembers how far it has come, so that it ends once.

    ``since`` is monotonic seconds. ``kept`` says that it was handed to the spool, which then settles its messages;
    ``record`` is its number there once that is durable; ``written`` that the store has it or never will. ``letter`` is
    what it becomes as soon as it lies there.
    """

    __slots__ = (
        "inverter_id",
        "kept",
        "letter",
        "line",
        "login",
        "record",
        "selector",
        "since",
        "tokens",
        "topic",
        "written",
    )

    def __init__(
        self,
        *,
        inverter_id: UUID,
        line: bytes,
        tokens: list[int],
        login: str = "",
        selector: str = "",
        topic: str = "",
        since: float = 0.0,
        record: int = 0,
    ) -> None:
        self.inverter_id = inverter_id
        self.login = login
        self.topic = topic
        self.selector = selector
        self.line = line
        self.tokens = tokens
        self.since = since
        self.record = record
        self.kept = record > 0
        self.written = False
        self.letter: Letter | None = None


def together(waiting: list[Parcel], wanted: Callable[[Parcel], bool], most_lines: int = MAX_LINES) -> list[Parcel]:
    """Take what may go in one request from the left; parcels that are not ``wanted`` are taken out and left away."""
    if len(waiting) == 1:
        # Most batches: the store is idle and a reading has come.
        parcel = waiting.pop()
        return [parcel] if wanted(parcel) else []
    batch: list[Parcel] = []
    size = taken = 0
    for parcel in waiting:
        if len(batch) >= most_lines or (batch and size + len(parcel.line) >= MAX_BYTES):
            break
        taken += 1
        if wanted(parcel):
            batch.append(parcel)
            size += len(parcel.line) + 1
    del waiting[:taken]
    return batch
