"""The original's ``/auth/jwt`` addresses: a bearer token for a password, and its end."""

from dataclasses import dataclass, field
from typing import Any

from litestar import Request, Response, post
from litestar.exceptions import (
    NotAuthorizedException,
    PermissionDeniedException,
    TooManyRequestsException,
    ValidationException,
)
from litestar.params import URLEncodedBody

from portal import limits
from portal.accounts.at_the_door import CodeWanted, enter, leave
from portal.accounts.second_door import enter_with_code, password_mark
from portal.auth import VisitorRequest, auth_of
from portal.errors import problem
from portal.headers import NEVER_STORED
from portal.parts import parts_of
from portal.programs.bodies import LONGEST_FIELD
from schema.models import Audience

_CHALLENGE = {"WWW-Authenticate": "Bearer", **NEVER_STORED}
_WRONG = "User name and password do not fit."
_CODE_WANTED = "This account has a second factor: send its present code, or a recovery code, as the field otp."
_CODE_REFUSED = "The code in the field otp does not fit, or it was used already."


@dataclass(frozen=True, slots=True)
class BearerToken:
    """What a program sends as ``Authorization: Bearer <access_token>``."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105  # the name of a scheme


@dataclass(frozen=True, slots=True)
class PasswordForm:
    """`username` is the account's e-mail address, `otp` the code of its second factor where it has one. Other fields
    of OAuth 2's password style are ignored.
    """

    username: str
    password: str = field(repr=False)
    otp: str = field(default="", repr=False)


@post(
    "/auth/jwt/login",
    operation_id="logIn",
    status_code=200,
    middleware=[limits.LOG_IN],
    tags=["Log-in"],
    summary="Get a bearer token for an e-mail address and its password",
    security=[],
    raises=[NotAuthorizedException, TooManyRequestsException],
)
async def log_in(request: Request[Any, Any, Any], data: URLEncodedBody[PasswordForm]) -> Response[BearerToken]:
    """The token lives two days, or until its log-out, or until the password is set anew."""
    longest = max(len(data.username), len(data.password), len(data.otp))
    if not data.username or not data.password or longest > LONGEST_FIELD:
        raise ValidationException("A form with the fields username and password is needed.")
    row = await enter(request, data.username, data.password, Audience.API)
    if isinstance(row, CodeWanted):
        if not data.otp:
            return problem(401, _CODE_WANTED, _CHALLENGE, otp="required")
        mark = password_mark(parts_of(request), row.password_hash)
        row = await enter_with_code(request, row.account_id, mark, data.otp, Audience.API)
        if row is None:
            return problem(401, _CODE_REFUSED, _CHALLENGE, otp="refused")
    if row is None:
        return problem(401, _WRONG, _CHALLENGE)
    return Response(BearerToken(auth_of(request).bearer_token(row)), headers=NEVER_STORED)


@post(
    "/auth/jwt/logout",
    operation_id="logOut",
    status_code=204,
    middleware=[limits.ENDING],
    tags=["Log-in"],
    summary="End the token that asks",
    raises=[PermissionDeniedException, TooManyRequestsException],
)
async def log_out(request: VisitorRequest) -> None:
    """It opens nothing from now on; other tokens of the account live on."""
    await leave(request)
