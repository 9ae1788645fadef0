"""Every column that holds something sealed, and whether the keys at hand open it: asked before a process starts.

A process with a wrong ``TOKEN_KEY`` would run, refuse every token and every second factor, and seal new ones beside the
old: so it does not start. One odd row is not taken for a wrong key: of each key's rows some are tried.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from schema.database import create_engine_for, is_sqlite, reading, sessions_for
from schema.database_faults import database_faults
from schema.models import Account, InverterMove, OutboxMail, OwnerMove, OwnerPlacement, Placement
from schema.sealing import CannotUnseal, Sealer

_TRIED = 5
_PATIENCE_S = 3.0


class KeyDoesNotOpen(Exception):
    """What is sealed in the database opens with none of the keys; the message says what to do."""


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """``row`` is the associated data, with the row's key for ``{}``; ``token_id`` tells InfluxDB's id of the token."""

    key: InstrumentedAttribute[UUID]
    column: InstrumentedAttribute[Any]
    row: str
    token_id: InstrumentedAttribute[Any] | None = None

    @property
    def name(self) -> str:
        """Table and column, for a person."""
        return f"{self.column.class_.__tablename__}.{self.column.key}"


_READ, _BRIDGE, _EXTERNAL = "owner:{}:read", "placement:{}:bridge", "placement:{}:external"

BRIDGE_TOKENS = SealedColumn(
    Placement.inverter_id, Placement.bridge_token_sealed, _BRIDGE, Placement.bridge_authorization_id
)
SEALED: Sequence[SealedColumn] = (
    BRIDGE_TOKENS,
    SealedColumn(
        Placement.inverter_id, Placement.external_token_sealed, _EXTERNAL, Placement.external_authorization_id
    ),
    SealedColumn(
        OwnerPlacement.owner_id, OwnerPlacement.read_token_sealed, _READ, OwnerPlacement.read_authorization_id
    ),
    # A second place's tokens change sides with the first one's, so they are sealed for the same rows.
    SealedColumn(
        InverterMove.inverter_id, InverterMove.bridge_token_sealed, _BRIDGE, InverterMove.bridge_authorization_id
    ),
    SealedColumn(
        InverterMove.inverter_id, InverterMove.external_token_sealed, _EXTERNAL, InverterMove.external_authorization_id
    ),
    SealedColumn(OwnerMove.owner_id, OwnerMove.read_token_sealed, _READ, OwnerMove.read_authorization_id),
    SealedColumn(Account.id, Account.totp_sealed, "account:{}:totp"),
    SealedColumn(OutboxMail.id, OutboxMail.sealed, "outbox_mail:{}"),
)
"""An empty value is none: a mail that has gone says nothing any more."""


async def check(database_url: str, sealer: Sealer, columns: Sequence[SealedColumn] = SEALED) -> None:
    """Raises ``KeyDoesNotOpen``; a database that does not answer, or is not there yet, is nothing to refuse for."""
    if not _is_there(database_url):
        return
    engine = create_engine_for(database_url, patience_s=_PATIENCE_S, pooled=False)
    try:
        async with reading(sessions_for(engine)) as session:
            shut = [one.name for one in columns if not await _opens(session, sealer, one)]
    except database_faults(database_url):
        return
    finally:
        await engine.dispose()
    if shut:
        raise KeyDoesNotOpen(
            f"TOKEN_KEY does not open what is sealed in {', '.join(shut)}. If the key was changed, set TOKEN_KEY_OLD to"
            " the one before; if that one is lost, see docs/keys.md."
        )


def _is_there(url: str) -> bool:
    """SQLite would make an empty database where there is none."""
    return not is_sqlite(url) or Path(url.partition(":///")[2]).is_file()


async def _opens(session: AsyncSession, sealer: Sealer, one: SealedColumn) -> bool:
    """Of each key id's rows one that opens is enough."""
    key_id = func.substr(one.column, 1, 1, type_=LargeBinary)
    there = (one.column.is_not(None), func.length(one.column) > 0)
    for found in (await session.scalars(select(key_id).where(*there).distinct())).all():
        tried = select(one.key, one.column).where(*there, key_id == found).limit(_TRIED)
        if not any(opens(sealer, sealed, one.row.format(key)) for key, sealed in await session.execute(tried)):
            return False
    return True


def opens(sealer: Sealer, sealed: bytes, row: str) -> bool:
    """Whether any key fits."""
    try:
        sealer.open(sealed, row=row)
    except CannotUnseal:
        return False
    return True
