"""An owner's page of what was done with his account and his things. HTTP only."""

from zoneinfo import ZoneInfo

from litestar import get
from litestar.response import Template
from pydantic import BaseModel, ConfigDict, Field

from portal.accounts import profile
from portal.audit import Action
from portal.audit_log import reading as log
from portal.audit_log.reading import Entry
from portal.audit_log.sayings import saying
from portal.auth import VisitorRequest
from portal.dashboard.numbers import of_reader
from portal.parts import parts_of
from portal.submitted import Submitted, check
from portal.templating import page
from schema.database import reading

MOST = 2**53
_LIST = "/account/activity"


# What an owner is told of an entry: names that he knows. Ids of others, serials and addresses of hosts are not.
_TOLD = ("name", "after", "login", "role")
_NOT_TOLD = (Action.CLAIM_SETTLED, Action.OWNER_MOVE_ASKED, Action.OWNER_MOVED)


class _Place(BaseModel):
    """Where in the log: below one number or above another. 0 is the beginning."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    before: int = Field(default=0, ge=0, le=MOST)
    after: int = Field(default=0, ge=0, le=MOST)


@get(_LIST)
async def activity(request: VisitorRequest) -> Template:
    """What was done with the account, by whom in so many words, the newest first."""
    parts, account_id = parts_of(request), request.user.account_id
    typed = Submitted({name: value for name, value in request.query_params.items() if isinstance(value, str)})
    place = check(_Place, typed)
    wanted = _Place() if isinstance(place, Submitted) else place
    async with reading(parts.sessions) as session:
        part = await log.of_account(session, account_id, parts.now(), before=wanted.before, after=wanted.after)
        zone = await profile.zone_of(session, account_id, parts.now())
    return page(
        request,
        "admin/activity.html",
        part=part,
        zone=ZoneInfo(zone),
        saying=saying,
        told=_told,
        numbers=of_reader(),
        now=parts.now(),
    )


def _told(entry: Entry) -> list[str]:
    """The details that mean something to an owner, where they are short words."""
    if entry.action in _NOT_TOLD:
        return []
    return [value for name in _TOLD if isinstance(value := entry.details.get(name), str) and value]


SIGNED_IN = [activity]
