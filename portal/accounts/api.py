"""The original's ``/auth/jwt`` addresses: a bearer token for a password, and its end."""

from dataclasses import dataclass, field
from typing import Any

from litestar import Request, Response, post
from litestar.exceptions import NotAuthorizedException, ValidationException
from litestar.params import URLEncodedBody

from portal import limits
from portal.accounts import sessions
from portal.accounts.at_the_door import enter
from portal.auth import VisitorRequest, auth_of
from portal.headers import NEVER_STORED
from portal.parts import parts_of
from schema.models import Audience

_MAX_LENGTH = 254


@dataclass(frozen=True, slots=True)
class BearerToken:
    """What a program sends as ``Authorization: Bearer <access_token>``."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105  # the name of a scheme


@dataclass(frozen=True, slots=True)
class PasswordForm:
    """`username` is the account's e-mail address. Other fields of OAuth 2's password style are ignored."""

    username: str
    password: str = field(repr=False)


@post(
    "/auth/jwt/login",
    status_code=200,
    middleware=[limits.LOG_IN],
    tags=["Log-in"],
    summary="Get a bearer token for an e-mail address and its password",
    security=[],
)
async def log_in(request: Request[Any, Any, Any], data: URLEncodedBody[PasswordForm]) -> Response[BearerToken]:
    """The token lives two days, or until its log-out, or until the password is set anew."""
    if not data.username or not data.password or max(len(data.username), len(data.password)) > _MAX_LENGTH:
        raise ValidationException("A form with the fields username and password is needed.")
    row = await enter(request, data.username, data.password, Audience.API)
    if row is None:
        raise NotAuthorizedException("User name and password do not fit.")
    return Response(BearerToken(auth_of(request).bearer_token(row)), headers=NEVER_STORED)


@post("/auth/jwt/logout", status_code=204, tags=["Log-in"], summary="End the token that asks")
async def log_out(request: VisitorRequest) -> None:
    """It opens nothing from now on; other tokens of the account live on."""
    parts = parts_of(request)
    async with parts.sessions.begin() as session:
        await sessions.end(session, request.user.account_id, request.user.session_id)
