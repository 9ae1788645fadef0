"""What may be typed to sign up, and what a form gives back."""

import pytest

from portal.accounts.forms import LogIn, NewPassword, SignUp
from portal.accounts.passwords import SMALL_BOARD, Passwords
from portal.keys import KeyUse, derived
from portal.mail import FIRST_RETRY, LONGEST_RETRY, retry_after
from portal.submitted import Submitted, check
from tests.portal_app import CHEAP

pytestmark = pytest.mark.unit

GOOD = {"email": "alice@example.org", "password": "nine green bottles"}


def test_a_good_form_passes_in_one_spelling() -> None:
    """Blanks around the address are no part of it; its host has no capitals; a zone that is none becomes UTC."""
    typed = check(SignUp, Submitted({**GOOD, "email": "  Alice@Example.ORG ", "time_zone": "Mars/Base"}))

    assert isinstance(typed, SignUp)
    assert (typed.email, typed.time_zone) == ("Alice@example.org", "UTC")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": ""}, "email"),
        ({"email": "alice"}, "email"),
        ({"email": "alice@"}, "email"),
        ({"email": "a" * 250 + "@example.org"}, "email"),
        ({"password": "eleven char"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"password": "abababababababab"}, "password"),
        ({"email": "alicealicealice@example.org", "password": "ALICEaliceALICE"}, "password"),
        ({"password": "Alice@Example.org"}, "password"),
        ({"is_admin": "on"}, ""),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, str], field: str) -> None:
    """One sentence at the field it is about, at the top where it is about the form."""
    form = check(SignUp, Submitted({**GOOD, **change}))

    assert isinstance(form, Submitted)
    assert list(form.errors) == [field]
    assert "Value error" not in form.errors[field]
    assert form.errors[field].endswith(".")


def test_a_message_that_quotes_what_was_typed_is_not_a_format() -> None:
    """Braces in an address are an error, not a crash."""
    form = check(SignUp, Submitted({**GOOD, "email": "{0.__class__}@{}"}))

    assert isinstance(form, Submitted)
    assert form.errors["email"]


def test_forms_do_not_print_passwords() -> None:
    """What ends in a log by accident holds none."""
    printed = [
        repr(Submitted(GOOD)),
        repr(SignUp(**GOOD)),
        repr(LogIn(**GOOD)),
        repr(NewPassword(token="a token", password=GOOD["password"])),
    ]

    assert not [text for text in printed if GOOD["password"] in text or "a token" in text]


async def test_a_password_fits_its_own_hash_and_no_other() -> None:
    """Nobody's account takes any password; a hash of other costs still fits and is called outdated."""
    passwords = Passwords(CHEAP)
    stored = await passwords.hashed("nine green bottles")

    assert await passwords.fits(stored, "nine green bottles")
    assert not await passwords.fits(stored, "ten green bottles")
    assert not await passwords.fits(None, "nine green bottles")
    assert not await passwords.fits("not a hash", "nine green bottles")
    assert not passwords.outdated(stored)
    assert await Passwords(SMALL_BOARD).fits(stored, "nine green bottles")
    assert Passwords(SMALL_BOARD).outdated(stored)


def test_every_use_has_a_key_of_its_own() -> None:
    """And another secret gives others."""
    keys = {derived(secret, use) for use in KeyUse for secret in ("one secret", "another")}

    assert len(keys) == 2 * len(KeyUse)


def test_mail_is_tried_again_later_and_later() -> None:
    """Half a minute, a minute, and in the end every hour."""
    waits = [retry_after(attempts) for attempts in range(40)]

    assert waits[:3] == [FIRST_RETRY, FIRST_RETRY * 2, FIRST_RETRY * 4]
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_RETRY
