"""The second factor: a code works once, for its account, in its half minute; without it the password opens nothing."""

from datetime import datetime

import pytest
from sqlalchemy import update

from portal.accounts import totp
from schema.models import Account
from tests.factors import Phone, second_step, switched_on
from tests.people import PASSWORD, SESSION_COOKIE, Cast, Person

pytestmark = pytest.mark.integration

DOES_NOT_FIT = "does not fit"


@pytest.fixture
async def phone(cast: Cast) -> Phone:
    """Alice's, after she has switched the second factor on."""
    return await switched_on(cast.portal, cast.alice)


async def test_a_password_alone_opens_nothing_any_more(cast: Cast, phone: Phone) -> None:
    """No session before the code, neither a cookie nor a token; the note between the halves opens no page."""
    async with cast.portal.browser() as http:
        person = Person("alice", http)
        first_half = await person.log_in()
        page = await person.get("/login/code")
        inside = await person.get("/inverters")
        token = await http.post("/auth/jwt/login", data={"username": person.email, "password": PASSWORD})
        cookies = {cookie.name: cookie.value for cookie in http.cookies.jar}
        http.cookies.set(SESSION_COOKIE, str(cookies["code"]), domain="portal.example.org")
        by_note = await person.get("/inverters")

    assert (first_half.status_code, first_half.headers["location"]) == (303, "/login/code")
    assert SESSION_COOKIE not in cookies
    assert (page.status_code, inside.status_code, by_note.status_code) == (200, 303, 303)
    assert token.status_code == 401
    assert token.headers["content-type"] == "application/problem+json"
    assert token.json()["otp"] == "required"
    assert "otp" in token.json()["detail"]


async def test_password_and_code_open_the_pages_and_the_api(cast: Cast, phone: Phone) -> None:
    """And the visitor comes out where he was going."""
    async with cast.portal.browser() as http:
        person = Person("alice", http)
        await person.log_in(next="/inverters")
        entered = await person.post("/login/code", code=phone.code())
        inside = await person.get("/inverters")
        cast.portal.clock.go(seconds=30)
        form = {"username": person.email, "password": PASSWORD, "otp": phone.code()}
        token = (await http.post("/auth/jwt/login", data=form)).json()["access_token"]
        api = await http.get("/api/inverters", headers={"Authorization": f"Bearer {token}"})

    assert (entered.status_code, entered.headers["location"]) == (303, "/inverters")
    assert inside.status_code == api.status_code == 200


async def test_a_code_works_once(cast: Cast, phone: Phone) -> None:
    """Not at another browser, not at the API, not to prove anything: whoever looked over a shoulder is too late."""
    code = phone.code()
    async with cast.portal.browser() as http, cast.portal.browser() as other:
        first, second = await second_step(http, code), await second_step(other, code)
        form = {"username": cast.alice.email, "password": PASSWORD, "otp": code}
        token = await http.post("/auth/jwt/login", data=form)
    proved = await cast.alice.post("/account/prove", password=PASSWORD, code=code)

    assert first.status_code == 303
    assert (second.status_code, token.status_code, proved.status_code) == (422, 401, 422)
    assert DOES_NOT_FIT in second.text
    assert DOES_NOT_FIT in proved.text
    assert token.json()["otp"] == "refused"


async def test_the_code_that_switched_it_on_is_used_up(cast: Cast) -> None:
    """It was typed into a page a moment ago."""
    phone = await switched_on(cast.portal, cast.alice, wait=False)
    async with cast.portal.browser() as http:
        answer = await second_step(http, phone.code())

    assert answer.status_code == 422


async def test_codes_of_one_step_around_now_fit(cast: Cast, phone: Phone) -> None:
    """Clocks of telephones go wrong by half a minute, not by more."""
    cast.portal.clock.go(minutes=5)
    answers = {}
    for steps in (-2, -1, 0, 1, 2):
        async with cast.portal.browser() as http:
            answers[steps] = (await second_step(http, phone.code(steps))).status_code

    assert answers == {-2: 422, -1: 303, 0: 303, 1: 303, 2: 422}


async def test_an_older_code_than_the_last_one_is_refused(cast: Cast, phone: Phone) -> None:
    """Though it has never been used itself."""
    cast.portal.clock.go(minutes=5)
    async with cast.portal.browser() as http, cast.portal.browser() as other:
        newer, older = await second_step(http, phone.code(0)), await second_step(other, phone.code(-1))

    assert (newer.status_code, older.status_code) == (303, 422)


async def test_a_code_of_another_account_opens_nothing(cast: Cast, phone: Phone) -> None:
    """Neither Bob's app's code nor Bob's recovery code, though both are good for Bob."""
    bobs = await switched_on(cast.portal, cast.bob)
    async with cast.portal.browser() as http, cast.portal.browser() as other:
        by_code = await second_step(http, bobs.code())
        by_recovery = await second_step(http, bobs.recovery[0])
        his = Person("bob", other)
        await his.log_in()
        his_own = await his.post("/login/code", code=bobs.recovery[0])

    assert (by_code.status_code, by_recovery.status_code, his_own.status_code) == (422, 422, 303)


async def test_the_sealed_secret_opens_for_its_own_account_alone(cast: Cast, phone: Phone) -> None:
    """Copied into Bob's row by whoever can write the database it lets nobody in there."""
    async with cast.portal.parts.sessions.begin() as session:
        sealed = (await session.get_one(Account, cast.alice.account_id)).totp_sealed
        await session.execute(update(Account).where(Account.id == cast.bob.account_id).values(totp_sealed=sealed))
    async with cast.portal.browser() as http:
        person = Person("bob", http)
        await person.log_in()
        answer = await person.post("/login/code", code=phone.code())

    assert sealed is not None
    assert phone.secret.encode() not in sealed
    assert answer.status_code == 422


async def test_nonsense_is_no_code(cast: Cast, phone: Phone) -> None:
    """It is refused at the field, and nothing breaks."""
    nonsense = ["", "12345", "1234567", "\u0661\u0662\u0663\u0664\u0665\u0666", "abcdef", "0' OR '1", "\u0000" * 6]
    async with cast.portal.browser() as http:
        answers = [await second_step(http, typed) for typed in nonsense]

    assert [answer.status_code for answer in answers] == [422] * len(nonsense)
    assert all('id="code-error"' in answer.text for answer in answers)


async def test_codes_cannot_be_guessed(cast: Cast, phone: Phone) -> None:
    """Ten tries in a quarter of an hour, from wherever; a recovery code still lets its owner in."""
    wrong = f"{(int(phone.code()) + 1) % 1_000_000:06}"
    async with cast.portal.browser() as http, cast.portal.browser() as other:
        tries = [(await second_step(http, wrong)).status_code for _ in range(12)]
        right = await second_step(other, phone.code())
        by_recovery = await second_step(other, phone.recovery[0])

    assert tries == [422] * 10 + [429] * 2
    assert right.status_code == 429
    assert int(right.headers["retry-after"]) > 0
    assert by_recovery.status_code == 303


async def test_codes_cannot_be_guessed_by_proving_either(cast: Cast, phone: Phone) -> None:
    """Whoever holds a signed-in device and the password has no more tries than at the door; both are counted as one."""
    wrong = f"{(int(phone.code()) + 1) % 1_000_000:06}"
    tries = [(await cast.alice.post("/account/prove", password=PASSWORD, code=wrong)).status_code for _ in range(12)]
    async with cast.portal.browser() as http:
        at_the_door = (await second_step(http, phone.code())).status_code

    assert tries == [422] * 10 + [429] * 2
    assert at_the_door == 429


async def test_the_note_between_the_halves_does_not_last(cast: Cast, phone: Phone) -> None:
    """Five minutes, and not beyond a change of the password."""
    async with cast.portal.browser() as http, cast.portal.browser() as other:
        await Person("alice", http).log_in()
        cast.portal.clock.go(minutes=5, seconds=1)
        late = await Person("alice", http).post("/login/code", code=phone.code())
        person = Person("alice", other)
        await person.log_in()
        new_hash = await cast.portal.parts.passwords.hashed("another password altogether")
        async with cast.portal.parts.sessions.begin() as session:
            await session.execute(
                update(Account).where(Account.id == cast.alice.account_id).values(password_hash=new_hash)
            )
        changed = await person.post("/login/code", code=phone.code())

    assert late.headers["location"] == changed.headers["location"] == "/login"


def test_steps_are_counted_as_rfc_6238_says() -> None:
    """The RFC's own table (appendix B), its eight digits cut to six."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    table = {59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037"}

    for seconds, code in table.items():
        now = datetime.fromisoformat("1970-01-01T00:00:00+00:00").fromtimestamp(seconds).astimezone()
        assert totp.step_of(secret, code, after=None, now=now) == seconds // 30
        assert totp.step_of(secret, code, after=seconds // 30, now=now) is None
