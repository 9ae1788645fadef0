"""The audit log's chain: whatever is done to the tables is found, and named for what it is."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from portal.audit_log.chain import FIRST, Fault, FaultKind, Link, Walk, canonical, linked
from schema.models import AuditEntry

pytestmark = pytest.mark.unit
NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def entry(number: int, **changed: Any) -> AuditEntry:
    """One of a row of acts."""
    fields: dict[str, Any] = {
        "id": number * 10,
        "at": NOON + timedelta(seconds=number),
        "actor_id": UUID(int=number),
        "actor": "account",
        "action": "inverter.added",
        "subject": f"inverter:{number}",
        "owner_id": None,
        "details": {"name": "Dach Süd", "n": number},
    }
    return AuditEntry(**(fields | changed))


def chain(length: int = 5) -> list[Link]:
    """A chain as it was written."""
    links, head = [], FIRST
    for number in range(1, length + 1):
        head = linked(head, entry(number))
        links.append(Link(number, number * 10, head, entry(number)))
    return links


def walked(links: Sequence[Link]) -> list[Fault]:
    """What a walk along these links finds."""
    walk = Walk()
    return [*(fault for link in links for fault in walk.step(link)), *walk.end()]


def test_a_chain_as_it_was_written_has_no_fault() -> None:
    """Whether it has a thousand links or none."""
    assert walked(chain(1000)) == walked([]) == []


def test_an_entry_has_the_same_bytes_on_every_database() -> None:
    """Zone and order of the details depend on the database; the fixed text is what old chains were made with."""
    other_zone = NOON.astimezone(tz=None)
    shuffled = entry(0, at=other_zone, details={"n": 0, "name": "Dach Süd"})

    assert canonical(shuffled) == canonical(entry(0))
    assert canonical(entry(0)) == (
        b'{"action":"inverter.added","actor":"account","actor_id":"00000000-0000-0000-0000-000000000000",'
        b'"at":"2026-06-01T12:00:00.000000+00:00","details":{"n":0,"name":"Dach S\\u00fcd"},"id":0,'
        b'"owner_id":null,"subject":"inverter:0"}'
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"id": 31}, {"at": NOON}, {"actor_id": None}, {"actor": "system"}, {"action": "inverter.deleted"},
        {"subject": "inverter:4"}, {"owner_id": UUID(int=9)}, {"details": {"name": "Dach Süd", "n": "3"}},
    ],
)  # fmt: skip
def test_a_change_of_any_field_is_found_and_the_entry_named(changed: dict[str, Any]) -> None:
    """No field is left out of the hash."""
    links = chain()
    links[2] = replace(links[2], entry=entry(3, **changed))

    faults = walked(links)

    assert [fault.kind for fault in faults] == [FaultKind.ENTRY_CHANGED]
    assert "Entry 30 was changed" in faults[0].sentence


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_changed_seal_is_told_from_a_changed_entry(place: int) -> None:
    """The next link was made with the seal that was there before, so the entries after it stay above suspicion."""
    links = chain()
    links[place] = replace(links[place], hash="f" * 64)

    faults = walked(links)

    assert [fault.kind for fault in faults] == [FaultKind.SEAL_CHANGED]
    assert f"Seal {place + 1} was changed" in faults[0].sentence


def _without_entry(links: list[Link]) -> None:
    links[2] = replace(links[2], entry=None)


def _without_links(links: list[Link]) -> None:
    del links[1:3]


def _without_the_first(links: list[Link]) -> None:
    del links[0]


def _last_entry_changed(links: list[Link]) -> None:
    links[-1] = replace(links[-1], entry=entry(5, action="x"))


def _entry_and_its_seal_made_anew(links: list[Link]) -> None:
    false = entry(3, action="x")
    links[2] = replace(links[2], entry=false, hash=linked(links[1].hash, false))


def _changed_before_a_removed_one(links: list[Link]) -> None:
    links[1] = replace(links[1], entry=entry(2, action="x"))
    links[2] = replace(links[2], entry=None)


@pytest.mark.parametrize(
    ("tamper", "kinds", "named"),
    [
        (_without_entry, [FaultKind.ENTRY_REMOVED], "Entry 30 was removed"),
        (_without_links, [FaultKind.LINKS_REMOVED], "Seals 2 to 3 are gone"),
        (_without_the_first, [FaultKind.LINKS_REMOVED], "Seal 1 is gone"),
        (_last_entry_changed, [FaultKind.ENTRY_OR_SEAL_CHANGED], "Entry 50"),
        (_entry_and_its_seal_made_anew, [FaultKind.ENTRY_CHANGED], "Or the entry sealed before it"),
        (_changed_before_a_removed_one, [FaultKind.ENTRY_OR_SEAL_CHANGED, FaultKind.ENTRY_REMOVED], "Entry 20"),
    ],
)
def test_what_was_done_is_found_and_said_once(
    tamper: Callable[[list[Link]], None], kinds: list[FaultKind], named: str
) -> None:
    """One act, one sentence: what follows it is not suspected as well."""
    links = chain()
    tamper(links)

    faults = walked(links)

    assert [fault.kind for fault in faults] == kinds
    assert named in faults[0].sentence
