"""Everybody at one portal, and for each request a target of its own, so that no test waits for another's: what the
matrix of routes and roles is played on. What is typed into forms is in ``filled_in``.

Olga administers too, but gave her password an hour ago; Rita may look at Alice's home; the key is Alice's API key.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, update

from portal.accounts import api_keys, mailed_tokens, service, sessions
from portal.credentials import identities
from portal.credentials.identities import Wish
from portal.inverters import ending
from portal.inverters import service as inverters
from portal.inverters.forms import NewInverter
from portal.keys import KeyUse, derived
from portal.serials import requests
from portal.serials.desk import SerialDesk
from portal.throttle import Throttle
from schema import notices
from schema.letters import TITLES
from schema.models import (
    Account,
    Audience,
    ClaimState,
    Collector,
    DeadLetter,
    Feed,
    Grant,
    Inverter,
    LoginSession,
    Notice,
    NoticeKind,
    OwnerPlacement,
    PlacementState,
    Role,
    SerialRequest,
    TokenPurpose,
)
from tests.kept_scenes import again, keep
from tests.no_limits import NoLimits
from tests.people import Cast, Person, allow, login_of, sign_up, the_cast
from tests.portal_app import RunningPortal, running_portal
from tests.sharing import on_its_way

SERIAL = "2711111111"
_LETTER_REASON = next(iter(TITLES))


@dataclass
class Stage:
    """The people, their bearer tokens, and what a route's address and form are filled with."""

    cast: Cast
    people: dict[str, Person]
    bearer: dict[str, dict[str, str]]

    @property
    def portal(self) -> RunningPortal:
        """The one portal."""
        return self.cast.portal

    async def newcomer(self, *, verified: bool = True, **columns: Any) -> Account:
        """Somebody else with an account; ``columns`` are set afterwards."""
        person = Person(f"newcomer-{uuid4().hex}", self.cast.nobody.http)
        if verified:
            await sign_up(self.portal, person)
        async with self.portal.parts.sessions.begin() as session:
            if not verified:
                await service.create(session, person.email, "x", "UTC", now=self.portal.clock())
            found = await service.find(session, person.email)
            assert found is not None
            if columns:
                await session.execute(update(Account).where(Account.id == found.id).values(**columns))
        return found

    async def token(self, account_id: UUID, purpose: TokenPurpose, new_email: str = "") -> str:
        """A mailed one-time token."""
        parts = self.portal.parts
        async with parts.sessions.begin() as session:
            return await mailed_tokens.issue(
                session, account_id, purpose=purpose, key=parts.links.key, now=parts.now(), new_email=new_email
            )

    async def inverter(self, person: Person, serial: str = "") -> UUID:
        """Another inverter of this person's."""
        serial = serial or f"28{uuid4().int % 10**8:08d}"
        async with self.portal.parts.sessions.begin() as session:
            wanted = NewInverter(name="Barn", serial=serial)
            added = await inverters.add(session, person.account_id, wanted, now=self.portal.clock())
        return added.inverter_id

    async def delete(self, inverter_id: UUID) -> None:
        """It can still be brought back."""
        async with self.portal.parts.sessions.begin() as session:
            assert await ending.remove(session, self.cast.alice.account_id, inverter_id, self.portal.clock())

    async def device(self) -> UUID:
        """Another session of Alice's."""
        async with self.portal.parts.sessions.begin() as session:
            now, who = self.portal.clock(), self.cast.alice.account_id
            return (await sessions.begin(session, who, audience=Audience.PAGE, user_agent="", now=now)).id

    async def key(self) -> tuple[UUID, str]:
        """Another API key of Alice's: its id and its characters."""
        parts = self.portal.parts
        key = derived(parts.settings.auth_secret.get_secret_value(), KeyUse.API_KEYS)
        async with parts.sessions.begin() as session:
            made = await api_keys.make(
                session, self.cast.alice.account_id, name=uuid4().hex, days=7, key=key, now=parts.now()
            )
        return made.id, made.key

    async def collector(self, *, stopped: bool = False) -> UUID:
        """Another collector's identity."""
        parts = self.portal.parts
        key = derived(parts.settings.auth_secret.get_secret_value(), KeyUse.COLLECTOR_KEYS)
        async with parts.sessions.begin() as session:
            wish = Wish(uuid4().hex, "", 30, fleet=False)
            made = await identities.make(session, wish, by=self.cast.ada.account_id, key=key, now=parts.now())
            if stopped:
                (await session.get_one(Collector, made.id)).stopped_at = parts.now()
        return made.id

    async def letter(self) -> UUID:
        """A message of Alice's login that was set aside."""
        now, login = self.portal.clock(), await login_of(self.portal, self.cast.roof)
        row = DeadLetter(
            id=uuid4(), login=login.name, inverter_id=self.cast.roof, topic=f"deye/{login.name}/{uuid4().hex}",
            payload=b"?", reason=_LETTER_REASON, first_seen_at=now, last_seen_at=now, kept=1,
        )  # fmt: skip
        async with self.portal.parts.sessions.begin() as session:
            session.add(row)
        return row.id

    async def notice(self) -> UUID:
        """Something that Alice should know."""
        now = self.portal.clock()
        async with self.portal.parts.sessions.begin() as session:
            owner_id = (await session.get_one(Inverter, self.cast.roof)).owner_id
            login = f"N{uuid4().hex[:9].upper()}"
            await notices.note(session, NoticeKind.FLAPPING, owner_id=owner_id, login=login, now=now)
            return (await session.scalars(select(Notice.id).where(Notice.login == login))).one()

    async def question(self) -> UUID:
        """Bob asks for a serial that Alice holds."""
        parts, serial = self.portal.parts, f"29{uuid4().int % 10**8:08d}"
        await self.dispute(serial)
        async with parts.sessions.begin() as session:
            his = (
                await session.scalars(
                    select(Inverter.id).where(Inverter.serial == serial, Inverter.active_serial.is_(None))
                )
            ).one()
            assert await requests.ask(session, self.cast.bob.account_id, his, parts.now())
        await SerialDesk(parts.sessions, parts.links, parts.mailer, parts.tries, parts.now).turn()
        while await parts.mailer.send_due():
            pass
        async with parts.sessions() as session:
            return (await session.scalars(select(SerialRequest.id).where(SerialRequest.serial == serial))).one()

    async def reader(self) -> UUID:
        """Another reader's grant at Alice's home."""
        newcomer, row_id = await self.newcomer(), uuid4()
        grant = Grant(id=row_id, account_id=newcomer.id, owner_id=self.cast.home, role=Role.READER)
        grant.created_at = self.portal.clock()
        async with self.portal.parts.sessions.begin() as session:
            session.add(grant)
        return row_id

    async def invitation(self, email: str = "") -> tuple[UUID, str]:
        """Somebody whom Alice invited to look: the invitation's id and its token."""
        email = email or f"{uuid4().hex}@example.net"
        return await on_its_way(self.portal, self.cast.alice.account_id, self.cast.home, email)

    async def pending_owner(self) -> UUID:
        """An owner whose organisation is still to be made."""
        newcomer = await self.newcomer()
        async with self.portal.parts.sessions.begin() as session:
            added = await inverters.add(
                session, newcomer.id, NewInverter(name="Barn", serial="2799999999"), now=self.portal.clock()
            )
            owner_id = (await session.get_one(Inverter, added.inverter_id)).owner_id
            place = await session.get(OwnerPlacement, owner_id)
            if place is None:
                place = OwnerPlacement(owner_id=owner_id)
                session.add(place)
            place.state, place.updated_at = PlacementState.PENDING, self.portal.clock()
            place.last_error = "401"
        return owner_id

    async def dispute(self, serial: str) -> UUID:
        """Alice holds the serial, Bob claims it too; returns her inverter."""
        hers, his = await self.inverter(self.cast.alice, serial), await self.inverter(self.cast.bob, serial)
        async with self.portal.parts.sessions.begin() as session:
            for inverter, state in ((hers, ClaimState.ACTIVE), (his, ClaimState.DISPUTED)):
                await session.execute(update(Feed).where(Feed.inverter_id == inverter).values(claim_state=state))
            await session.execute(update(Inverter).where(Inverter.id == hers).values(active_serial=serial))
        return hers


@asynccontextmanager
async def the_stage(folder: Path, **settings: Any) -> AsyncGenerator[Stage, None]:
    """Everybody is there, nothing is limited, and the roof holds its serial."""
    async with AsyncExitStack() as stack:
        portal = await stack.enter_async_context(
            running_portal(folder, admin_bearer_reads_influx_tokens=True, **settings)
        )
        parts = portal.parts
        free = NoLimits(parts.sessions, parts.tries.key)
        portal.app.state.parts = replace(parts, tries=free, throttle=Throttle(free))
        more = {
            name: Person(name, await stack.enter_async_context(portal.browser())) for name in ("rita", "olga", "key")
        }
        cast = await stack.enter_async_context(the_cast(portal))
        people = {name: getattr(cast, name) for name in ("nobody", "alice", "bob", "ines", "ada")} | more
        stage = Stage(cast, people, {"nobody": {}})
        kept = await again(portal, "stage", people)
        if kept is None:
            await _take_places(stage)
            await keep(portal, "stage", people, (cast.roof, cast.home, stage.bearer))
        else:
            cast.roof, cast.home, stage.bearer = kept[0], kept[1], dict(kept[2])
        # The key's bearer has no cookie: on pages it is one more header that opens nothing.
        people["key"].http.headers.update(stage.bearer["key"])
        yield stage


async def _take_places(stage: Stage) -> None:
    portal, cast, people = stage.portal, stage.cast, stage.people
    for name in ("rita", "olga"):
        await sign_up(portal, people[name], admin=name == "olga")
        assert (await people[name].log_in()).status_code == 303
    await allow(portal, people["rita"], cast.roof, Role.READER)
    async with portal.parts.sessions.begin() as session:
        await session.execute(
            update(LoginSession)
            .where(LoginSession.account_id == people["olga"].account_id)
            .values(proved_at=portal.clock() - timedelta(hours=1))
        )
        await session.execute(update(Account).where(Account.id == cast.ines.account_id).values(is_installer=True))
        await session.execute(update(Inverter).where(Inverter.id == cast.roof).values(active_serial=SERIAL))
        proved = update(Feed).where(Feed.inverter_id == cast.roof)
        await session.execute(proved.values(claim_state=ClaimState.ACTIVE))
    for name in ("alice", "bob", "ines", "rita", "ada", "olga"):
        stage.bearer[name] = await people[name].bearer()
    stage.bearer["key"] = {"Authorization": f"Bearer {(await stage.key())[1]}"}
