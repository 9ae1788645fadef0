"""Hands what is shown once (recovery codes, a new API key) from a form's answer to the page behind its redirect.

In a sealed cookie, for the reasons ``portal.pairing.handover`` gives: bound to the session and to what it is, good for
ten minutes, deleted by the page that shows it.
"""

import base64
import binascii
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

from litestar.datastructures import Cookie

from portal.auth import VisitorRequest
from portal.cookies import cookie_name, own_cookie
from portal.parts import parts_of
from schema.sealing import CannotUnseal

LIFETIME = timedelta(minutes=10)


def handed_over(request: VisitorRequest, what: str, secrets: list[str], *, session_id: UUID | None = None) -> Cookie:
    """The cookie for the answer to the form; ``what`` is the same at the page that shows it.

    ``session_id`` is the device's new one, where the same answer gives it one.
    """
    parts = parts_of(request)
    note = json.dumps([(parts.now() + LIFETIME).timestamp(), *secrets])
    sealed = parts.sealer.seal(note, row=_row(what, session_id or request.user.session_id))
    return _cookie(request, what, base64.urlsafe_b64encode(sealed).decode(), int(LIFETIME.total_seconds()))


def taken(request: VisitorRequest, what: str) -> tuple[list[str], list[Cookie]]:
    """The secrets, and the cookie that ends the handing over; both empty where nothing was handed over."""
    parts = parts_of(request)
    present = request.cookies.get(_name(request, what))
    if not present:
        return [], []
    over = [_cookie(request, what, "", 0)]
    try:
        until, *secrets = json.loads(
            parts.sealer.open(base64.urlsafe_b64decode(present), row=_row(what, request.user.session_id))
        )
    except (CannotUnseal, binascii.Error, ValueError):
        return [], over
    return (secrets, over) if parts.now() <= datetime.fromtimestamp(until, UTC) else ([], over)


def _row(what: str, session_id: UUID) -> str:
    return f"shown-once:{what}:{session_id}"


def _name(request: VisitorRequest, what: str) -> str:
    return cookie_name(what, secure=parts_of(request).settings.cookie_secure)


def _cookie(request: VisitorRequest, what: str, value: str, max_age_s: int) -> Cookie:
    return own_cookie(what, value, max_age_s, secure=parts_of(request).settings.cookie_secure)
