"""Who visits the portal in tests: Alice owns, Bob is another owner who must see nothing of hers, Ines installs, Ada
administers, and Nobody has not logged in. And what every page and form promises, whoever wrote it.
"""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
from sqlalchemy import select

from portal.accounts import service
from schema.models import Account, Feed, Grant, Inverter, Login, Role
from tests.kept_scenes import again, keep
from tests.portal_app import RunningPortal

PASSWORD = "nine green bottles"
CSRF_COOKIE = "csrf"
SESSION_COOKIE = "session"

_LINK = re.compile(r"https?://\S+")
_SECRET = re.compile(r"\b[A-Z2-7]{4}(?:-[A-Z2-7]{4}){7}\b")


@dataclass
class Person:
    """Somebody at a browser that keeps cookies, follows no redirects and fills in the hidden form token by itself."""

    name: str
    http: httpx.AsyncClient
    account_id: UUID = field(default_factory=uuid4)

    @property
    def email(self) -> str:
        """Where mail reaches them."""
        return f"{self.name}@example.org"

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Look at a page."""
        return await self.http.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    async def post(self, path: str, **typed: str) -> httpx.Response:
        """Send a form as its page would, token included."""
        return await self.http.post(path, data={**typed, "_csrf_token": await self.form_token()})

    async def post_without_token(self, path: str, **typed: str) -> httpx.Response:
        """Send a form as a foreign page would: with the cookies, without the token."""
        return await self.http.post(path, data=typed)

    async def form_token(self) -> str:
        """The token of this browser's forms; a first page is looked at to get one."""
        if CSRF_COOKIE not in self.http.cookies:
            await self.http.get("/login")
        return self.http.cookies[CSRF_COOKIE]

    async def log_in(self, password: str = PASSWORD, **typed: str) -> httpx.Response:
        """Log in by the form."""
        return await self.post("/login", email=self.email, password=password, **typed)

    async def bearer(self, password: str = PASSWORD) -> dict[str, str]:
        """Headers of a program that logged in for this person."""
        answer = await self.http.post("/auth/jwt/login", data={"username": self.email, "password": password})
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def add_inverter(self, name: str = "Roof", serial: str = "2711111111") -> UUID:
        """Add an inverter by the form; returns its id."""
        answer = await self.post("/inverters", name=name, serial=serial)
        assert answer.status_code == 303, answer.text
        return UUID(answer.headers["location"].split("/")[2])


@dataclass
class Cast:
    """Everybody, at the same portal. Alice has one inverter, ``roof``, in her ``home``; Ines may look at it; Bob has
    one of his own.
    """

    portal: RunningPortal
    alice: Person
    bob: Person
    ines: Person
    ada: Person
    nobody: Person
    roof: UUID
    home: UUID


def shown_secret(html: str) -> str:
    """The secret on a pairing page, empty where none is shown."""
    found = _SECRET.search(html)
    return found[0] if found else ""


async def sign_up(portal: RunningPortal, person: Person, *, admin: bool = False) -> None:
    """A confirmed account made by the portal's own rules, without the mail."""
    password_hash = await portal.parts.passwords.hashed(PASSWORD)
    async with portal.parts.sessions.begin() as session:
        account = await service.create(
            session, person.email, password_hash, "Europe/Berlin", now=portal.clock(), is_admin=admin
        )
        assert isinstance(account, Account)
        await service.mark_verified(session, account.id, now=portal.clock())
        person.account_id = account.id


async def newest_link(portal: RunningPortal, address: str) -> str:
    """The link in the newest mail to this address."""
    await portal.mail_sent()
    body = portal.bag.to(address)[-1].get_body(("plain",))
    assert body is not None
    found = _LINK.search(body.get_content())
    assert found
    return found[0]


def token_of(link: str) -> str:
    """The one-time token of a mailed link."""
    return link.partition("token=")[2]


async def login_of(portal: RunningPortal, inverter_id: UUID) -> Login:
    """The newest living login of an inverter."""
    async with portal.parts.sessions() as session:
        statement = select(Login).join(Feed, Feed.login == Login.name).where(Feed.inverter_id == inverter_id)
        return (await session.scalars(statement.order_by(Login.registry_version.desc()).limit(1))).one()


async def allow(portal: RunningPortal, person: Person, inverter_id: UUID, role: Role) -> None:
    """A grant for whoever owns this inverter."""
    async with portal.parts.sessions.begin() as session:
        inverter = await session.get(Inverter, inverter_id)
        assert inverter is not None
        session.add(
            Grant(
                id=uuid4(),
                account_id=person.account_id,
                owner_id=inverter.owner_id,
                role=role,
                created_at=portal.clock(),
            )
        )


@asynccontextmanager
async def the_cast(portal: RunningPortal) -> AsyncGenerator[Cast, None]:
    """Everybody signed up and logged in, but Nobody. On ordinary portals that was perhaps done a moment before."""
    async with AsyncExitStack() as stack:
        people = {
            name: Person(name, await stack.enter_async_context(portal.browser()))
            for name in ("alice", "bob", "ines", "ada", "nobody")
        }
        roof = await again(portal, "cast", people)
        if roof is None:
            roof = await _come_together(portal, people)
            await keep(portal, "cast", people, roof)
        async with portal.parts.sessions() as session:
            home = (await session.get_one(Inverter, roof)).owner_id
        yield Cast(portal, **people, roof=roof, home=home)


async def _come_together(portal: RunningPortal, people: dict[str, Person]) -> UUID:
    for name in ("alice", "bob", "ines", "ada"):
        await sign_up(portal, people[name], admin=name == "ada")
        assert (await people[name].log_in()).status_code == 303
    roof = await people["alice"].add_inverter()
    await people["bob"].add_inverter("Shed", "2722222222")
    await allow(portal, people["ines"], roof, Role.INSTALLER)
    return roof


def _is_hers(cast: Cast, path: str) -> bool:
    """Whether the path names something of Alice's."""
    return str(cast.roof) in path or str(cast.home) in path


async def page_keeps_its_promises(cast: Cast, path: str) -> None:
    """Alice sees it; where it is about her inverter Bob finds nothing; Nobody is sent to log in and back again."""
    for_alice, for_bob, for_nobody = [await person.get(path) for person in (cast.alice, cast.bob, cast.nobody)]
    by_script = await cast.nobody.get(path, hx_request="true")
    posted = await cast.alice.post(path)

    assert for_alice.status_code == 200, path
    assert for_alice.headers["cache-control"] == "no-store", path
    assert "frame-ancestors 'none'" in for_alice.headers["content-security-policy"], path
    assert for_bob.status_code == (404 if _is_hers(cast, path) else 200), path
    back = "/login" if path == "/" else f"/login?next={quote(path, safe='/')}"
    assert (for_nobody.status_code, for_nobody.headers["location"]) == (303, back), path
    assert (by_script.status_code, by_script.headers["hx-redirect"]) == (204, back), path
    assert posted.status_code in (405, 422), path
    await _unknown_ids_are_nothing(cast, path, cast.alice.get)


async def form_keeps_its_promises(cast: Cast, path: str, **typed: str) -> None:
    """Refused without its token, for Bob and for Nobody; another's id and no id at all look the same."""
    without_token = await cast.alice.post_without_token(path, **typed)
    for_nobody = await cast.nobody.post(path, **typed)
    wrong_token = await cast.alice.http.post(path, data={**typed, "_csrf_token": "0" * 128})
    other_token = await cast.alice.http.post(path, data={**typed, "_csrf_token": await cast.bob.form_token()})

    assert without_token.status_code == wrong_token.status_code == other_token.status_code == 403, path
    assert (for_nobody.status_code, for_nobody.headers["location"]) == (303, "/login"), path
    if _is_hers(cast, path):
        assert (await cast.bob.post(path, **typed)).status_code == 404, path
        # Who may look can leave, and do nothing else.
        leaves = path.endswith("/leave")
        assert (await cast.ines.post(path, **typed)).status_code == (303 if leaves else 404), path
    await _unknown_ids_are_nothing(cast, path, lambda other: cast.alice.post(other, **typed))


async def _unknown_ids_are_nothing(cast: Cast, path: str, ask: Callable[[str], Awaitable[httpx.Response]]) -> None:
    for hers in (str(cast.roof), str(cast.home)):
        if hers in path:
            assert (await ask(path.replace(hers, "not-an-id"))).status_code == 404, path
            assert (await ask(path.replace(hers, str(uuid4())))).status_code == 404, path
