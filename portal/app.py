"""Wires the portal: every route, every layer in order, and the tasks that run beside them."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from argon2 import PasswordHasher
from litestar import Litestar, Router
from litestar.config.csrf import CSRFConfig
from litestar.datastructures import CacheControlHeader, State
from litestar.middleware import DefineMiddleware
from litestar.static_files import create_static_files_router
from litestar.template import TemplateConfig
from sqlalchemy.ext.asyncio import AsyncEngine

from portal import errors, health, limits, words
from portal.accounts import api as accounts_api
from portal.accounts import (
    change_routes,
    deletion_routes,
    key_pages,
    me,
    passwords,
    profile_routes,
    prove,
    second_door,
    security_pages,
)
from portal.accounts import routes as accounts
from portal.accounts.fresh import ProofNeeded, send_to_prove
from portal.accounts.links import MailedLinks
from portal.accounts.passwords import Passwords
from portal.accounts.sweeper import Sweeper
from portal.admin import routes as admin
from portal.audit_log import routes as audit_log
from portal.audit_log.sealer import AuditSealer
from portal.auth import Auth, make_auth
from portal.by_script import redirects_for_scripts
from portal.cookies import cookie_name
from portal.credentials import routes as credentials
from portal.dashboard import api as dashboard_api
from portal.dashboard import routes as dashboard
from portal.dashboard.history import History
from portal.dead_letters import routes as dead_letters
from portal.docs import openapi_config
from portal.fleet import routes as fleet
from portal.found import routes as found
from portal.gate import Gate
from portal.headers import security_headers
from portal.hosts import only_named
from portal.inverters import api as inverters_api
from portal.inverters import routes as inverters
from portal.keys import KeyUse, derived
from portal.live import LiveFeed
from portal.logins import routes as logins
from portal.mail import FileTransport, Mailer, SmtpTransport, Transport
from portal.notices import routes as notices
from portal.notices.mailing import NoticeMails
from portal.pairing import routes as pairing
from portal.parts import Clock, Parts, utc_now
from portal.programs.strict import only_as_described
from portal.serials import routes as serials
from portal.serials.desk import SerialDesk
from portal.serials.silence import Silence
from portal.sharing import link_routes as invitations
from portal.sharing import routes as sharing
from portal.sites import routes as sites
from portal.spoken import Spoken, language_headers
from portal.template_files import STATIC
from portal.templating import template_engine
from portal.throttle import Throttle
from portal.tries import Tries
from portal.versions import own_version
from schema.database import Sessions
from schema.sealing import AesSealer
from schema.settings import PortalSettings
from schema.timeseries.port import SeriesReader

LARGEST_REQUEST_BYTES = 64 * 1024
STATIC_MAX_AGE_S = 3600

PAGES_OPEN = [*accounts.OPEN, *second_door.OPEN, *change_routes.OPEN, *deletion_routes.OPEN, *invitations.OPEN]
PAGES_SIGNED_IN = [
    *accounts.SIGNED_IN,
    *profile_routes.SIGNED_IN,
    *change_routes.SIGNED_IN,
    *deletion_routes.SIGNED_IN,
    *prove.SIGNED_IN,
    *security_pages.SIGNED_IN,
    *key_pages.SIGNED_IN,
    *dashboard.SIGNED_IN,
    *inverters.SIGNED_IN,
    *pairing.SIGNED_IN,
    *logins.SIGNED_IN,
    *notices.SIGNED_IN,
    *serials.SIGNED_IN,
    *found.SIGNED_IN,
    *sharing.SIGNED_IN,
    *invitations.SIGNED_IN,
    *sites.SIGNED_IN,
    *fleet.SIGNED_IN,
    *admin.SIGNED_IN,
    *dead_letters.SIGNED_IN,
    *audit_log.SIGNED_IN,
]
PROGRAMS_OPEN = [health.healthcheck, health.live_check, health.ready_check, accounts_api.log_in]
PROGRAMS_SIGNED_IN = [
    accounts_api.log_out,
    *me.HANDLERS,
    *inverters_api.HANDLERS,
    *dashboard_api.HANDLERS,
    *credentials.HANDLERS,
]


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
    tries = Tries(sessions, derived(settings.auth_secret.get_secret_value(), KeyUse.TRIES))
    profile = hasher or (passwords.SMALL_BOARD if settings.argon2_small_board else passwords.SERVER)
    sealer = AesSealer(*settings.token_keys)
    return Parts(
        settings=settings,
        sessions=sessions,
        live_engine=live_engine,
        live_feed=LiveFeed(settings.live_url, live_engine),
        reader=reader,
        history=History(reader),
        sealer=sealer,
        passwords=Passwords(profile),
        mailer=Mailer(sessions, transport, sealer=sealer, mail_from=settings.mail_from, now=now),
        tries=tries,
        throttle=Throttle(tries),
        links=MailedLinks(
            base_url=settings.base_url.rstrip("/"),
            key=derived(settings.auth_secret.get_secret_value(), KeyUse.MAILED_TOKENS),
            sealer=sealer,
        ),
        now=now,
    )


def create_app(parts: Parts) -> Litestar:
    """The application around its parts; nothing runs and nothing is opened before its lifespan begins."""
    settings = parts.settings
    auth = make_auth(settings)
    csrf = _csrf(settings)
    words.load()
    remember = language_headers(secure=settings.cookie_secure)
    return Litestar(
        route_handlers=[*_routers(auth, DefineMiddleware(Gate, config=csrf))],
        state=State({"parts": parts, "auth": auth}),
        lifespan=[_beside],
        exception_handlers={ProofNeeded: send_to_prove, Exception: errors.answer},
        template_config=TemplateConfig(instance=template_engine()),
        csrf_config=csrf,
        middleware=only_named(settings),
        before_send=[
            security_headers(secure=settings.cookie_secure, session_cookie=auth.pages.key),
            remember,
            redirects_for_scripts,
        ],
        openapi_config=openapi_config(own_version(), auth.api.openapi_components),
        request_max_body_size=LARGEST_REQUEST_BYTES,
        logging_config=None,
    )


def _routers(auth: Auth, gate: DefineMiddleware) -> list[Router]:
    """Four ways in: pages for everybody, pages with a cookie, programs for everybody, programs with a bearer token."""
    return [
        Router("/", route_handlers=PAGES_OPEN, include_in_schema=False, middleware=[auth.recognising, Spoken, gate]),
        Router(
            "/",
            route_handlers=PAGES_SIGNED_IN,
            include_in_schema=False,
            guards=[limits.not_too_many_acts],
            middleware=[auth.pages.middleware, Spoken, gate],
        ),
        # No cookie opens these, so no foreign page can ride on one: they need no form token.
        Router("/", route_handlers=PROGRAMS_OPEN, guards=[only_as_described], opt={"exclude_from_csrf": True}),
        Router(
            "/",
            route_handlers=PROGRAMS_SIGNED_IN,
            guards=[only_as_described],
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


@asynccontextmanager
async def _beside(app: Litestar) -> AsyncGenerator[None, None]:
    """The tasks that live as long as the application: mail, the ear on the live rows, and what falls due by itself."""
    parts: Parts = app.state.parts
    sessions, now = parts.sessions, parts.now
    work = {
        "mailer": parts.mailer.run(),
        "live_feed": parts.live_feed.run(),
        "accounts": Sweeper(sessions, now).run(),
        "notices": NoticeMails(sessions, parts.links, parts.mailer, now).run(),
        "serials": SerialDesk(sessions, parts.links, parts.mailer, parts.tries, now).run(),
        "silence": Silence(sessions, parts.live_engine, parts.reader, parts.sealer, now).run(),
        "audit_sealer": AuditSealer(sessions, now=now).run(),
    }
    tasks = [asyncio.create_task(one, name=f"portal.{name}") for name, one in work.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
