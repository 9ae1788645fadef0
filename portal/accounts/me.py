"""Whose token this is, for programs. HTTP only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Response, get

from portal.accounts import owners
from portal.accounts.owners import ActsFor
from portal.auth import VisitorRequest
from portal.parts import parts_of
from portal.programs.etags import UNCHANGED, tagged
from schema.database import reading


@dataclass(frozen=True, slots=True)
class AccountAnswer:
    """The account behind the token. `owners` are those whose inverters it may see, and in what role.

    `delete_after` is when the account goes, null where nobody asked for its deletion.
    """

    id: UUID
    email: str
    display_name: str
    language: str
    is_admin: bool
    is_installer: bool
    delete_after: datetime | None
    owners: list[ActsFor]


@get("/api/account/me", operation_id="getAccount", responses=UNCHANGED, tags=["Account"], summary="Whose token this is")
async def me(request: VisitorRequest) -> Response[AccountAnswer]:
    """What a program may want to show of the account that it works for."""
    parts, visitor = parts_of(request), request.user
    async with reading(parts.sessions) as session:
        found = await owners.acts_for(session, visitor.account_id, parts.now())
    answer = AccountAnswer(
        id=visitor.account_id,
        email=visitor.email,
        display_name=visitor.display_name,
        language=visitor.language,
        is_admin=visitor.is_admin,
        is_installer=visitor.is_installer,
        delete_after=visitor.delete_after,
        owners=list(found),
    )
    return tagged(request, answer)


HANDLERS: list[Any] = [me]
