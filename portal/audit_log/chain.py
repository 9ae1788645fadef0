"""The chain of the audit log, as a rule: how a link is made and what a broken chain tells. No database, no clock.

A link's hash is SHA-256 over the previous link's hash and the entry in canonical JSON. There is no key in it: whoever
has the tables can check them. Whoever may write to them past the triggers could make a chain anew from some entry on;
against that, and against cutting off the end, stands a head that was noted elsewhere (the log has one every day).
"""

import hashlib
import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum

from schema.models import AuditEntry

FIRST = "0" * 64
"""What stands before the first link."""


class FaultKind(StrEnum):
    """What was done to the tables."""

    ENTRY_CHANGED = "entry changed"
    ENTRY_REMOVED = "entry removed"
    ENTRY_ADDED = "entry added"
    SEAL_CHANGED = "seal changed"
    LINKS_REMOVED = "links removed"
    ENTRY_OR_SEAL_CHANGED = "entry or seal changed"
    HEAD_UNKNOWN = "head unknown"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that nobody of ours does. ``sentence`` names the entry."""

    kind: FaultKind
    sentence: str


@dataclass(frozen=True, slots=True)
class Link:
    """A seal with the entry it is about; no entry where that is gone."""

    id: int
    entry_id: int
    hash: str
    entry: AuditEntry | None


@dataclass(frozen=True, slots=True)
class _Open:
    """A link that does not fit; the next one tells whether its entry or its seal is the false one."""

    link: Link
    expected: str


def canonical(entry: AuditEntry) -> bytes:
    """The entry as one sequence of bytes, on every database the same."""
    fields = {
        "id": entry.id,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor_id": str(entry.actor_id) if entry.actor_id else None,
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "owner_id": str(entry.owner_id) if entry.owner_id else None,
        "details": entry.details,
    }
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def linked(previous: str, entry: AuditEntry) -> str:
    """The hash of the link that follows ``previous``, 64 hex digits."""
    return hashlib.sha256(previous.encode() + canonical(entry)).hexdigest()


class Walk:
    """Goes along the chain: ``step`` with each link in the order of their ids, ``end`` after the last one."""

    def __init__(self) -> None:
        self.links = 0
        self.head = FIRST
        self._next_id = 1
        self._previous: str | None = FIRST
        self._open: _Open | None = None

    def step(self, link: Link) -> Iterator[Fault]:
        """What this link shows, about itself or about the one before it."""
        yield from self._gap(link)
        expected = linked(self._previous, link.entry) if self._previous and link.entry else None
        if self._open is not None:
            expected = yield from self._settle(self._open, link, expected)
        self.links, self.head, self._next_id, self._previous = self.links + 1, link.hash, link.id + 1, link.hash
        if link.entry is None:
            yield Fault(
                FaultKind.ENTRY_REMOVED, f"Entry {link.entry_id} was removed: its seal {link.id} is there, it is not."
            )
        elif expected is not None and expected != link.hash:
            self._open = _Open(link, expected)

    def end(self) -> Iterator[Fault]:
        """What is still to say when no link follows."""
        if self._open is not None:
            yield _either(self._open.link)
            self._open = None

    def _gap(self, link: Link) -> Iterator[Fault]:
        if link.id == self._next_id:
            return
        yield from self.end()
        last = link.id - 1
        gone = f"Seal {last} is" if last == self._next_id else f"Seals {self._next_id} to {last} are"
        yield Fault(
            FaultKind.LINKS_REMOVED,
            f"{gone} gone with what they sealed; entry {link.entry_id} behind them cannot be checked.",
        )
        self._previous = None

    def _settle(self, before: _Open, link: Link, expected: str | None) -> Generator[Fault, None, str | None]:
        """Whose fault the last link was; returns what this one's hash should be."""
        self._open = None
        entry_id, seal_id = before.link.entry_id, before.link.id
        if link.entry is None:
            yield _either(before.link)
            return expected
        if expected == link.hash:
            yield Fault(
                FaultKind.ENTRY_CHANGED,
                f"Entry {entry_id} was changed: it is not what seal {seal_id} sealed."
                " (Or the entry sealed before it was, and a seal that fits was made for that one.)",
            )
            return expected
        without = linked(before.expected, link.entry)
        if without == link.hash:
            yield Fault(
                FaultKind.SEAL_CHANGED, f"Seal {seal_id} was changed; entry {entry_id} is what it has always been."
            )
            return without
        yield _either(before.link)
        return expected


def _either(link: Link) -> Fault:
    return Fault(
        FaultKind.ENTRY_OR_SEAL_CHANGED, f"Entry {link.entry_id} or its seal {link.id} was changed: they do not fit."
    )
