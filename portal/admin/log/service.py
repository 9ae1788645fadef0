"""The audit log for an administrator: entries by who, what, about what and when; and the chain's head."""

from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncSession

from portal.accounts import service as accounts
from portal.admin.log.forms import LogSearch
from portal.audit import ActorKind
from portal.audit_log import reading, sealer
from portal.audit_log.reading import Part, Wanted


@dataclass(frozen=True, slots=True)
class Head:
    """The newest seal."""

    number: int
    hash: str


async def found(session: AsyncSession, search: LogSearch) -> Part:
    """A part of the log; the caller has made sure that an administrator asks."""
    wanted = Wanted(action=search.action, subject=search.q, since=search.since_at, until=search.until_at)
    if search.who in list(ActorKind):
        wanted = replace(wanted, actor=search.who)
    elif search.who:
        account = None if search.who_id else await accounts.find(session, search.who)
        account_id = search.who_id or (account.id if account else None)
        if account_id is None:
            return Part((), None, None)
        wanted = replace(wanted, actor_id=account_id)
    return await reading.found(session, wanted, before=search.before, after=search.after)


async def head(session: AsyncSession) -> Head:
    """What to write down elsewhere."""
    return Head(*(await sealer.newest(session)))
