"""Log-in, for pages and for programs: the pause between tries, the password, the new session."""

from datetime import timedelta
from math import ceil
from typing import Any

import structlog
from litestar import Request
from litestar.exceptions import TooManyRequestsException

from portal.accounts import service, sessions
from portal.accounts.forms import email_key
from portal.parts import parts_of
from schema.database import reading
from schema.models import Audience, LoginSession

_log = structlog.get_logger(__name__)


async def enter(request: Request[Any, Any, Any], email: str, password: str, audience: Audience) -> LoginSession | None:
    """A new session, or None: unknown address, wrong password or unconfirmed address, which nobody can tell apart.

    Raises ``TooManyRequestsException`` with the seconds to wait; then nothing was checked.
    """
    parts = parts_of(request)
    address, key, now = request.client.host if request.client else "", email_key(email.strip()), parts.now()
    wait = parts.throttle.try_now(address, key, now)
    if wait > timedelta(0):
        seconds = ceil(wait.total_seconds())
        raise TooManyRequestsException(headers={"Retry-After": str(seconds)})
    async with reading(parts.sessions) as session:
        account = await service.find(session, email.strip())
    # A password costs the same whether there is an account or not.
    fits = await parts.passwords.fits(account.password_hash if account else None, password)
    if account is None or not fits or account.verified_at is None:
        parts.throttle.failed(key, now)
        _log.info("login.refused", audience=audience)
        return None
    parts.throttle.succeeded(address, key)
    outdated = parts.passwords.outdated(account.password_hash)
    renewed = await parts.passwords.hashed(password) if outdated else account.password_hash
    async with parts.sessions.begin() as session:
        if outdated:
            await service.keep_hash(session, account.id, renewed, instead_of=account.password_hash)
        return await sessions.begin(
            session, account.id, audience=audience, user_agent=request.headers.get("user-agent", ""), now=now
        )
