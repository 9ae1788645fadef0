"""Who may enter: a cookie for pages, a bearer token for ``/api`` and the original's addresses, never one for the other.

An API key is a bearer token too, for reading below ``/api`` and for nothing else; so is a collector's key, for the
credential endpoint's addresses alone. A token says only which session row to look for; what its bearer may do is read
from the database at each request.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, State
from litestar.exceptions import NotAuthorizedException, NotFoundException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.middleware import DefineMiddleware
from litestar.middleware.authentication import AuthenticationResult
from litestar.security.jwt import (
    JWTAuth,
    JWTAuthenticationMiddleware,
    JWTCookieAuth,
    JWTCookieAuthenticationMiddleware,
    Token,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from portal.accounts import api_keys, sessions
from portal.accounts.sessions import LIFETIME, Visitor
from portal.cookies import cookie_name, own_cookie
from portal.credentials import identities
from portal.credentials.door import FOR_COLLECTORS, STOPPED, CollectorVisitor, collector_at
from portal.keys import KeyUse, derived
from portal.parts import Parts, parts_of
from schema.database import reading
from schema.models import Audience, LoginSession
from schema.settings import PortalSettings

_log = structlog.get_logger(__name__)

VisitorRequest = Request[Visitor, Token, State]
Connection = ASGIConnection[Any, Any, Any, Any]

BEARER_SCHEME = "BearerToken"
KEY_PATHS = "/api/"

SESSION = "session"
_REQUIRED_CLAIMS = ("jti", "exp", "sub", "aud")
# HEAD answers like GET, so it asks like GET.
_OPEN_METHODS: list[Any] = ["OPTIONS"]


class _CookieOnly(JWTCookieAuthenticationMiddleware):
    """Pages look at the cookie alone; Litestar's own class would take a header first."""

    async def authenticate_request(self, connection: Connection) -> AuthenticationResult:
        """Raises ``NotAuthorizedException`` where the cookie is missing or opens nothing."""
        cookie = connection.cookies.get(self.auth_cookie_key)
        if not cookie:
            raise NotAuthorizedException("Please log in.")
        return await self.authenticate_token(encoded_token=cookie, connection=connection)


class _CookieMaybe(_CookieOnly):
    """For pages that everybody may see: who is signed in is recognised, who is not is nobody."""

    async def authenticate_request(self, connection: Connection) -> AuthenticationResult:
        """Never raises for a missing or worthless cookie."""
        try:
            return await super().authenticate_request(connection)
        except NotAuthorizedException:
            return AuthenticationResult(user=None, auth=None)


class _TokenOrKey(JWTAuthenticationMiddleware):
    """Programs bring the token of a log-in, an API key where only reading is asked for, or a collector's key."""

    async def authenticate_request(self, connection: Connection) -> AuthenticationResult:
        """Raises ``NotAuthorizedException``, and ``PermissionDeniedException`` for a good key at a wrong address."""
        scheme, _, presented = connection.headers.get(self.auth_header, "").partition(" ")
        if identities.looks_like_a_key(presented):
            return await _collector(presented, connection, scheme)
        if not api_keys.looks_like_a_key(presented):
            return await super().authenticate_request(connection)
        visitor = await _key_visitor(presented, connection) if scheme.lower() == "bearer" else None
        if visitor is None:
            raise NotAuthorizedException("This API key opens nothing.")
        if connection.scope.get("method") != "GET" or not str(connection.scope["path"]).startswith(KEY_PATHS):
            raise PermissionDeniedException("An API key may read below /api and do nothing else.")
        return AuthenticationResult(user=visitor, auth=None)


async def _collector(presented: str, connection: Connection, scheme: str) -> AuthenticationResult:
    visitor = await collector_at(connection, presented) if scheme.lower() == "bearer" else None
    if visitor is None:
        raise NotAuthorizedException("This key opens nothing.")
    if not connection.route_handler.opt.get(FOR_COLLECTORS):
        raise PermissionDeniedException("A collector asks for write tokens, tells metadata and does nothing else.")
    return AuthenticationResult(user=visitor, auth=None)


async def _key_visitor(presented: str, connection: Connection) -> Visitor | None:
    parts, now = parts_of(connection), parts_of(connection).now()
    key = derived(parts.settings.auth_secret.get_secret_value(), KeyUse.API_KEYS)
    async with reading(parts.sessions) as session:
        found = await api_keys.visitor(session, presented, key=key, now=now)
    if found and api_keys.is_due(found.last_used_at, now):
        await _noted(parts, lambda session: api_keys.note_used(session, found.session_id, now=now))
    return found


async def _visitor(token: Token, connection: Connection, audience: Audience) -> Visitor | None:
    parts = parts_of(connection)
    try:
        account_id, session_id = UUID(token.sub), UUID(str(token.jti))
    except ValueError:
        return None
    now = parts.now()
    async with reading(parts.sessions) as session:
        found = await sessions.visitor(session, account_id, session_id, audience=audience, now=now)
    if found and sessions.is_due(found.seen_at, now):
        await _noted(parts, lambda session: sessions.note_seen(session, session_id, now=now))
    return found


async def _noted(parts: Parts, note: Callable[[AsyncSession], Awaitable[None]]) -> None:
    """That somebody was here. The request is answered all the same where this cannot be written."""
    try:
        async with parts.sessions.begin() as session:
            await note(session)
    except SQLAlchemyError as error:
        _log.warning("session.not_noted", error=type(error).__name__)


async def _page_visitor(token: Token, connection: Connection) -> Visitor | None:
    return await _visitor(token, connection, Audience.PAGE)


async def _api_visitor(token: Token, connection: Connection) -> Visitor | None:
    return await _visitor(token, connection, Audience.API)


@dataclass(frozen=True, slots=True)
class Auth:
    """Both ways in, made once from the settings."""

    pages: JWTCookieAuth[Visitor, Token] = field(repr=False)
    api: JWTAuth[Visitor, Token] = field(repr=False)
    secure: bool

    @property
    def recognising(self) -> DefineMiddleware:
        """The layer of pages that need no log-in but show who is there."""
        return replace(self.pages, authentication_middleware_class=_CookieMaybe).middleware

    def page_cookie(self, row: LoginSession) -> Cookie:
        """The cookie that signs this device in; scripts cannot read it."""
        return self._cookie(_token(self.pages, row), int(LIFETIME.total_seconds()))

    def renewed_cookies(self, row: LoginSession | None) -> list[Cookie]:
        """For a device that goes on under another id; none where its session has ended meanwhile."""
        return [self.page_cookie(row)] if row else []

    def farewell_cookie(self) -> Cookie:
        """The cookie's end."""
        return self._cookie("", 0)

    def bearer_token(self, row: LoginSession) -> str:
        """What ``/api`` wants in its Authorization header."""
        return _token(self.api, row)

    def _cookie(self, value: str, max_age_s: int) -> Cookie:
        return own_cookie(SESSION, value, max_age_s, secure=self.secure)


def _token(auth: JWTAuth[Visitor, Token] | JWTCookieAuth[Visitor, Token], row: LoginSession) -> str:
    return auth.create_token(
        identifier=str(row.account_id),
        token_expiration=row.expires_at - datetime.now(UTC),
        token_audience=row.audience,
        token_unique_jwt_id=str(row.id),
    )


def make_auth(settings: PortalSettings) -> Auth:
    """Separate keys and audiences: a page's token opens no API, an API's token no page."""
    secret = settings.auth_secret.get_secret_value()
    return Auth(
        pages=JWTCookieAuth[Visitor, Token](
            token_secret=derived(secret, KeyUse.PAGE_SESSIONS),
            retrieve_user_handler=_page_visitor,
            exclude_http_methods=_OPEN_METHODS,
            authentication_middleware_class=_CookieOnly,
            accepted_audiences=[Audience.PAGE],
            require_claims=_REQUIRED_CLAIMS,
            key=cookie_name(SESSION, secure=settings.cookie_secure),
        ),
        api=JWTAuth[Visitor, Token](
            token_secret=derived(secret, KeyUse.API_SESSIONS),
            retrieve_user_handler=_api_visitor,
            exclude_http_methods=_OPEN_METHODS,
            authentication_middleware_class=_TokenOrKey,
            accepted_audiences=[Audience.API],
            require_claims=_REQUIRED_CLAIMS,
            openapi_security_scheme_name=BEARER_SCHEME,
            description="Get one from `/auth/jwt/login`. It lives two days, or until `/auth/jwt/logout`. An API key "
            "(`deye_...`, made on the page /account/keys) does as well wherever a GET reads below `/api`.",
        ),
        secure=settings.cookie_secure,
    )


def auth_of(connection: Connection) -> Auth:
    """The application's two ways in."""
    auth: Auth = connection.app.state.auth
    return auth


async def only_admins_find_this(connection: Connection, _: BaseRouteHandler) -> None:
    """A guard: for everybody else there is nothing here."""
    if not connection.user.is_admin:
        raise NotFoundException


async def only_installers_find_this(connection: Connection, _: BaseRouteHandler) -> None:
    """A guard: whom no administrator has made an installer finds nothing here."""
    if not connection.user.is_installer:
        raise NotFoundException


async def only_collectors(connection: Connection, _: BaseRouteHandler) -> None:
    """A guard for addresses that outside collectors call: a collector's key, or an administrator's token, where the
    settings allow that.
    """
    if isinstance(connection.user, CollectorVisitor):
        if connection.user.stopped:
            raise PermissionDeniedException(STOPPED)
        return
    settings = parts_of(connection).settings
    if not (connection.user.is_admin and settings.admin_bearer_reads_influx_tokens):
        raise PermissionDeniedException("This token may not ask for that.")
