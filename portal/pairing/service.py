"""What the pairing page knows: the inverter's logins, whether the broker has them, how far the bridge has heard it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from portal import audit
from portal.audit import Action
from portal.dead_letters.sentences import refused
from portal.inverters import service as inverters
from portal.inverters.service import Credentials
from portal.logins.service import release
from portal.notices import service as notices
from portal.pairing.ladder import Progress
from schema import live
from schema.changes import registry_changed
from schema.models import Feed, Inverter, LiveRow, Login, PasswordFileGeneration
from schema.verifiers import new_secret, verifier


@dataclass(frozen=True, slots=True)
class LoginState:
    """One login of an inverter. ``applied``: the broker has loaded it, in its present form."""

    name: str
    applied: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Pairing:
    """An inverter on its way to first watts. ``logins`` newest first; none where all are revoked. On ``flapping`` ones
    two programs throw each other out.
    """

    inverter: Inverter
    logins: Sequence[LoginState]
    row: LiveRow | None
    flapping: Collection[str] = ()

    def progress(self, login: str) -> Progress:
        """What the ladder needs of the live row, and of the login that is shown."""
        if self.row is None:
            return Progress(flapping=login in self.flapping)
        return Progress(
            flapping=login in self.flapping,
            rung=self.row.rung,
            reading_at=self.row.reading_at,
            refusal=refused(self.row.refusal, self.row.refusal_detail) or self.row.refusal,
            refused_at=self.row.refused_at,
        )


async def pairing(
    session: AsyncSession, live_engine: AsyncEngine, account_id: UUID, inverter_id: UUID, now: datetime
) -> Pairing | None:
    """The state of an inverter the account may change; None for everybody else."""
    inverter = await inverters.get_owned(session, account_id, inverter_id, now)
    if inverter is None:
        return None
    applied = (await session.scalars(select(PasswordFileGeneration.applied))).one_or_none() or 0
    rows = await live.of(live_engine, [inverter_id])
    logins = [
        LoginState(login.name, login.registry_version <= applied, login.created_at)
        for login in await _logins(session, inverter_id)
    ]
    flapping = await notices.flapping(session, [login.name for login in logins], now)
    return Pairing(inverter, logins, rows.get(inverter_id), flapping)


async def renew_secret(
    session: AsyncSession, account_id: UUID, inverter_id: UUID, login: str, now: datetime
) -> Credentials | None:
    """A new secret for one of the inverter's logins; the old one ends when the broker has loaded the change.

    A login in quarantine is let speak again: whoever made it misbehave does not have the new secret.
    """
    inverter = await inverters.get_owned(session, account_id, inverter_id, now)
    if inverter is None:
        return None
    mine = {row.name for row in await _logins(session, inverter_id)}
    if login not in mine:
        return None
    secret = new_secret()
    version = await registry_changed(session, inverter_id=inverter_id)
    await session.execute(
        update(Login)
        .where(Login.name == login)
        .values(verifier=verifier(secret), registry_version=version, made_by=account_id, renewed_at=now)
    )
    await release(session, login, now=now)
    await audit.record(
        session,
        Action.LOGIN_RENEWED,
        subject=audit.inverter(inverter_id),
        actor=account_id,
        owner_id=inverter.owner_id,
        details={"login": login},
        now=now,
    )
    return Credentials(login, secret)


async def _logins(session: AsyncSession, inverter_id: UUID) -> Sequence[Login]:
    """Its living logins, newest first; the caller has found the inverter to be the account's."""
    statement = (
        select(Login)
        .where(
            Login.name.in_(select(Feed.login).where(Feed.inverter_id == inverter_id)),
            Login.revoked_at.is_(None),
        )
        .order_by(Login.created_at.desc(), Login.name)
    )
    return (await session.scalars(statement)).all()
