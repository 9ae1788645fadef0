"""The portal's task that ends accounts: deletions that are due, sign-ups nobody confirmed, what has run out."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import delete, select

from portal import tries
from portal.accounts import deletion
from portal.accounts.changes import forget_unconfirmed
from portal.mail import KEEP_SENT
from portal.turns import again_and_again
from schema.database import Sessions, reading
from schema.models import Account, EmailToken, Invitation, LoginSession, OutboxMail

_log = structlog.get_logger(__name__)

EVERY_S = 600.0
UNCONFIRMED_FOR = timedelta(days=7)
KEEP_SPENT = timedelta(days=7)
_AT_ONCE = 50


class Sweeper:
    """One per portal; of several on one database each row is ended by one of them."""

    def __init__(self, sessions: Sessions, now: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._now = now

    async def run(self) -> None:
        """Sweep until cancelled; a turn that fails is logged and the next one tries again."""
        await again_and_again(self.sweep, every_s=EVERY_S, log=_log, failed="accounts.sweep_failed")

    async def sweep(self) -> int:
        """One turn, in small transactions; returns how many accounts were deleted because they asked for it."""
        now, erased = self._now(), 0
        async with reading(self._sessions) as session:
            doomed = await deletion.due(session, now=now, most=_AT_ONCE)
        for account_id in doomed:
            erased += await self._erase(account_id, now)
        if erased:
            _log.info("accounts.deleted", accounts=erased)
        await self._forget_unconfirmed(now)
        async with self._sessions.begin() as session:
            await session.execute(delete(EmailToken).where(EmailToken.expires_at < now - KEEP_SPENT))
            await session.execute(delete(Invitation).where(Invitation.expires_at < now - KEEP_SPENT))
            await session.execute(delete(LoginSession).where(LoginSession.expires_at <= now))
            await tries.sweep(session, now=now)
            # The mailer sweeps too, but only when it has something to send.
            await session.execute(delete(OutboxMail).where(OutboxMail.sent_at < now - KEEP_SENT))
        return erased

    async def _erase(self, account_id: UUID, now: datetime) -> bool:
        try:
            async with self._sessions.begin() as session:
                return await deletion.erase(session, account_id, now=now)
        except Exception:  # noqa: BLE001  # one turn of a loop: one account's trouble holds up no other
            _log.exception("accounts.deletion_failed", account=str(account_id))
            return False

    async def _forget_unconfirmed(self, now: datetime) -> None:
        statement = (
            select(Account.id)
            .where(
                Account.verified_at.is_(None),
                # It is what keeps somebody out: without its row he would sign up anew.
                Account.disabled_at.is_(None),
                Account.created_at < now - UNCONFIRMED_FOR,
            )
            .order_by(Account.created_at)
            .limit(_AT_ONCE)
        )
        async with reading(self._sessions) as session:
            forgotten = (await session.scalars(statement)).all()
        for account_id in forgotten:
            async with self._sessions.begin() as session:
                await forget_unconfirmed(session, account_id)
