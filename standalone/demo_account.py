"""Makes the demo's account and inverters through the portal's own rules; run again, it changes nothing."""

import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from portal.accounts import passwords
from portal.accounts import service as accounts
from portal.inverters import service as inverters
from portal.inverters.forms import NewInverter
from schema.database import create_engine_for, sessions_for
from schema.models import Login
from schema.settings import CommonSettings
from standalone import demo_file
from standalone.demo_file import EMAIL, Demo, DemoInverter
from standalone.sun import sunny_zone

HISTORY_DAYS = 6
WANTED = (
    ("micro", "Balcony", "4129800001"),
    ("string", "South roof", "2306800002"),
    ("hybrid", "House with battery", "2211800003"),
)


async def ensure(settings: CommonSettings) -> None:
    """Account, inverters and notes are there afterwards; lost notes mean a new password and new logins."""
    now = datetime.now(UTC)
    present = demo_file.load(settings.data_dir)
    engine = create_engine_for(settings.database_url)
    try:
        async with sessions_for(engine).begin() as session:
            demo = await _ensured(session, present or _new(now), now=now)
    finally:
        await engine.dispose()
    if demo != present:
        demo_file.save(settings.data_dir, demo)


def _new(now: datetime) -> Demo:
    """A house where it is day right now, with some days behind it."""
    zone = sunny_zone(now)
    midnight = now.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    return Demo(
        email=EMAIL,
        password=secrets.token_urlsafe(12),
        zone=zone,
        since=(midnight - timedelta(days=HISTORY_DAYS)).astimezone(UTC),
        inverters=(),
    )


async def _ensured(session: AsyncSession, demo: Demo, *, now: datetime) -> Demo:
    account = await accounts.find(session, demo.email)
    if account is None or not demo.inverters:
        hashed = await passwords.Passwords(passwords.SERVER).hashed(demo.password)
        account = account or await accounts.create(session, demo.email, hashed, demo.zone, now=now)
        if account is None:
            raise RuntimeError("the demo's account was made by somebody else at this very moment")
        await accounts.keep_hash(session, account.id, hashed, instead_of=account.password_hash)
        await accounts.mark_verified(session, account.id, now=now)
    known = {inverter.serial: inverter for inverter in demo.inverters}
    made = [
        await _inverter(session, account.id, known.get(serial), wanted=(kind, name, serial), now=now)
        for kind, name, serial in WANTED
    ]
    return Demo(demo.email, demo.password, demo.zone, demo.since, tuple(made))


async def _inverter(
    session: AsyncSession,
    account_id: UUID,
    known: DemoInverter | None,
    *,
    wanted: tuple[str, str, str],
    now: datetime,
) -> DemoInverter:
    """The inverter with a login that works: the noted one, else a new one."""
    if known and await session.scalar(select(Login.name).where(Login.name == known.login, Login.revoked_at.is_(None))):
        return known
    kind, name, serial = wanted
    try:
        added = await inverters.add(session, account_id, NewInverter(name=name, serial=serial), now=now)
        credentials = added.credentials
    except inverters.AlreadyYours as twin:
        another = await inverters.another_login(session, account_id, twin.inverter_id, now)
        if another is None:
            raise
        credentials = another
    return DemoInverter(kind, name, serial, credentials.login, credentials.secret)
