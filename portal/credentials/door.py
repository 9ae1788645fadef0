"""Lets a collector in by its key, from where it may come from. Says nothing of why somebody is not let in: whoever
found a key somewhere learns neither that it is good nor that it is not from here.
"""

from dataclasses import dataclass
from typing import Any

import structlog
from litestar.connection import ASGIConnection
from sqlalchemy.exc import SQLAlchemyError

from portal.accounts.sessions import Visitor
from portal.credentials import identities, networks
from portal.keys import KeyUse, derived
from portal.parts import Parts, parts_of
from schema.database import reading
from schema.models import Collector

_log = structlog.get_logger(__name__)

FOR_COLLECTORS = "for_collectors"
"""The option of a route that a collector's key opens; it opens no other."""

STOPPED = (
    "This identity has asked for many serials that were new to it and is answered no more; an administrator can let it "
    "go on."
)
"""Whoever has its key may know that."""

Connection = ASGIConnection[Any, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class CollectorVisitor(Visitor):
    """An outside collector. ``account_id`` is its own id, which is no account's: it owns and sees nothing."""

    stopped: bool = False


async def collector_at(connection: Connection, presented: str) -> CollectorVisitor | None:
    """The collector behind a key, where it is good and comes from a network of its own; else None."""
    parts = parts_of(connection)
    now, address = parts.now(), connection.client.host if connection.client else ""
    key = derived(parts.settings.auth_secret.get_secret_value(), KeyUse.COLLECTOR_KEYS)
    async with reading(parts.sessions) as session:
        found = await identities.of_key(session, presented, key=key, now=now)
    if found is None:
        return None
    row, former = found
    if not networks.allow(row.networks, address):
        await _note_refused(parts, row, address)
        return None
    if identities.is_due(row, former=former, address=address, now=now):
        async with parts.sessions.begin() as session:
            await identities.note_used(session, row, former=former, address=address, now=now)
    return CollectorVisitor(
        account_id=row.id, session_id=row.id, email="", is_admin=False, stopped=row.stopped_at is not None
    )


async def _note_refused(parts: Parts, row: Collector, address: str) -> None:
    """The answer is the same where this cannot be written."""
    try:
        async with parts.sessions.begin() as session:
            noted = await identities.note_refused(session, row.id, address=address, now=parts.now())
    except SQLAlchemyError as error:
        _log.warning("collector.refusal_not_noted", error=type(error).__name__)
        return
    if noted:
        _log.warning("collector.refused", collector=str(row.id), address=address)
