"""The original's ``/auth/jwt`` addresses: a bearer token for a password, and its end."""

from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, post
from litestar.exceptions import NotAuthorizedException, ValidationException

from portal import limits
from portal.accounts import sessions
from portal.accounts.at_the_door import enter
from portal.auth import VisitorRequest, auth_of
from portal.headers import NEVER_STORED
from portal.parts import parts_of
from portal.submitted import submitted
from schema.models import Audience

_MAX_LENGTH = 254


@dataclass(frozen=True, slots=True)
class BearerToken:
    """What a program sends as ``Authorization: Bearer <access_token>``."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105  # the name of a scheme


@post("/auth/jwt/login", status_code=200, middleware=[limits.LOG_IN], tags=["Log-in"], security=[])
async def log_in(request: Request[Any, Any, Any]) -> Response[BearerToken]:
    """Send `username` (the e-mail) and `password` as a form (OAuth 2 password style; other fields are ignored)."""
    form = (await submitted(request)).values
    email, password = form.get("username", ""), form.get("password", "")
    if not email or not password or max(len(email), len(password)) > _MAX_LENGTH:
        raise ValidationException("A form with the fields username and password is needed.")
    row = await enter(request, email, password, Audience.API)
    if row is None:
        raise NotAuthorizedException("User name and password do not fit.")
    return Response(BearerToken(auth_of(request).bearer_token(row)), headers=NEVER_STORED)


@post("/auth/jwt/logout", status_code=204, tags=["Log-in"])
async def log_out(request: VisitorRequest) -> None:
    """End the token that asks."""
    parts = parts_of(request)
    async with parts.sessions.begin() as session:
        await sessions.end(session, request.user.account_id, request.user.session_id)
