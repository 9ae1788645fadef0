"""Changes of the second factor: on, off, new recovery codes, and one of them used; each announced by mail and noted."""

import re

import pyotp
import pytest
from sqlalchemy import select

from portal.__main__ import _end_second_factor
from schema.models import Account, AuditEntry, Base, RecoveryCode
from tests.factors import Phone, recovery_codes, second_step, switched_on
from tests.people import PASSWORD, Cast, Person

pytestmark = pytest.mark.integration


@pytest.fixture
async def phone(cast: Cast) -> Phone:
    """Alice's, after she has switched the second factor on."""
    return await switched_on(cast.portal, cast.alice)


async def test_a_recovery_code_works_once_and_says_so_by_mail(cast: Cast, phone: Phone) -> None:
    """Small letters and spaces do not matter; the second time it is refused."""
    async with cast.portal.browser() as http, cast.portal.browser() as other:
        typed = phone.recovery[3].lower().replace("-", " ")
        first, second = await second_step(http, typed), await second_step(other, phone.recovery[3])
        security = await Person("alice", http).get("/account/security")
    await cast.portal.mail_sent()

    assert (first.status_code, second.status_code) == (303, 422)
    assert "9 of 10" in security.text
    assert [mail["Subject"] for mail in cast.portal.bag.to(cast.alice.email)][-1] == "A recovery code was used"


async def test_a_new_set_takes_the_place_of_the_old_one_once(cast: Cast, phone: Phone) -> None:
    """The old codes work no more; a form sent twice makes one set."""
    form = await cast.alice.get("/account/security/codes")
    named = re.search(r'name="instead_of" value="([^"]+)"', form.text)
    assert named
    made = await cast.alice.post("/account/security/codes", instead_of=named[1])
    shown = await recovery_codes(cast.alice)
    again = await cast.alice.post("/account/security/codes", instead_of=named[1])
    shown_again = await recovery_codes(cast.alice)
    async with cast.portal.browser() as http, cast.portal.browser() as other:
        old, new = await second_step(http, phone.recovery[0]), await second_step(other, shown[0])

    assert (made.status_code, again.status_code) == (303, 303)
    assert len(shown) == 10
    assert not set(shown) & set(phone.recovery)
    assert shown_again == []
    assert (old.status_code, new.status_code) == (422, 303)


async def test_switching_it_on_logs_every_other_device_out_and_is_announced(cast: Cast) -> None:
    """They came in with the password alone."""
    async with cast.portal.browser() as http:
        other_device = Person("alice", http)
        await other_device.log_in()
        bearer = await cast.alice.bearer()
        await switched_on(cast.portal, cast.alice)
        left_out = await other_device.get("/inverters")
        program = await http.get("/api/inverters", headers=bearer)
    await cast.portal.mail_sent()

    assert (left_out.status_code, program.status_code) == (303, 401)
    assert (await cast.alice.get("/inverters")).status_code == 200
    assert [mail["Subject"] for mail in cast.portal.bag.to(cast.alice.email)] == ["Two-step log-in is on"]


async def test_an_offer_is_good_for_the_session_that_was_shown_it(cast: Cast) -> None:
    """Nobody can make Alice confirm a secret of his own choice, and a wrong code shows the same picture again."""
    bobs = await cast.bob.get("/account/security/on")
    offer = re.search(r'name="offer" value="([^"]+)"', bobs.text)
    secret = re.search(r"secret=([A-Z2-7]{32})", bobs.text)
    assert offer
    assert secret
    code = pyotp.TOTP(secret[1]).at(cast.portal.clock())
    by_alice = await cast.alice.post("/account/security/on", offer=offer[1], code=code)
    wrong = await cast.bob.post("/account/security/on", offer=offer[1], code="000000")
    cast.portal.clock.go(minutes=61)
    await cast.bob.post("/account/prove", password=PASSWORD)
    late = await cast.bob.post(
        "/account/security/on", offer=offer[1], code=pyotp.TOTP(secret[1]).at(cast.portal.clock())
    )

    assert (by_alice.status_code, wrong.status_code, late.status_code) == (422, 422, 422)
    assert secret[1] in wrong.text
    assert secret[1] not in by_alice.text + late.text
    assert "It is off" in (await cast.alice.get("/account/security")).text


async def test_switching_it_off_wants_a_fresh_log_in_with_a_code(cast: Cast, phone: Phone) -> None:
    """The password alone proves nothing where there is a second factor; afterwards it is enough again."""
    cast.portal.clock.go(minutes=11)
    refused = await cast.alice.post("/account/security/off")
    by_password = await cast.alice.post("/account/prove", password=PASSWORD)
    still_on = (await cast.alice.get("/account/security")).text
    proved = await cast.alice.post("/account/prove", password=PASSWORD, code=phone.code(), next="/account/security/off")
    switched_off = await cast.alice.post("/account/security/off")
    async with cast.portal.browser() as http:
        entered = await Person("alice", http).log_in()
    async with cast.portal.parts.sessions() as session:
        codes = (await session.scalars(select(RecoveryCode))).all()
    await cast.portal.mail_sent()

    assert refused.headers["location"].startswith("/account/prove?next=/account/security/off")
    assert by_password.status_code == 422
    assert "It is on" in still_on
    assert (proved.status_code, switched_off.status_code) == (303, 303)
    assert entered.headers["location"] == "/"
    assert list(codes) == []
    assert cast.portal.bag.to(cast.alice.email)[-1]["Subject"] == "Two-step log-in is off"


async def test_every_change_leaves_an_entry_without_a_secret(cast: Cast, phone: Phone) -> None:
    """Switched on, logged in with a recovery code, switched off."""
    async with cast.portal.browser() as http:
        await second_step(http, phone.recovery[0])
    await cast.alice.post("/account/security/off")
    async with cast.portal.parts.sessions() as session:
        entries = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()
    of_alice = [entry.action for entry in entries if entry.actor_id == cast.alice.account_id]
    written = " ".join(f"{entry.subject} {entry.details}" for entry in entries)

    assert [action for action in of_alice if "totp" in action] == ["totp.on", "totp.off"]
    assert "'second_factor': 'recovery_code'" in written
    assert not [secret for secret in (phone.secret, *phone.recovery) if secret in written]


async def test_the_operator_lets_somebody_in_who_has_lost_everything(cast: Cast, phone: Phone) -> None:
    """By a command at the machine: noted, announced by mail, and nothing for an account without it."""
    settings, alice = cast.portal.parts.settings, cast.alice.email
    said, again = await _end_second_factor(settings, alice), await _end_second_factor(settings, alice)
    unknown = await _end_second_factor(settings, "zoe@example.org")
    async with cast.portal.browser() as http:
        entered = await Person("alice", http).log_in()
    async with cast.portal.parts.sessions() as session:
        noted = (await session.scalars(select(AuditEntry).where(AuditEntry.action == "totp.off"))).one()
    await cast.portal.mail_sent()

    assert "with the password alone" in said
    assert "has no account with two-step log-in" in again
    assert "has no account with two-step log-in" in unknown
    assert entered.headers["location"] == "/"
    assert noted.actor == "command"
    assert cast.portal.bag.to(alice)[-1]["Subject"] == "Two-step log-in is off"


async def test_secret_and_codes_are_kept_nowhere_in_clear(
    cast: Cast, phone: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not in any row of any table, not in a line of the log; whatever was typed, right or wrong."""
    code = phone.code()
    async with cast.portal.browser() as http:
        tries = [await second_step(http, typed) for typed in ("123 457", phone.recovery[1] + "X", phone.recovery[0])]
        proved = await cast.alice.post("/account/prove", password=PASSWORD, code=code)
    async with cast.portal.parts.sessions() as session:
        kept = [
            str(value)
            for table in Base.metadata.sorted_tables
            for row in (await session.execute(select(table))).all()
            for value in row
        ]
    said = "".join(capsys.readouterr())
    secrets = [phone.secret, *phone.recovery, *(spoken.replace("-", "") for spoken in phone.recovery)]

    assert [answer.status_code for answer in (*tries, proved)] == [422, 422, 303, 303]
    assert "login.code_refused" in said
    assert not [secret for secret in secrets if secret in said or any(secret in value for value in kept)]
    # Six digits may stand by chance within a number of something else.
    assert not re.search(rf"\b({code}|123 457)\b", said)
    assert not {code, "123 457", "123457"} & set(kept)
    async with cast.portal.parts.sessions() as session:
        assert (await session.get_one(Account, cast.alice.account_id)).totp_step is not None
