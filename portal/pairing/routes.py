"""The pairing page, a new secret, another login. HTTP only."""

from typing import Any
from uuid import UUID

from litestar import get, post
from litestar.datastructures import Cookie
from litestar.exceptions import ClientException, NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect, Template

from portal.accounts.fresh import FORM_PAGE, fresh_enough
from portal.auth import VisitorRequest
from portal.cookies import cookie_name, own_cookie
from portal.dashboard.numbers import of_reader
from portal.dashboard.production import power_of
from portal.headers import NEVER_STORED
from portal.inverters import service as inverters
from portal.inverters.service import Credentials, Enough, MadeMeanwhile
from portal.logins.forms import NewLogin
from portal.logins.routes import logins_page
from portal.pairing import handover, service
from portal.pairing.ladder import StepState, ladder
from portal.pairing.recipes import Broker, Connection, recipes
from portal.pairing.service import LoginState, Pairing
from portal.parts import Parts, parts_of
from portal.submitted import Submitted, check, submitted
from portal.templating import page, see_other
from schema.database import reading
from schema.topics import native

# With a login's secret somebody speaks for the inverter, long after the session that showed it has ended.
_SHOWS_A_SECRET: dict[str, Any] = {
    "guards": [fresh_enough],
    "opt": {FORM_PAGE: "/inverters/{inverter_id}/pairing"},
}

_COOKIE = "pairing"


@get("/inverters/{inverter_id:uuid}/pairing")
async def pairing(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Template:
    """Credentials (the secret once), settings to paste, and the ladder."""
    parts = parts_of(request)
    now = parts.now()
    async with reading(parts.sessions) as session:
        found = await service.pairing(session, parts.live_engine, request.user.account_id, inverter_id, now)
    if found is None:
        raise NotFoundException
    name = cookie_name(_COOKIE, secure=parts.settings.cookie_secure)
    fresh = handover.opened(
        request.cookies.get(name),
        parts.sealer,
        session_id=request.user.session_id,
        inverter_id=inverter_id,
        now=now,
    )
    shown = next((login for login in found.logins if fresh is None or login.name == fresh.login), None)
    secret = fresh.secret if fresh and shown else None
    context: dict[str, Any] = {"connection": None, "recipes": (), "native_topic": ""}
    if shown is not None:
        connection = Connection(broker_of(parts), shown.name, secret)
        context = {"connection": connection, "recipes": recipes(connection), "native_topic": native(shown.name)}
    return page(
        request,
        "pairing/pairing.html",
        headers=NEVER_STORED,
        cookies=[note_cookie(parts, _COOKIE, "", 0)] if name in request.cookies else None,
        logins=found.logins,
        login=shown,
        **_ladder(found, shown),
        **context,
    )


@get("/inverters/{inverter_id:uuid}/pairing/ladder")
async def ladder_part(request: VisitorRequest, inverter_id: FromPath[UUID], login: FromQuery[str] = "") -> Template:
    """The ladder alone, for the open page: it must not load itself again, for that would lose the secret it shows."""
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        found = await service.pairing(session, parts.live_engine, request.user.account_id, inverter_id, parts.now())
    if found is None:
        raise NotFoundException
    shown = next((one for one in found.logins if not login or one.name == login), None)
    return page(request, "pairing/ladder.html", headers=NEVER_STORED, **_ladder(found, shown))


def _ladder(found: Pairing, shown: LoginState | None) -> dict[str, Any]:
    progress = found.progress(shown.name if shown else "")
    steps = ladder(progress, login_applied=shown is not None and shown.applied)
    return {
        "inverter": found.inverter,
        "steps": steps,
        "arrived": steps[-1].state is StepState.DONE,
        "power": of_reader().power(power_of(found.row.values) if found.row else None),
    }


@post("/inverters/{inverter_id:uuid}/pairing/secret", **_SHOWS_A_SECRET)
async def renew_secret(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Redirect:
    """Make a new secret for the login named in the form; the old one stops working."""
    parts = parts_of(request)
    login = (await submitted(request)).values.get("login", "")
    async with parts.sessions.begin() as session:
        made = await service.renew_secret(session, request.user.account_id, inverter_id, login, parts.now())
    return shown_once(request, inverter_id, made)


@post("/inverters/{inverter_id:uuid}/pairing/logins", **_SHOWS_A_SECRET)
async def another_login(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Redirect | Template:
    """A login for a second program: two programs on one login would throw each other out for ever."""
    parts, typed = parts_of(request), check(NewLogin, await submitted(request))
    if isinstance(typed, Submitted):
        return await logins_page(request, inverter_id, form=typed)
    async with parts.sessions.begin() as session:
        try:
            made = await inverters.another_login(
                session,
                request.user.account_id,
                inverter_id,
                parts.now(),
                known=typed.known,
                label=typed.label or "",
            )
        except MadeMeanwhile:
            return see_other(f"/inverters/{inverter_id}/pairing")
        except Enough:
            raise ClientException(status_code=409) from None
    return shown_once(request, inverter_id, made)


def shown_once(request: VisitorRequest, inverter_id: UUID, credentials: Credentials | None) -> Redirect:
    """On to the pairing page with the credentials sealed in a cookie; 404 where there are none to show."""
    if credentials is None:
        raise NotFoundException
    parts = parts_of(request)
    value = handover.sealed(
        credentials,
        parts.sealer,
        session_id=request.user.session_id,
        inverter_id=inverter_id,
        now=parts.now(),
    )
    lifetime_s = int(handover.LIFETIME.total_seconds())
    return see_other(f"/inverters/{inverter_id}/pairing", cookies=[note_cookie(parts, _COOKIE, value, lifetime_s)])


def broker_of(parts: Parts) -> Broker:
    """Where devices reach the broker."""
    settings = parts.settings
    return Broker(settings.mqtt_public_host, settings.mqtt_public_port, settings.mqtt_public_tls)


def note_cookie(parts: Parts, name: str, value: str, max_age_s: int) -> Cookie:
    """A sealed note in the browser, for our own pages alone; of no age it is taken away."""
    return own_cookie(name, value, max_age_s, secure=parts.settings.cookie_secure, same_site="strict")


SIGNED_IN = [pairing, ladder_part, renew_secret, another_login]
