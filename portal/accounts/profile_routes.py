"""Pages of a signed-in person about himself: profile and signed-in devices. HTTP only."""

from typing import Any
from uuid import UUID

from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect, Template

from portal import audit, limits
from portal.accounts import profile, sessions, zones
from portal.accounts.devices import described
from portal.accounts.settings_forms import Profile
from portal.audit import Action
from portal.auth import VisitorRequest, auth_of
from portal.dashboard.days import zone_named
from portal.dashboard.numbers import of_reader
from portal.parts import parts_of
from portal.submitted import Submitted, check, submitted
from portal.templating import page, see_other
from portal.words import N_, _
from schema.database import reading
from schema.models import Audience

_NOTICES = {
    "saved": N_("Saved."),
    "password": N_("Your new password is set, and every other device is logged out."),
    "kept": N_("Your account stays. Nothing will be deleted."),
    "ended": N_("That device is logged out."),
    "others": N_("Every other device is logged out."),
}


@get("/account")
async def account(request: VisitorRequest, notice: FromQuery[str] = "") -> Template:
    """Who I am here, and the way to everything that can be changed."""
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        settings = await profile.settings_of(session, request.user.account_id, parts.now())
    values = {
        "display_name": settings.display_name,
        "time_zone": settings.time_zone or "",
        "language": settings.language,
    }
    return _account(request, Submitted(values), has_home=settings.time_zone is not None, notice=notice)


@post("/account/profile")
async def save_profile(request: VisitorRequest) -> Template | Redirect:
    """Set name, language and time zone."""
    parts = parts_of(request)
    typed = check(Profile, form := await submitted(request))
    if isinstance(typed, Submitted):
        return _account(request, typed, has_home="time_zone" in form.values, status=422)
    async with parts.sessions.begin() as session:
        await profile.save(session, request.user.account_id, typed, now=parts.now())
    return see_other("/account?notice=saved")


_ENDING: dict[str, Any] = {"middleware": [limits.ENDING], "opt": {limits.OWN_LIMITS: True}}


@get("/account/devices")
async def devices(request: VisitorRequest, notice: FromQuery[str] = "") -> Template:
    """Where this account is signed in."""
    parts, now = parts_of(request), parts_of(request).now()
    async with reading(parts.sessions) as session:
        rows = await sessions.living(session, request.user.account_id, now=now)
        zone = zone_named(await profile.zone_of(session, request.user.account_id, now))
    numbers = of_reader()
    shown = [
        {
            "id": row.id,
            "here": row.id == request.user.session_id,
            "is_program": row.audience is Audience.API,
            "what": described(row.user_agent, Audience(row.audience)),
            "since": numbers.moment(row.created_at, zone, now),
            "seen": numbers.moment(row.seen_at or row.created_at, zone, now),
        }
        for row in rows
    ]
    # This device first, whatever the order of the others.
    shown.sort(key=lambda device: not device["here"])
    return page(request, "accounts/devices.html", devices=shown, notice=_said(notice))


@post("/account/devices/{device_id:uuid}/end", **_ENDING)
async def end_device(request: VisitorRequest, device_id: FromPath[UUID]) -> Redirect:
    """Log one device out, this one too if it is chosen."""
    parts, visitor = parts_of(request), request.user
    async with parts.sessions.begin() as session:
        if not await sessions.end(session, visitor.account_id, device_id):
            raise NotFoundException
        await audit.record(
            session,
            Action.SESSION_ENDED,
            subject=audit.account(visitor.account_id),
            actor=visitor.account_id,
            details={"session": str(device_id)},
            now=parts.now(),
        )
    if device_id == visitor.session_id:
        return _gone(request)
    return see_other("/account/devices?notice=ended")


@post("/account/devices/end-others", **_ENDING)
async def end_other_devices(request: VisitorRequest) -> Redirect:
    """Log every device out but this one."""
    parts, visitor = parts_of(request), request.user
    async with parts.sessions.begin() as session:
        ended = await sessions.end_others(session, visitor.account_id, visitor.session_id)
        # A copy of this device's cookie would be this device.
        here = await sessions.renew(session, visitor.account_id, visitor.session_id, now=parts.now())
        await _note_ended(request, session, sessions_ended=ended)
    return see_other("/account/devices?notice=others", cookies=auth_of(request).renewed_cookies(here))


@post("/account/devices/end-all", **_ENDING)
async def end_every_device(request: VisitorRequest) -> Redirect:
    """Log every device out, this one too."""
    parts, visitor = parts_of(request), request.user
    async with parts.sessions.begin() as session:
        await sessions.end_all(session, visitor.account_id)
        await _note_ended(request, session, all=True)
    return _gone(request)


async def _note_ended(request: VisitorRequest, session: Any, **details: audit.Detail) -> None:
    account_id = request.user.account_id
    await audit.record(
        session,
        Action.SESSIONS_ENDED,
        subject=audit.account(account_id),
        actor=account_id,
        details=details,
        now=parts_of(request).now(),
    )


def _gone(request: VisitorRequest) -> Redirect:
    return see_other("/login?notice=bye", cookies=[auth_of(request).farewell_cookie()])


def _account(
    request: VisitorRequest, form: Submitted, *, has_home: bool, notice: str = "", status: int = 200
) -> Template:
    return page(
        request,
        "accounts/account.html",
        status=status,
        form=form,
        has_home=has_home,
        zones=zones.offered() if has_home else (),
        notice=_said(notice),
    )


def _said(notice: str) -> str:
    return _(_NOTICES[notice]) if notice in _NOTICES else ""


SIGNED_IN = [account, save_profile, devices, end_device, end_other_devices, end_every_device]
