"""Hiding a notice. HTTP only; the pages that show notices are others'."""

from uuid import UUID

from litestar import post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from portal.auth import VisitorRequest
from portal.landing import safe_next
from portal.notices import service
from portal.parts import parts_of
from portal.submitted import submitted
from portal.templating import see_other


@post("/notices/{notice_id:uuid}/hide")
async def hide(request: VisitorRequest, notice_id: FromPath[UUID]) -> Redirect:
    """It was read: back to the page it stood on."""
    parts, back = parts_of(request), (await submitted(request)).values.get("next")
    async with parts.sessions.begin() as session:
        if not await service.hide(session, request.user.account_id, notice_id, parts.now()):
            raise NotFoundException
    return see_other(safe_next(back))


SIGNED_IN = [hide]
