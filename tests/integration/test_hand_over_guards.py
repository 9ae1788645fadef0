"""Handing a home over: who may, what it tells strangers, how often, and what the audit log has of it."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from portal.tries import Limit
from schema.models import (
    Account,
    AuditEntry,
    Invitation,
    Owner,
)
from tests.people import PASSWORD, Cast, Person, token_of
from tests.sharing import CUSTOMER, NEW_PASSWORD, home_of, invited, joined, made_site

pytestmark = pytest.mark.integration


async def test_handing_over_wants_a_fresh_log_in(cast: Cast) -> None:
    """A cookie that somebody took does not give a home away."""
    home = await home_of(cast.portal, cast.roof)
    cast.portal.clock.go(minutes=11)
    answers = [
        await cast.alice.post(f"/homes/{home}/{way}", email=cast.bob.email, days="0") for way in ("hand-over", "invite")
    ]
    async with cast.portal.parts.sessions() as session:
        rows = await session.scalar(select(func.count()).select_from(Invitation))

    assert {answer.headers["location"].partition("?")[0] for answer in answers} == {"/account/prove"}
    assert rows == 0


async def test_an_invitation_tells_nobody_who_has_an_account(cast: Cast) -> None:
    """To Bob's address and to one that nobody has: the same answer, the same page, the same mail."""
    home, seen = await home_of(cast.portal, cast.roof), []
    for email in (cast.bob.email, CUSTOMER):
        answer = await cast.alice.post(f"/homes/{home}/hand-over", email=email, days="0")
        page = await cast.alice.get(f"/homes/{home}/people")
        await cast.portal.mail_sent()
        mail = cast.portal.bag.to(email)[-1].get_body(("plain",))
        assert mail is not None
        text = mail.get_content()
        token = token_of(next(line for line in text.splitlines() if "token=" in line))
        async with cast.portal.parts.sessions() as session:
            row = (await session.scalars(select(Invitation).where(Invitation.email == email))).one()
        told = f"{answer.status_code} {page.text} {text}"
        for own in (email, token, str(row.id)):
            told = told.replace(own, "OWN")
        seen.append(told)

    assert seen[0] == seen[1]


async def test_nobody_writes_to_the_world_in_our_name(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many invitations a day by one account, so many of a home that wait, and in none of them a word of whoever
    sends it: neither the home's name nor his own.
    """
    monkeypatch.setattr("portal.sharing.inviting.MOST_OPEN", 2)
    monkeypatch.setattr("portal.limits.INVITATIONS_OF_ONE", Limit("invitations.account", 4, timedelta(days=1)))
    home = await home_of(cast.portal, cast.roof)
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Owner).where(Owner.id == home).values(name="Win at evil.example"))
    await cast.alice.post("/account/profile", display_name="Win a prize at evil.example")
    answers = [
        (await cast.alice.post(f"/homes/{home}/invite", email=f"{n}@example.net", days="0")).status_code
        for n in range(5)
    ]
    await cast.portal.mail_sent()

    assert answers == [303, 303, 422, 422, 429]
    assert len(cast.portal.bag.mails) == 2
    assert not any("evil.example" in str(mail) for mail in cast.portal.bag.mails)
    assert "alice@example.org" in str(cast.portal.bag.mails[0])


async def test_every_step_is_in_the_audit_log(cast: Cast) -> None:
    """Sent, withdrawn, accepted, ended; no address and no link stands there."""
    site, _ = await made_site(cast.portal, cast.ines)
    await invited(cast.portal, cast.ines, site, "wrong@example.org")
    async with cast.portal.parts.sessions() as session:
        invitation = (await session.scalars(select(Invitation.id))).one()
    await cast.ines.post(f"/homes/{site}/invitations/{invitation}/revoke")
    token = await invited(cast.portal, cast.ines, site, CUSTOMER)
    await joined(cast, token)
    await cast.ines.post(f"/homes/{site}/leave")
    async with cast.portal.parts.sessions() as session:
        entries = (
            await session.scalars(select(AuditEntry).where(AuditEntry.owner_id == site).order_by(AuditEntry.id))
        ).all()

    assert [entry.action for entry in entries if not entry.action.startswith("inverter")] == [
        "invitation.sent", "invitation.revoked", "invitation.sent", "owner.handed_over", "grant.taken",
    ]  # fmt: skip
    assert not any("example.org" in str(entry.details) or token in str(entry.details) for entry in entries)


async def test_a_link_lets_nobody_in_whom_an_administrator_keeps_out(cast: Cast) -> None:
    """Who signed up, confirmed nothing and was disabled stays disabled, and gets no other account by a link."""
    miller = Person("miller", cast.nobody.http)
    await miller.post("/signup", email=CUSTOMER, password=PASSWORD)
    async with cast.portal.parts.sessions() as session:
        account_id = (await session.scalars(select(Account.id).where(Account.email == CUSTOMER))).one()
    disabled = await cast.ada.post(f"/admin/users/{account_id}/disable")
    site, _devices = await made_site(cast.portal, cast.ines)
    token = await invited(cast.portal, cast.ines, site, CUSTOMER)
    offer = await miller.get(f"/invitation?token={token}")
    answer = await miller.post("/invitation/join", token=token, password=NEW_PASSWORD)
    async with cast.portal.parts.sessions() as session:
        account = await session.get(Account, account_id)

    assert disabled.status_code == 303
    assert (offer.status_code, 'action="/invitation/join"' in offer.text) == (200, False)
    assert answer.status_code == 409
    assert account is not None
    assert account.disabled_at is not None
