"""A new TOKEN_KEY: everything sealed opens at every moment, and at last without the key from before."""

import base64
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from portal.provisioner import reseal_command
from portal.provisioner.commands import CannotDo
from portal.provisioner.reseal_command import Found, look, reseal
from schema.database import reading
from schema.models import Account, InverterMove, MoveState, OutboxMail, OwnerMove, Placement
from schema.sealed_rows import SEALED, SealedColumn
from schema.sealing import AesSealer
from tests.estate import SEALER, Estate, Held, estate
from tests.mortality import Killed, Mortality
from tests.store_set_ups import StoreSetUp, fake_influx

pytestmark = pytest.mark.integration
NEW = "k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k="
OLD, LOST = (base64.b64encode(bytes([number]) * 32).decode() for number in (7, 8))
BOTH = AesSealer(NEW, OLD)
TOTP = "JBSWY3DPEHPK3PXP"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[StoreSetUp]:
    """The fake InfluxDB: it has tokens."""
    async with fake_influx(tmp_path) as one:
        yield one


@pytest.fixture
async def place(tmp_path: Path, database_url: str, store: StoreSetUp) -> AsyncIterator[Estate]:
    """Nobody's yet, on each kind of database; its provisioner seals with the new key."""
    async with estate(tmp_path, database_url, store) as one:
        yield one


async def _everything(place: Estate) -> Held:
    """Something in each sealed column, all of it by the old key."""
    held = await place.settled()
    async with place.sessions.begin() as session:
        session.add(OwnerMove(owner_id=held.owner_id, server="x", state=MoveState.DONE, started_at=place.now,
                              updated_at=place.now, read_token_sealed=b"-"))  # fmt: skip
        session.add(InverterMove(inverter_id=held.inverter_id, updated_at=place.now, bridge_token_sealed=b"-",
                                 external_token_sealed=b"-"))  # fmt: skip
        mail = {"id": uuid4(), "recipient": "a@example.org", "subject": "s", "sealed": b"-", "created_at": place.now}
        session.add(OutboxMail(**mail, next_attempt_at=place.now))
        gone = {"id": uuid4(), "recipient": "b@example.org", "subject": "s", "sealed": b"", "created_at": place.now}
        session.add(OutboxMail(**gone, next_attempt_at=place.now, sent_at=place.now))
        await session.execute(update(Account).values(totp_sealed=b"-"))
    await _sealed_by(place, OLD)
    return held


async def _sealed_by(place: Estate, key: str, *columns: SealedColumn) -> None:
    """What stands in these columns, or everything, is sealed with this key."""
    sealer = AesSealer(key)
    async with place.sessions.begin() as session:
        for one in columns or SEALED:
            for row, sealed in (await session.execute(select(one.key, one.column))).all():
                text = f"of {one.name}" if sealed == b"-" else sealed and BOTH.open(sealed, row=one.row.format(row))
                if text:
                    values = {one.column.key: sealer.seal(text, row=one.row.format(row))}
                    await session.execute(update(one.column.class_).where(one.key == row).values(**values))


async def _opened(place: Estate, sealer: AesSealer) -> dict[str, list[str]]:
    """What everything says. Raises ``CannotUnseal``."""
    found: dict[str, list[str]] = {}
    async with reading(place.sessions) as session:
        for one in SEALED:
            rows = (await session.execute(select(one.key, one.column).order_by(one.key))).all()
            found[one.name] = [sealer.open(sealed, row=one.row.format(key)) for key, sealed in rows if sealed]
    return found


def _counts(found: Mapping[str, Mapping[Found, int]]) -> dict[Found, int]:
    return {what: sum(counts[what] for counts in found.values()) for what in Found}


async def test_everything_is_sealed_anew_and_says_what_it_said(place: Estate) -> None:
    """Tokens, second factors, mails; the store is written and read with the same tokens as before."""
    held = await _everything(place)
    before = await _opened(place, BOTH)

    done = await reseal(place.sessions, BOTH)
    again = await reseal(place.sessions, BOTH)

    assert all(counts == {Found.OLDER: 1} for counts in done.values())
    assert _counts(again) == {Found.NEWEST: len(SEALED), Found.OLDER: 0, Found.LOST: 0}
    assert await _opened(place, AesSealer(NEW)) == before
    await place.write(held, 5.0)
    assert await place.newest(held) == 5.0


async def test_killed_between_any_two_transactions_it_goes_on(place: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three inverters, a row a transaction: at each point everything opens with both keys, at the end with the new."""
    monkeypatch.setattr(reseal_command, "BATCH", 1)
    await _everything(place)
    for _ in range(2):
        await place.settled()
    await _sealed_by(place, OLD)
    before, deaths = await _opened(place, BOTH), 0
    while True:
        mortality = Mortality(2)
        try:
            await reseal(mortality.sessions(place.sessions), BOTH)
        except Killed:
            deaths += 1
            assert await _opened(place, BOTH) == before
            continue
        break

    assert deaths >= 6
    assert await _opened(place, AesSealer(NEW)) == before


async def test_a_token_that_was_renewed_meanwhile_is_not_undone(place: Estate) -> None:
    """The reconciler may be faster: what it has stored since the row was read stays."""
    held = await _everything(place)
    one = SEALED[0]
    async with reading(place.sessions) as session:
        stale = (await session.execute(select(one.key, one.column))).one()
    renewed = SEALER.seal("renewed", row=one.row.format(held.inverter_id))
    async with place.sessions.begin() as session:
        await session.execute(update(Placement).values(bridge_token_sealed=renewed))

    await reseal_command._seal_anew(place.sessions, BOTH, one, [(stale[0], stale[1], Found.OLDER)], give_up=False)

    row = (await place.rows(held))[1]
    assert row is not None
    assert row.bridge_token_sealed == renewed


async def test_it_says_whether_the_old_key_may_go(place: Estate) -> None:
    """Not while a process that was not restarted seals with it, nor while something opens with no key."""
    await _everything(place)
    await reseal(place.sessions, BOTH)
    reseal_command._verdict(await look(place.sessions, BOTH))
    await _sealed_by(place, OLD, SEALED[-1])
    with pytest.raises(CannotDo, match="Somebody goes on sealing with the older key"):
        reseal_command._verdict(await look(place.sessions, BOTH))
    await _sealed_by(place, LOST, SEALED[0])
    with pytest.raises(CannotDo, match=r"No key opens 1 in placement.bridge_token_sealed"):
        reseal_command._verdict(await look(place.sessions, BOTH))


async def test_what_no_key_opens_stays_until_it_is_given_up(place: Estate) -> None:
    """Then tokens are made anew by the reconciler, mails go, and a second factor stays one that no app has."""
    held = await _everything(place)
    await _sealed_by(place, LOST)
    only_new = AesSealer(NEW)

    kept = await reseal(place.sessions, only_new)
    async with reading(place.sessions) as session:
        untouched = (await session.scalars(select(OutboxMail.recipient))).all()
    given_up = await reseal(place.sessions, only_new, give_up=True)
    for _ in range(2):
        await place.reconciler().sweep()
        place.now += timedelta(minutes=1)
    opened = await _opened(place, only_new)
    async with reading(place.sessions) as session:
        mails = (await session.scalars(select(OutboxMail.recipient))).all()

    assert _counts(kept)[Found.LOST] == _counts(given_up)[Found.LOST] == len(SEALED)
    assert len(untouched) == 2
    assert mails == ["b@example.org"]
    assert len(opened["account.totp_sealed"]) == 1
    assert opened["account.totp_sealed"] != ["of account.totp_sealed"]
    await place.write(held, 6.0)
    assert await place.newest(held) == 6.0
    assert len((await place.in_influx(held)).tokens) == 3
