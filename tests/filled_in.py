"""Forms as each visitor of the stage fills them in so that they succeed, by method and path of the route.

What a form needs (a mailed token, a second factor, another account) is made for each request anew.
"""

import html
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from uuid import UUID, uuid4

import pyotp
from sqlalchemy import update

from schema.models import Account, Collector, FoundDevice, Login, TokenPurpose
from tests.factors import switched_on
from tests.people import PASSWORD, login_of
from tests.stage import SERIAL, Stage

Where = Mapping[str, object]
Typed = Callable[[Stage, str, Where], Awaitable[dict[str, str]]]
_HIDDEN = re.compile(r'name="(offer|instead_of)" value="([^"]+)"')
_TOTP = re.compile(r"secret=([A-Z2-7]{32})")


def _always(**typed: str) -> Typed:
    async def form(_: Stage, __: str, ___: Where) -> dict[str, str]:
        return typed

    return form


def _mailed(purpose: TokenPurpose) -> Typed:
    """A token of somebody else, for the forms that mails lead to."""

    async def form(stage: Stage, visitor: str, _: Where) -> dict[str, str]:
        leaving = {"delete_after": stage.portal.clock() + timedelta(days=7)}
        columns = leaving if purpose is TokenPurpose.CANCEL_DELETION else {}
        who = await stage.newcomer(verified=purpose is not TokenPurpose.VERIFY, **columns)
        new_email = f"{uuid4().hex}@example.net" if purpose is TokenPurpose.UNDO_EMAIL else ""
        typed = {"token": await stage.token(who.id, purpose, new_email)}
        return typed | ({"password": "ten blue kettles"} if purpose is TokenPurpose.RESET else {})

    return form


async def _own_new_address(stage: Stage, visitor: str, _: Where) -> dict[str, str]:
    address = f"{visitor}@example.net"
    who = stage.people[visitor].account_id if visitor in stage.people else stage.cast.nobody.account_id
    known = visitor not in ("nobody", "key")
    return {"token": await stage.token(who, TokenPurpose.CHANGE_EMAIL, address) if known else "x"}


async def _known(stage: Stage, visitor: str, _: Where) -> dict[str, str]:
    return {"email": (await stage.newcomer()).email}


async def _unconfirmed(stage: Stage, visitor: str, _: Where) -> dict[str, str]:
    return {"email": (await stage.newcomer(verified=False)).email}


async def _log_in(stage: Stage, visitor: str, _: Where) -> dict[str, str]:
    return {"email": (await stage.newcomer()).email, "password": PASSWORD}


async def _program_log_in(stage: Stage, visitor: str, _: Where) -> dict[str, str]:
    return {"username": (await stage.newcomer()).email, "password": PASSWORD}


async def _second_step(stage: Stage, visitor: str, _: Where) -> dict[str, str]:
    """The visitor gives somebody's password first, and then a code that fits; who is signed in stays that meanwhile."""
    who, http = await stage.newcomer(), stage.people[visitor].http
    secret = pyotp.random_base32()
    sealed = stage.portal.parts.sealer.seal(secret, row=f"account:{who.id}:totp")
    async with stage.portal.parts.sessions.begin() as session:
        await session.execute(update(Account).where(Account.id == who.id).values(totp_sealed=sealed))
    answer = await stage.people[visitor].post("/login", email=who.email, password=PASSWORD)
    assert answer.headers["location"] == "/login/code", answer.text
    assert "code" in http.cookies
    return {"code": pyotp.TOTP(secret).at(stage.portal.clock())}


async def _switch_on(stage: Stage, visitor: str, _: Where) -> dict[str, str]:
    page = html.unescape((await stage.people[visitor].get("/account/security/on")).text)
    secret, offer = _TOTP.search(page), _HIDDEN.search(page)
    if secret is None or offer is None:
        return {"offer": "x", "code": "1"}
    return {"offer": offer[2], "code": pyotp.TOTP(secret[1]).at(stage.portal.clock())}


async def _switched_on(stage: Stage, visitor: str, _: Where) -> dict[str, str]:
    page = await stage.people[visitor].get("/account/security/on")
    if page.status_code == 200:
        await switched_on(stage.portal, stage.people[visitor])
    return {}


async def _new_codes(stage: Stage, visitor: str, where: Where) -> dict[str, str]:
    await _switched_on(stage, visitor, where)
    found = _HIDDEN.search((await stage.people[visitor].get("/account/security/codes")).text)
    return {"instead_of": found[2] if found else "x"}


async def _leaving(stage: Stage, visitor: str, _: Where) -> dict[str, str]:
    later = stage.portal.clock() + timedelta(days=7)
    async with stage.portal.parts.sessions.begin() as session:
        await session.execute(update(Account).values(delete_after=later))
    return {}


async def _login_name(stage: Stage, visitor: str, where: Where) -> dict[str, str]:
    inverter = where.get("inverter_id", stage.cast.roof)
    assert isinstance(inverter, UUID)
    return {"login": (await login_of(stage.portal, inverter)).name}


async def _another_name(stage: Stage, visitor: str, where: Where) -> dict[str, str]:
    return {**await _login_name(stage, visitor, where), "label": f"Program {uuid4().hex}"}


async def _another_serial(_: Stage, __: str, ___: Where) -> dict[str, str]:
    return {"serial": f"26{uuid4().int % 10**8:08d}", "why": "replaced"}


async def _found(stage: Stage, visitor: str, _: Where) -> dict[str, str]:
    login, now = (await login_of(stage.portal, stage.cast.roof)).name, stage.portal.clock()
    selector = f"26{uuid4().int % 10**8:08d}"
    async with stage.portal.parts.sessions.begin() as session:
        session.add(FoundDevice(login=login, selector=selector, first_seen_at=now, last_seen_at=now, messages=3))
    return {"login": login, "selector": selector}


async def _quarantined(stage: Stage, visitor: str, where: Where) -> dict[str, str]:
    form = await _login_name(stage, visitor, where)
    async with stage.portal.parts.sessions.begin() as session:
        quiet = update(Login).where(Login.name == form["login"])
        await session.execute(quiet.values(quarantined_at=stage.portal.clock(), quarantine_why="flapping"))
    return form


async def _new_account(_: Stage, visitor: str, __: Where) -> dict[str, str]:
    return {"email": f"{visitor}@example.com", "password": "ten blue kettles"}


async def _new_address(_: Stage, visitor: str, __: Where) -> dict[str, str]:
    return {"email": f"{visitor}@example.net"}


async def _for_alice(_: Stage, __: str, where: Where) -> dict[str, str]:
    return {"inverter": str(where["hers"])}


async def _new_collector(_: Stage, visitor: str, __: Where) -> dict[str, str]:
    return {"name": f"of {visitor}", "networks": "192.0.2.0/24", "days": "30"}


async def _another_key(stage: Stage, _: str, where: Where) -> dict[str, str]:
    collector_id = where.get("collector_id")
    async with stage.portal.parts.sessions() as session:
        row = await session.get(Collector, collector_id) if isinstance(collector_id, UUID) else None
    return {"instead_of": row.hint if row else "x", "overlap": "24", "days": "90"}


async def _invited(stage: Stage, visitor: str, _: Where) -> dict[str, str]:
    email = f"{visitor}@example.org"
    return {"token": (await stage.invitation(email))[1]}


async def _joining(stage: Stage, visitor: str, _: Where) -> dict[str, str]:
    return {"token": (await stage.invitation())[1], "password": "ten blue kettles"}


async def _inviting(_: Stage, __: str, ___: Where) -> dict[str, str]:
    return {"email": f"{uuid4().hex}@example.net", "days": "90"}


_OF_A_MAIL = {
    "/verify": TokenPurpose.VERIFY,
    "/reset/set": TokenPurpose.RESET,
    "/account/delete/cancel": TokenPurpose.CANCEL_DELETION,
    "/account/email/undo": TokenPurpose.UNDO_EMAIL,
}
_FORMS: dict[str, Typed] = {
    **{f"{method} {path}": _mailed(purpose) for path, purpose in _OF_A_MAIL.items() for method in ("GET", "POST")},
    "GET /account/email/confirm": _own_new_address,
    "POST /account/email/confirm": _own_new_address,
    "GET /influx_token": _always(serial=SERIAL),
    "POST /api/influx_token": _always(serial=SERIAL),
    "POST /signup": _new_account,
    "POST /verify/again": _unconfirmed,
    "POST /reset": _known,
    "POST /login": _log_in,
    "POST /login/code": _second_step,
    "POST /auth/jwt/login": _program_log_in,
    "POST /account/prove": _always(password=PASSWORD),
    "POST /account/profile": _always(display_name="Somebody else", time_zone="Asia/Tokyo"),
    "POST /account/password": _always(old_password=PASSWORD, password="ten blue kettles"),
    "POST /account/email": _new_address,
    "POST /account/keep": _leaving,
    "POST /account/delete": _always(sure="yes"),
    "POST /account/keys": _always(name="my house", days="30"),
    "POST /account/security/on": _switch_on,
    "POST /account/security/off": _switched_on,
    "POST /account/security/codes": _new_codes,
    "POST /sites": _always(name="Mill Lane 4"),
    "POST /sites/{site_id:uuid}/devices": _always(serial="2733333333"),
    "POST /inverters": _always(name="Barn", serial="2733333333"),
    "POST /inverters/{inverter_id:uuid}/edit": _always(name="Barn"),
    "POST /inverters/{inverter_id:uuid}/pairing/secret": _login_name,
    "POST /inverters/{inverter_id:uuid}/found/adopt": _found,
    "POST /inverters/{inverter_id:uuid}/found/hide": _found,
    "POST /inverters/{inverter_id:uuid}/serial/change": _another_serial,
    "POST /inverters/{inverter_id:uuid}/serial/give-away": _always(sure="yes"),
    "POST /serials/{request_id:uuid}/answer": _always(answer="no"),
    "POST /inverters/{inverter_id:uuid}/logins/name": _another_name,
    "POST /inverters/{inverter_id:uuid}/logins/revoke": _login_name,
    "POST /inverters/{inverter_id:uuid}/logins/let-speak": _quarantined,
    "GET /invitation": _invited,
    "POST /invitation/accept": _invited,
    "POST /invitation/decline": _invited,
    "POST /invitation/join": _joining,
    "POST /homes/{owner_id:uuid}/hand-over": _inviting,
    "POST /homes/{owner_id:uuid}/invite": _inviting,
    "POST /inverter_metadata/{serial:str}": _always(sw_version="1.2.3"),
    "POST /admin/users/{account_id:uuid}/give": _always(role="installer"),
    "POST /admin/users/{account_id:uuid}/take": _always(role="installer"),
    "POST /admin/claims/{serial:str}/settle": _for_alice,
    "POST /admin/collectors": _new_collector,
    "POST /admin/collectors/{collector_id:uuid}/change": _always(name="Another name", networks="192.0.2.7"),
    "POST /admin/collectors/{collector_id:uuid}/key": _another_key,
}


async def typed(stage: Stage, route: str, visitor: str, where: Where) -> dict[str, str]:
    """What the visitor types at ``route`` ("POST /inverters"), nothing where the form is a button."""
    form = _FORMS.get(route)
    return {} if form is None else await form(stage, visitor, where)
