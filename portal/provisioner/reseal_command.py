"""``python -m portal.provisioner reseal``: seals everything with ``TOKEN_KEY`` that an older key has sealed.

A hundred rows a transaction, each changed only if it is still what was read, so it runs beside everything else and may
be killed at any point: the next run does what is left. It says when nothing needs ``TOKEN_KEY_OLD`` any more.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit
from portal.accounts import totp
from portal.audit import Action
from portal.provisioner.commands import CannotDo, said_yes
from schema import sealed_rows
from schema.changes import registry_changed
from schema.database import Sessions, create_engine_for, reading, sessions_for
from schema.models import OutboxMail
from schema.sealed_rows import SEALED, SealedColumn
from schema.sealing import AesSealer
from schema.settings import ProvisionerSettings

BATCH = 100


class Found(StrEnum):
    """What opens a sealed value."""

    NEWEST = "newest"
    OLDER = "older"
    LOST = "lost"


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command and its words."""
    parser = commands.add_parser("reseal", help="seal everything with TOKEN_KEY that TOKEN_KEY_OLD has sealed")
    parser.add_argument(
        "--give-up-lost", action="store_true", help="what no key opens: tokens are made anew, waiting mails are dropped"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.set_defaults(act=_reseal)


async def _reseal(settings: ProvisionerSettings, chosen: argparse.Namespace) -> int:
    """Raises ``CannotDo`` where something is left that ``TOKEN_KEY`` alone does not open."""
    sealer = AesSealer(*settings.token_keys)
    if chosen.give_up_lost:
        said_yes(
            [
                "What no key opens is given up: tokens of InfluxDB are made anew within minutes, waiting mails are",
                "dropped, and where a second factor is lost its owner logs in with a recovery code.",
            ],
            meant=chosen.yes,
        )
    engine = create_engine_for(settings.database_url)
    try:
        sessions = sessions_for(engine)
        done = await reseal(sessions, sealer, give_up=chosen.give_up_lost)
        for name, counts in done.items():
            print(f"{name}: {counts[Found.OLDER]} sealed anew, {counts[Found.NEWEST]} were", end="")
            print(f", {counts[Found.LOST]} given up." if chosen.give_up_lost else ".")
        left = await look(sessions, sealer)
    finally:
        await engine.dispose()
    _verdict(left)
    print("Everything opens with TOKEN_KEY alone: TOKEN_KEY_OLD may go (docs/keys.md). Older backups still need it.")
    return 0


def _verdict(left: dict[str, "Counter[Found]"]) -> None:
    lost = {name: counts[Found.LOST] for name, counts in left.items() if counts[Found.LOST]}
    if lost:
        told = ", ".join(f"{count} in {name}" for name, count in lost.items())
        raise CannotDo(
            f"No key opens {told}. Add the key they were sealed with to TOKEN_KEY_OLD (commas between several); if"
            " it is lost, say --give-up-lost."
        )
    if any(counts[Found.OLDER] for counts in left.values()):
        raise CannotDo(
            "Somebody goes on sealing with the older key. Start bridge, portal and provisioner with the new TOKEN_KEY,"
            " then run this again."
        )


async def reseal(sessions: Sessions, sealer: AesSealer, *, give_up: bool = False) -> dict[str, "Counter[Found]"]:
    """What was found, by table and column. Every reader reads everything once more at the end."""
    done: dict[str, Counter[Found]] = {}
    for one in SEALED:
        done[one.name] = Counter()
        last: UUID | None = None
        while rows := await _batch(sessions, one, last):
            last = rows[-1][0]
            found = [(key, sealed, _what(sealer, one, key, sealed)) for key, sealed in rows]
            done[one.name].update(what for _, _, what in found)
            await _seal_anew(sessions, sealer, one, [row for row in found if row[2] != Found.NEWEST], give_up=give_up)
    async with sessions.begin() as session:
        # Bridges keep sealed tokens in a file of their own.
        await registry_changed(session)
        await audit.record(
            session,
            Action.RESEALED,
            subject="key:token_key",
            actor=audit.COMMAND,
            details={name: counts[Found.OLDER] for name, counts in done.items() if counts[Found.OLDER]},
            now=datetime.now(UTC),
        )
    return done


async def look(sessions: Sessions, sealer: AesSealer) -> dict[str, "Counter[Found]"]:
    """What opens everything that is sealed at this moment; nothing is changed."""
    left: dict[str, Counter[Found]] = {}
    for one in SEALED:
        left[one.name] = Counter()
        last: UUID | None = None
        while rows := await _batch(sessions, one, last):
            last = rows[-1][0]
            left[one.name].update(_what(sealer, one, key, sealed) for key, sealed in rows)
    return left


def _what(sealer: AesSealer, one: SealedColumn, key: UUID, sealed: bytes) -> Found:
    row = one.row.format(key)
    if sealer.is_newest(sealed, row=row):
        return Found.NEWEST
    return Found.OLDER if sealed_rows.opens(sealer, sealed, row) else Found.LOST


async def _batch(sessions: Sessions, one: SealedColumn, after: UUID | None) -> Sequence[Any]:
    statement = select(one.key, one.column).where(one.column.is_not(None), func.length(one.column) > 0)
    if after is not None:
        statement = statement.where(one.key > after)
    async with reading(sessions) as session:
        return (await session.execute(statement.order_by(one.key).limit(BATCH))).all()


async def _seal_anew(
    sessions: Sessions,
    sealer: AesSealer,
    one: SealedColumn,
    rows: Sequence[tuple[UUID, bytes, Found]],
    *,
    give_up: bool,
) -> None:
    if not rows:
        return
    async with sessions.begin() as session:
        for key, sealed, what in rows:
            if what == Found.OLDER:
                row = one.row.format(key)
                anew = {one.column.key: sealer.seal(sealer.open(sealed, row=row), row=row)}
                await _change(session, one, key, sealed, anew)
            elif give_up:
                await _give_up(session, sealer, one, key, sealed)


async def _give_up(session: AsyncSession, sealer: AesSealer, one: SealedColumn, key: UUID, sealed: bytes) -> None:
    if one.token_id is not None:
        # The reconciler makes a new token where a row names none, and then deletes the one that nobody has.
        await _change(session, one, key, sealed, {one.column.key: None, one.token_id.key: ""})
    elif one.column.class_ is OutboxMail:
        await session.execute(delete(OutboxMail).where(OutboxMail.id == key, OutboxMail.sealed == sealed))
    else:
        # A secret that no app has: the second factor stays, and recovery codes are the way in.
        unknown = sealer.seal(totp.new_secret(), row=one.row.format(key))
        await _change(session, one, key, sealed, {one.column.key: unknown})


async def _change(session: AsyncSession, one: SealedColumn, key: UUID, sealed: bytes, values: dict[str, Any]) -> None:
    """Unless somebody has changed it since it was read."""
    await session.execute(update(one.column.class_).where(one.key == key, one.column == sealed).values(**values))
