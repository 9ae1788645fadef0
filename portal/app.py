"""Wires the portal: every route, every layer in order, and the tasks that run beside them."""

import asyncio
import tomllib
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from argon2 import PasswordHasher
from litestar import Litestar, Router
from litestar.config.allowed_hosts import AllowedHostsConfig
from litestar.config.csrf import CSRFConfig
from litestar.datastructures import CacheControlHeader, State
from litestar.middleware import DefineMiddleware
from litestar.static_files import create_static_files_router
from litestar.template import TemplateConfig
from sqlalchemy.ext.asyncio import AsyncEngine

from portal import errors, health
from portal.accounts import api as accounts_api
from portal.accounts import passwords
from portal.accounts import routes as accounts
from portal.accounts.links import MailedLinks
from portal.accounts.passwords import Passwords
from portal.admin import routes as admin
from portal.auth import Auth, cookie_name, make_auth
from portal.credentials import routes as credentials
from portal.dashboard import routes as dashboard
from portal.dashboard.history import History
from portal.docs import openapi_config
from portal.gate import Gate
from portal.headers import security_headers
from portal.inverters import api as inverters_api
from portal.inverters import routes as inverters
from portal.keys import KeyUse, derived
from portal.live import LiveFeed
from portal.mail import FileTransport, Mailer, SmtpTransport, Transport
from portal.pairing import routes as pairing
from portal.parts import Clock, Parts, utc_now
from portal.template_files import STATIC
from portal.templating import template_engine
from portal.throttle import Throttle
from schema.database import Sessions
from schema.sealing import AesSealer
from schema.settings import PortalSettings
from schema.timeseries.port import SeriesReader

LARGEST_REQUEST_BYTES = 64 * 1024
STATIC_MAX_AGE_S = 3600

PAGES_OPEN = accounts.OPEN
PAGES_SIGNED_IN = [
    *accounts.SIGNED_IN,
    *dashboard.SIGNED_IN,
    *inverters.SIGNED_IN,
    *pairing.SIGNED_IN,
    *admin.SIGNED_IN,
]
PROGRAMS_OPEN = [health.healthcheck, accounts_api.log_in]
PROGRAMS_SIGNED_IN = [accounts_api.log_out, *inverters_api.HANDLERS, *credentials.HANDLERS]


def make_parts(
    settings: PortalSettings,
    *,
    sessions: Sessions,
    live_engine: AsyncEngine,
    reader: SeriesReader,
    now: Clock = utc_now,
    hasher: PasswordHasher | None = None,
    transport: Transport | None = None,
    say: Callable[[str], None],
) -> Parts:
    """The portal's surroundings. ``say`` gets each mail's subject and link where no mail server is named."""
    transport = transport or (
        SmtpTransport(settings) if settings.smtp_host else FileTransport(settings.outbox_dir, say)
    )
    profile = hasher or (passwords.SMALL_BOARD if settings.argon2_small_board else passwords.SERVER)
    return Parts(
        settings=settings,
        sessions=sessions,
        live_engine=live_engine,
        live_feed=LiveFeed(settings.live_url, live_engine),
        reader=reader,
        history=History(reader),
        sealer=AesSealer(settings.token_key.get_secret_value()),
        passwords=Passwords(profile),
        mailer=Mailer(sessions, transport, mail_from=settings.mail_from, now=now),
        throttle=Throttle(),
        links=MailedLinks(
            base_url=settings.base_url.rstrip("/"),
            key=derived(settings.auth_secret.get_secret_value(), KeyUse.MAILED_TOKENS),
        ),
        now=now,
    )


def create_app(parts: Parts) -> Litestar:
    """The application around its parts; nothing runs and nothing is opened before its lifespan begins."""
    settings = parts.settings
    auth = make_auth(settings)
    csrf = _csrf(settings)
    return Litestar(
        route_handlers=[*_routers(auth, DefineMiddleware(Gate, config=csrf))],
        state=State({"parts": parts, "auth": auth}),
        lifespan=[_beside(parts)],
        exception_handlers={Exception: errors.answer},
        template_config=TemplateConfig(instance=template_engine()),
        csrf_config=csrf,
        allowed_hosts=_allowed_hosts(settings),
        before_send=[security_headers(secure=settings.cookie_secure)],
        openapi_config=openapi_config(_version(), auth.api.openapi_components),
        request_max_body_size=LARGEST_REQUEST_BYTES,
        logging_config=None,
    )


def _routers(auth: Auth, gate: DefineMiddleware) -> list[Router]:
    """Four ways in: pages for everybody, pages with a cookie, programs for everybody, programs with a bearer token."""
    return [
        Router("/", route_handlers=PAGES_OPEN, include_in_schema=False, middleware=[auth.recognising, gate]),
        Router("/", route_handlers=PAGES_SIGNED_IN, include_in_schema=False, middleware=[auth.pages.middleware, gate]),
        # No cookie opens these, so no foreign page can ride on one: they need no form token.
        Router("/", route_handlers=PROGRAMS_OPEN, opt={"exclude_from_csrf": True}),
        Router(
            "/",
            route_handlers=PROGRAMS_SIGNED_IN,
            middleware=[auth.api.middleware],
            security=[auth.api.security_requirement],
            opt={"exclude_from_csrf": True},
        ),
        create_static_files_router(
            "/static",
            [STATIC],
            cache_control=CacheControlHeader(public=True, max_age=STATIC_MAX_AGE_S),
            opt={"exclude_from_csrf": True},
        ),
    ]


def _csrf(settings: PortalSettings) -> CSRFConfig:
    return CSRFConfig(
        secret=derived(settings.auth_secret.get_secret_value(), KeyUse.FORMS),
        cookie_name=cookie_name("csrf", secure=settings.cookie_secure),
        cookie_secure=settings.cookie_secure,
        cookie_httponly=True,
        cookie_samesite="lax",
    )


def _allowed_hosts(settings: PortalSettings) -> AllowedHostsConfig | None:
    """Only where the operator names hosts: at home a portal is reached by whatever name the network gives it."""
    named = [host.strip() for host in settings.allowed_hosts.split(",") if host.strip()]
    if not named:
        return None
    return AllowedHostsConfig(
        allowed_hosts=[*named, *(f"{host}:{settings.portal_port}" for host in named)], www_redirect=False
    )


def _beside(parts: Parts) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """The tasks that live as long as the application: mail, and the ear on the live rows."""

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncGenerator[None, None]:
        tasks = [
            asyncio.create_task(parts.mailer.run(), name="portal.mailer"),
            asyncio.create_task(parts.live_feed.run(), name="portal.live_feed"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return lifespan


def _version() -> str:
    """The distribution's; a checkout that runs without being installed says it in its project file."""
    try:
        return version("deye-hard")
    except PackageNotFoundError:
        project = Path(__file__).parent.parent / "pyproject.toml"
        if not project.is_file():
            return "unknown"
        return str(tomllib.loads(project.read_text())["project"]["version"])
