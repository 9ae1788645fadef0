"""Hands a new secret over from the answer of a form to the page behind its redirect, in a sealed one-time cookie.

Why a cookie: the secret then lies in no table and in no memory that a restart or a second process would lose, only with
the one who made it. It is sealed (nobody on the way or at the keyboard can read it), bound to session and inverter,
good for ten minutes, and deleted by the page that shows it. A reload afterwards offers a new secret instead.
"""

import base64
import binascii
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

from portal.inverters.service import Credentials
from schema.sealing import CannotUnseal, Sealer

LIFETIME = timedelta(minutes=10)


def sealed(credentials: Credentials, sealer: Sealer, *, session_id: UUID, inverter_id: UUID, now: datetime) -> str:
    """The cookie's value."""
    note = json.dumps([credentials.login, credentials.secret, (now + LIFETIME).timestamp()])
    return base64.urlsafe_b64encode(sealer.seal(note, row=_row(session_id, inverter_id))).decode().rstrip("=")


def opened(
    cookie: str | None, sealer: Sealer, *, session_id: UUID, inverter_id: UUID, now: datetime
) -> Credentials | None:
    """The credentials, or None: no cookie, too old, or made for another session or inverter."""
    if not cookie:
        return None
    try:
        note = sealer.open(
            base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4)), row=_row(session_id, inverter_id)
        )
    except (CannotUnseal, binascii.Error, ValueError):
        return None
    login, secret, until = json.loads(note)
    return Credentials(login, secret) if now <= datetime.fromtimestamp(until, UTC) else None


def _row(session_id: UUID, inverter_id: UUID) -> str:
    return f"handover:{session_id}:{inverter_id}"
