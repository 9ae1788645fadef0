"""A home is handed over by a mailed link: to whom it was meant, once, and nothing of it moves."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select, update

from schema.models import (
    Account,
    Grant,
    Inverter,
    Invitation,
    Login,
    Notice,
    Owner,
    OwnerPlacement,
    Placement,
)
from tests.people import PASSWORD, Cast, login_of, shown_secret
from tests.sharing import CUSTOMER, NEW_PASSWORD, grants, home_of, invited, joined, made_site

pytestmark = pytest.mark.integration


async def everything(cast: Cast) -> dict[str, Any]:
    """What must not move when a home changes hands."""
    async with cast.portal.parts.sessions() as session:
        return {
            "owners": set((await session.scalars(select(Owner.id))).all()),
            "inverters": {(row.id, row.owner_id, row.serial) for row in await session.scalars(select(Inverter))},
            "logins": {(row.name, row.owner_id, row.verifier) for row in await session.scalars(select(Login))},
            "places": {(row.inverter_id, row.bucket_id) for row in await session.scalars(select(Placement))},
            "homes": set((await session.scalars(select(OwnerPlacement.owner_id))).all()),
        }


async def test_who_is_new_takes_a_home_over_with_a_password_and_nothing_moves(cast: Cast) -> None:
    """No second home, organisation, bucket or login; the installer looks for a while and acts no more."""
    site, (barn,) = await made_site(cast.portal, cast.ines)
    before = await everything(cast)
    token = await invited(cast.portal, cast.ines, site, CUSTOMER)
    offer = await cast.nobody.get(f"/invitation?token={token}")
    unchanged = await everything(cast)
    miller = await joined(cast, token)
    page = await miller.get(f"/homes/{site}/people")
    async with cast.portal.parts.sessions() as session:
        kept = (await session.scalars(select(Invitation.token_hash))).one()

    assert token not in kept
    assert (offer.status_code, offer.headers["referrer-policy"]) == (200, "no-referrer")
    assert "ines@example.org hands “Miller&#39;s farm” over to you, with 1 inverter" in offer.text
    assert before == unchanged == await everything(cast)
    assert await grants(cast.portal, site) == {
        (miller.account_id, "owner", False),
        (cast.ines.account_id, "reader", True),
    }
    assert (await miller.get(f"/inverters/{barn}/logins")).status_code == 200
    assert (await login_of(cast.portal, barn)).name in page.text
    async with cast.portal.parts.sessions() as session:
        assert (await session.get_one(Owner, site)).handed_over_at is not None
    looks = (await cast.ines.get(f"/inverters/{barn}")).status_code
    cast.portal.clock.go(days=366)
    await cast.ines.log_in()
    assert (looks, (await cast.ines.get(f"/inverters/{barn}")).status_code) == (200, 404)


async def test_an_account_that_is_there_logs_in_and_accepts(cast: Cast) -> None:
    """Not with the link alone, and the link leads back after the log-in; both are told by mail."""
    site, _ = await made_site(cast.portal, cast.ines)
    token = await invited(cast.portal, cast.ines, site, "Bob@example.org")
    for_nobody = await cast.nobody.get(f"/invitation?token={token}")
    joining = await cast.nobody.post("/invitation/join", token=token, password=NEW_PASSWORD)
    accepted = await cast.bob.post("/invitation/accept", token=token)
    await cast.portal.mail_sent()

    assert f"/login?next=/invitation%3Ftoken%3D{token}" in for_nobody.text
    assert "password" not in for_nobody.text
    assert joining.status_code == 409
    assert (accepted.status_code, accepted.headers["location"]) == (303, f"/homes/{site}/people")
    assert (cast.bob.account_id, "owner", False) in await grants(cast.portal, site)
    assert (await cast.bob.log_in()).status_code == 303
    told = {str(mail["To"]): str(mail["Subject"]) for mail in cast.portal.bag.mails}
    assert told["ines@example.org"] == "A home was taken over"
    assert told["bob@example.org"] == "The home is yours"


async def test_another_address_cannot_accept(cast: Cast) -> None:
    """Bob has the link of a mail that was not for him: as himself it is worth nothing, and it still works for hers."""
    site, _ = await made_site(cast.portal, cast.ines)
    token = await invited(cast.portal, cast.ines, site, cast.alice.email)
    looked = await cast.bob.get(f"/invitation?token={token}")
    tried = await cast.bob.post("/invitation/accept", token=token)

    assert looked.status_code == 200
    assert "/invitation/accept" not in looked.text
    assert tried.status_code == 409
    assert await grants(cast.portal, site) == {(cast.ines.account_id, "installer", False)}
    assert (await cast.alice.post("/invitation/accept", token=token)).status_code == 303


async def test_whoever_signed_up_with_the_address_before_keeps_nothing(cast: Cast) -> None:
    """A stranger's sign-up that was never confirmed makes room: his password opens nothing of the new owner's."""
    site, _ = await made_site(cast.portal, cast.ines)
    await cast.nobody.post("/signup", email=CUSTOMER, password=PASSWORD)
    miller = await joined(cast, await invited(cast.portal, cast.ines, site, CUSTOMER))

    assert (await miller.log_in(PASSWORD)).status_code == 422
    assert (await miller.log_in(NEW_PASSWORD)).status_code == 303


async def test_a_link_that_is_over_gives_nothing(cast: Cast) -> None:
    """Used, withdrawn, replaced, sent again, its sender no installer any more, disabled or gone, too old: one page for
    all of them, and the way to another one.
    """
    portal, found = cast.portal, {}
    for why in ("used", "withdrawn", "replaced", "sent again", "role taken", "disabled", "expired", "sender gone"):
        # Within an hour only some mails go to one address.
        portal.clock.go(minutes=61)
        await cast.ines.log_in()
        site, _ = await made_site(portal, cast.ines)
        token = await invited(portal, cast.ines, site, cast.bob.email)
        wanted = {(cast.ines.account_id, "installer", False)}
        if why == "used":
            await cast.bob.post("/invitation/accept", token=token)
            wanted = await grants(portal, site)
        await over(cast, why, site)
        answers = [await cast.bob.get(f"/invitation?token={token}")]
        answers.append(await cast.bob.post("/invitation/accept", token=token))
        found[why] = [answer.status_code for answer in answers], await grants(portal, site) == wanted
        assert "ask whoever invited you" in answers[1].text
        async with portal.parts.sessions.begin() as session:
            ines = update(Account).where(Account.id == cast.ines.account_id)
            await session.execute(ines.values(disabled_at=None, is_installer=True))

    assert found.pop("sender gone") == ([410, 410], False)
    assert set(map(repr, found.values())) == {repr(([410, 410], True))}


async def over(cast: Cast, why: str, site: UUID) -> None:
    """What ends an invitation to Bob."""
    async with cast.portal.parts.sessions() as session:
        found = select(Invitation.id).where(Invitation.owner_id == site)
        invitation = (await session.scalars(found)).one()
    if why == "withdrawn":
        await cast.ines.post(f"/homes/{site}/invitations/{invitation}/revoke")
    elif why == "replaced":
        await invited(cast.portal, cast.ines, site, cast.alice.email)
    elif why == "sent again":
        cast.portal.clock.go(minutes=61)
        await cast.ines.post(f"/homes/{site}/invitations/{invitation}/again")
    elif why == "expired":
        cast.portal.clock.go(days=7)
        await cast.bob.log_in()
    ines = Account.id == cast.ines.account_id
    async with cast.portal.parts.sessions.begin() as session:
        if why == "role taken":
            await session.execute(update(Account).where(ines).values(is_installer=False))
        elif why == "disabled":
            await session.execute(update(Account).where(ines).values(disabled_at=cast.portal.clock()))
        elif why == "sender gone":
            await session.execute(delete(Account).where(ines))


async def test_at_once_one_counts(cast_on_each: Cast) -> None:
    """The same link pressed many times: one new owner, one mail. Many passwords for one address: one account. Two
    homes for each other at the same moment: each has the other's, and nobody waits for ever.
    """
    cast, portal = cast_on_each, cast_on_each.portal
    site, _ = await made_site(portal, cast.ines)
    token = await invited(portal, cast.ines, site, cast.bob.email)
    presses = await asyncio.gather(*(cast.bob.post("/invitation/accept", token=token) for _ in range(6)))
    await portal.mail_sent()
    other, _ = await made_site(portal, cast.ines)
    token = await invited(portal, cast.ines, other, CUSTOMER)
    forms = [cast.nobody.post("/invitation/join", token=token, password=f"{n} {NEW_PASSWORD}") for n in range(6)]
    joins = await asyncio.gather(*forms)
    hers, his = await home_of(portal, cast.roof), site
    to_bob = await invited(portal, cast.alice, hers, cast.bob.email, days="0")
    to_alice = await invited(portal, cast.bob, his, cast.alice.email, days="0")
    crosswise = await asyncio.gather(
        cast.bob.post("/invitation/accept", token=to_bob), cast.alice.post("/invitation/accept", token=to_alice)
    )
    async with portal.parts.sessions() as session:
        accounts = await session.scalar(select(func.count()).where(Account.email == CUSTOMER))

    assert sorted(answer.status_code for answer in presses) == [303] + [410] * 5
    assert str(portal.bag.to(cast.ines.email)[0]["Subject"]) == "A home was taken over"
    assert sorted(answer.status_code for answer in joins) == [303] + [410] * 5
    assert accounts == 1
    assert [answer.status_code for answer in crosswise] == [303, 303]
    assert await grants(portal, hers) == {(cast.bob.account_id, "owner", False)}
    assert await grants(portal, his) == {(cast.alice.account_id, "owner", False)}
    assert sorted(role for _, role, _ in await grants(portal, other)) == ["owner", "reader"]


async def test_the_installer_acts_no_more_and_the_owner_can_end_his_look(cast: Cast) -> None:
    """No secret, no login, no settings, no invitation; and from the next request on not even readings."""
    site, (barn,) = await made_site(cast.portal, cast.ines)
    secret = shown_secret((await cast.ines.get(f"/inverters/{barn}/pairing")).text)
    miller = await joined(cast, await invited(cast.portal, cast.ines, site, CUSTOMER))
    login = await login_of(cast.portal, barn)
    looks = [f"/inverters/{barn}/{page}" for page in ("pairing", "logins", "edit", "serial")]
    looks += [f"/homes/{site}/{page}" for page in ("people", "invite", "hand-over")]
    acts: dict[str, dict[str, str]] = {
        f"/inverters/{barn}/edit": {"name": "Mine"},
        f"/inverters/{barn}/delete": {},
        f"/inverters/{barn}/pairing/secret": {"login": login.name},
        f"/inverters/{barn}/pairing/logins": {"label": "x", "known": "1"},
        f"/inverters/{barn}/logins/revoke": {"login": login.name},
        f"/homes/{site}/hand-over": {"email": "x@example.org", "days": "0"},
        f"/homes/{site}/invite": {"email": "x@example.org", "days": "0"},
    }
    for_ines = [(await cast.ines.get(path)).status_code for path in looks]
    by_ines = [(await cast.ines.post(path, **form)).status_code for path, form in acts.items()]
    page, dashboard = await cast.ines.get("/homes"), await cast.ines.get(f"/inverters/{barn}")
    async with cast.portal.parts.sessions() as session:
        grant = (
            await session.scalars(
                select(Grant.id).where(Grant.account_id == cast.ines.account_id, Grant.owner_id == site)
            )
        ).one()
    by_bob = await cast.bob.post(f"/homes/{site}/people/{grant}/revoke")
    by_herself = await cast.ines.post(f"/homes/{site}/people/{grant}/revoke")
    ended = await miller.post(f"/homes/{site}/people/{grant}/revoke")

    assert secret == ""
    assert set(for_ines) == set(by_ines) == {404}
    assert (await login_of(cast.portal, barn)).verifier == login.verifier
    assert "You may look at it until" in page.text
    assert (dashboard.status_code, login.name in dashboard.text) == (200, False)
    assert (by_bob.status_code, by_herself.status_code, ended.status_code) == (404, 404, 303)
    assert (await cast.ines.get(f"/inverters/{barn}")).status_code == 404


async def test_the_new_owner_is_urged_to_make_new_secrets(cast: Cast) -> None:
    """On the overview until he has read it, on the home's page until it is done; whoever only looks is not urged."""
    site, (barn,) = await made_site(cast.portal, cast.ines)
    miller = await joined(cast, await invited(cast.portal, cast.ines, site, CUSTOMER))
    login, urge = (await login_of(cast.portal, barn)).name, "Make new secrets"
    async with cast.portal.parts.sessions() as session:
        notice = (await session.scalars(select(Notice.id))).one()
    pages, urged = ("/", f"/homes/{site}/people"), []
    urged.append([urge in (await miller.get(path)).text for path in pages])
    await miller.post(f"/notices/{notice}/hide", next="/")
    urged.append([urge in (await miller.get(path)).text for path in pages])
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Notice).values(hidden_at=None))
    await miller.post(f"/inverters/{barn}/pairing/secret", login=login)
    urged.append([urge in (await miller.get(path)).text for path in pages])

    assert urged == [[True, True], [False, True], [False, False]]
    assert urge not in (await cast.ines.get("/")).text


async def test_a_sold_house_takes_its_readers_along_and_leaves_its_seller_a_home(cast: Cast) -> None:
    """Alice's readers were hers; she sees nothing any more and can add an inverter of her own."""
    home = await home_of(cast.portal, cast.roof)
    token = await invited(cast.portal, cast.alice, home, cast.bob.email, days="0")
    await cast.bob.post("/invitation/accept", token=token)
    await cast.portal.mail_sent()
    bag = cast.portal.bag
    told = {one.name: [str(mail["Subject"]) for mail in bag.to(one.email)] for one in (cast.alice, cast.ines)}

    assert await grants(cast.portal, home) == {(cast.bob.account_id, "owner", False)}
    assert told == {"alice": ["A home was taken over"], "ines": ["You can look no longer"]}
    seen = [(await person.get(f"/inverters/{cast.roof}")).status_code for person in (cast.alice, cast.ines, cast.bob)]
    assert seen == [404, 404, 200]
    assert await home_of(cast.portal, await cast.alice.add_inverter("Balcony", "2733333333")) != home


async def test_an_owner_who_stays_keeps_what_he_gave(cast: Cast) -> None:
    """Of two owners one hands his part over: the other one and her readers stay, his own go."""
    home, now = await home_of(cast.portal, cast.roof), cast.portal.clock()
    async with cast.portal.parts.sessions.begin() as session:
        for person, role, by in ((cast.bob, "owner", None), (cast.ada, "reader", cast.bob.account_id)):
            session.add(Grant(account_id=person.account_id, owner_id=home, role=role, granted_by=by, created_at=now))
    token = await invited(cast.portal, cast.bob, home, CUSTOMER, days="90")
    miller = await joined(cast, token)

    assert await grants(cast.portal, home) == {
        (cast.alice.account_id, "owner", False),
        (cast.ines.account_id, "installer", False),
        (miller.account_id, "owner", False),
        (cast.bob.account_id, "reader", True),
    }
