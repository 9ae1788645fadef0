"""What becomes of an invitation that is not accepted: declined, with an account or without one, or sent once more."""

import pytest
from sqlalchemy import select

from schema.models import Grant
from tests.people import Cast, newest_link, token_of
from tests.sharing import CUSTOMER, grants, home_of, invited, made_site

pytestmark = pytest.mark.integration

NO = 'action="/invitation/decline"'


async def test_who_says_no_gets_nothing_and_the_inviter_is_told(cast: Cast) -> None:
    """By one mail and on his page, until he invites that address again; the link is used up."""
    site, _ = await made_site(cast.portal, cast.ines)
    before, token = await grants(cast.portal, site), await invited(cast.portal, cast.ines, site, CUSTOMER)
    offer = await cast.nobody.get(f"/invitation?token={token}")
    answer = await cast.nobody.post("/invitation/decline", token=token)
    said = await cast.nobody.get(answer.headers["location"])
    again = [
        await cast.nobody.post("/invitation/decline", token=token),
        await cast.nobody.post("/invitation/join", token=token, password="ten blue kettles"),
        await cast.nobody.get(f"/invitation?token={token}"),
    ]
    await cast.portal.mail_sent()
    page = (await cast.ines.get(f"/homes/{site}/people")).text
    cast.portal.clock.go(minutes=1)
    await invited(cast.portal, cast.ines, site, CUSTOMER)

    assert NO in offer.text
    assert (answer.status_code, said.status_code) == (303, 200)
    assert [one.status_code for one in again] == [410] * 3
    assert [str(mail["Subject"]) for mail in cast.portal.bag.to(cast.ines.email)] == ["Your invitation was declined"]
    assert CUSTOMER in page.partition('id="declined"')[2]
    assert 'id="invited"' not in page
    assert 'id="declined"' not in (await cast.ines.get(f"/homes/{site}/people")).text
    assert await grants(cast.portal, site) == before


async def test_who_is_invited_again_and_again_keeps_a_link_that_works(cast: Cast) -> None:
    """Mails to one address are few an hour: where no further one goes out, the last one's link is not ended either."""
    home = await home_of(cast.portal, cast.roof)
    for days in ("30", "90", "365"):
        await cast.alice.post(f"/homes/{home}/invite", email="aunt@example.org", days=days)
        cast.portal.clock.go(minutes=1)
    token = token_of(await newest_link(cast.portal, "aunt@example.org"))
    answer = await cast.nobody.post("/invitation/join", token=token, password="ten blue kettles")
    async with cast.portal.parts.sessions() as session:
        until = await session.scalar(select(Grant.until).where(Grant.owner_id == home, Grant.until.is_not(None)))

    assert len(cast.portal.bag.to("aunt@example.org")) == 2
    assert answer.status_code == 303
    assert until is not None
    assert (until - cast.portal.clock()).days == 364


async def test_no_is_said_by_whom_it_is_meant_for(cast: Cast) -> None:
    """Bob has the link that Alice sent to her aunt: no button, and no answer in her name."""
    home = await home_of(cast.portal, cast.roof)
    token = await invited(cast.portal, cast.alice, home, "aunt@example.org", way="invite", days="0")
    seen = await cast.bob.get(f"/invitation?token={token}")
    tried = await cast.bob.post("/invitation/decline", token=token)

    assert (seen.status_code, NO in seen.text) == (200, False)
    assert tried.status_code == 409
    assert (await cast.nobody.get(f"/invitation?token={token}")).status_code == 200


async def test_a_stranger_is_told_nothing_of_who_said_no(cast: Cast) -> None:
    """The next owner of a home does not read whom the one before has invited in vain."""
    home = await home_of(cast.portal, cast.roof)
    token = await invited(cast.portal, cast.alice, home, "aunt@example.org", way="invite", days="0")
    assert (await cast.nobody.post("/invitation/decline", token=token)).status_code == 303
    mine = (await cast.alice.get(f"/homes/{home}/people")).text
    token = await invited(cast.portal, cast.alice, home, cast.bob.email, days="0")
    assert (await cast.bob.post("/invitation/accept", token=token)).status_code == 303
    his = (await cast.bob.get(f"/homes/{home}/people")).text

    assert ("aunt@example.org" in mine, "aunt@example.org" in his) == (True, False)


async def test_who_has_an_account_needs_no_log_in_to_say_no(cast: Cast) -> None:
    """The mail is proof enough: nothing is given to anybody by it."""
    home = await home_of(cast.portal, cast.roof)
    token = await invited(cast.portal, cast.alice, home, cast.bob.email, way="invite", days="0")
    offer = await cast.nobody.get(f"/invitation?token={token}")
    answer = await cast.nobody.post("/invitation/decline", token=token)

    assert (NO in offer.text, answer.status_code) == (True, 303)
    assert (await cast.bob.post("/invitation/accept", token=token)).status_code == 410
