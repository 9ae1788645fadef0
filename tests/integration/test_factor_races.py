"""Many at once at the second factor and at API keys: a code opens one door, a form makes one change and one mail."""

import asyncio
import html
import re
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import func, select

from portal.accounts import second_factor
from portal.accounts.second_door import factor_keys
from portal.accounts.second_factor import StaleForm
from schema.models import Account, ApiKey, AuditEntry, RecoveryCode
from tests.factors import Phone, second_step, switched_on
from tests.people import Cast, Person

pytestmark = pytest.mark.integration

AT_ONCE = 8


@pytest.fixture
def cast(cast_on_each: Cast) -> Cast:
    """Everybody at a portal of their own, over each kind of database."""
    return cast_on_each


async def doors_opened(cast: Cast, code: str) -> list[int]:
    """What so many browsers are answered that send this code at the same moment."""
    async with AsyncExitStack() as stack:
        browsers = [await stack.enter_async_context(cast.portal.browser()) for _ in range(AT_ONCE)]
        for http in browsers:
            assert (await Person("alice", http).log_in()).headers["location"] == "/login/code"
        return [answer.status_code for answer in await asyncio.gather(*(second_step(http, code) for http in browsers))]


async def test_of_many_with_one_code_one_comes_in(cast: Cast) -> None:
    """An app's code and a recovery code alike."""
    phone = await switched_on(cast.portal, cast.alice)

    by_code = await doors_opened(cast, phone.code())
    cast.portal.clock.go(minutes=2)
    by_recovery = await doors_opened(cast, phone.recovery[0])

    assert sorted(by_code) == sorted(by_recovery) == [303] + [422] * (AT_ONCE - 1)


async def test_a_code_is_used_up_by_the_row_whatever_was_read_before(cast: Cast) -> None:
    """Two transactions that both read the row before either wrote: the second one's UPDATE finds nothing."""
    phone = await switched_on(cast.portal, cast.alice)
    parts, account_id = cast.portal.parts, cast.alice.account_id
    async with parts.sessions() as session:
        row = await session.get_one(Account, account_id)
    assert row.totp_sealed is not None
    assert row.totp_step is not None
    step, taken = row.totp_step + 1, []
    for _ in range(2):
        async with parts.sessions.begin() as session:
            taken.append(await second_factor._use_up(session, account_id, row.totp_sealed, step))

    assert taken == [True, False]
    assert phone.recovery


async def test_of_identical_forms_one_switches_it_on(cast: Cast) -> None:
    """One secret, ten codes, one mail, one entry; each of the others is sent on as after the first."""
    page = html.unescape((await cast.alice.get("/account/security/on")).text)
    secret, offer = re.search(r"secret=([A-Z2-7]{32})", page), re.search(r'name="offer" value="([^"]+)"', page)
    assert secret
    assert offer
    code = Phone(secret[1], cast.portal.clock).code()
    forms = [cast.alice.post("/account/security/on", offer=offer[1], code=code) for _ in range(AT_ONCE)]
    answers = await asyncio.gather(*forms)
    await cast.portal.mail_sent()
    async with cast.portal.parts.sessions() as session:
        codes = (await session.execute(select(func.count()).select_from(RecoveryCode))).scalar_one()
        noted = (await session.scalars(select(AuditEntry).where(AuditEntry.action == "totp.on"))).all()

    assert [answer.status_code for answer in answers] == [303] * AT_ONCE
    assert (codes, len(noted), len(cast.portal.bag.to(cast.alice.email))) == (10, 1, 1)


async def test_of_identical_forms_one_makes_new_codes(cast: Cast) -> None:
    """The set that the form spoke of is replaced once."""
    await switched_on(cast.portal, cast.alice)
    parts, account_id = cast.portal.parts, cast.alice.account_id
    async with parts.sessions() as session:
        present = (await second_factor.state(session, account_id)).codes_set

    async def renew() -> bool:
        try:
            async with parts.sessions.begin() as session:
                keys = factor_keys(parts)
                return bool(await second_factor.new_codes(session, account_id, instead_of=present, keys=keys))
        except StaleForm:
            return False

    made = await asyncio.gather(*(renew() for _ in range(AT_ONCE)))
    async with parts.sessions() as session:
        codes = (await session.execute(select(func.count()).select_from(RecoveryCode))).scalar_one()

    assert sorted(made) == [False] * (AT_ONCE - 1) + [True]
    assert codes == 10


async def test_of_identical_forms_one_makes_a_key(cast: Cast) -> None:
    """One row, one mail, one entry, the others told that there is one of this name; once it has run out it frees it."""
    await cast.alice.form_token()
    forms = [cast.alice.post("/account/keys", name="Home", days="7") for _ in range(AT_ONCE)]
    answers = await asyncio.gather(*forms)
    await cast.portal.mail_sent()
    async with cast.portal.parts.sessions() as session:
        noted = (await session.scalars(select(AuditEntry).where(AuditEntry.action == "api_key.made"))).all()
        keys = (await session.scalars(select(ApiKey))).all()
    cast.portal.clock.go(days=8)
    await cast.alice.log_in()
    again = await cast.alice.post("/account/keys", name="Home", days="7")

    assert sorted(answer.status_code for answer in answers) == [303] + [422] * (AT_ONCE - 1)
    assert (len(keys), len(noted), len(cast.portal.bag.to(cast.alice.email))) == (1, 1, 1)
    assert again.status_code == 303
