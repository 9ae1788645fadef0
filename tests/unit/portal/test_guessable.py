"""Passwords: what is tried first is refused with a reason, everything else is fine whatever it is made of."""

import itertools
import re
import time
import unicodedata

import pytest
from argon2 import PasswordHasher
from pydantic import TypeAdapter, ValidationError
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from portal.accounts.forms import PASSWORD_MAX, PASSWORD_MIN, ChosenPassword, SignUp
from portal.accounts.guessable import PRODUCT_WORDS, refused_because
from portal.accounts.passwords import Passwords

pytestmark = pytest.mark.unit

CHOSEN: TypeAdapter[str] = TypeAdapter(ChosenPassword)


def _known_word_for_word() -> list[str]:
    words = itertools.chain.from_iterable(FREQUENCY_LISTS.values())
    return [word for word in words if PASSWORD_MIN <= len(word) <= 20]


def _leaked() -> list[str]:
    return [str(word) for word in FREQUENCY_LISTS["passwords"]]


def test_everything_long_that_the_lists_know_is_refused() -> None:
    """Passwords, words, names and titles of twelve characters and more: over three thousand."""
    known = _known_word_for_word()

    assert len(known) >= 3000
    assert [word for word in known if refused_because(word) is None] == []


def test_the_commonest_are_refused_in_the_ways_people_lengthen_them() -> None:
    """Said twice, with 123, a year or an exclamation mark, with a capital: another few thousand."""
    endings = ("1234", "12345", "123456", "2024", "1234!", "!!!!", "0000")
    made = [word.capitalize() + ending for word in _leaked()[:400] for ending in endings]
    made += [word + word for word in _leaked()[:3000]]
    long = [password for password in dict.fromkeys(made) if len(password) >= PASSWORD_MIN]

    assert len(long) >= 3000
    assert [password for password in long if refused_because(password) is None] == []


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("qwertyuiop[]", "side by side"),
        ("1qaz2wsx3edc4rfv", "tried first"),
        ("yxcvbnm,.-yxcvbnm,.-", "again and again"),
        ("abcdefghijklmnop", "usual order"),
        ("9876543210987", "tried first"),
        ("aaaaaaaaaaaa", "again and again"),
        ("abcabcabcabc", "again and again"),
        ("P@ssw0rd1234", "tried first"),
        ("unbelievable", "tried first"),
        ("deyehard2026", "this product"),
        ("Deye-Inverter1", "this product"),
        ("solar inverter", "this product"),
        ("a" * 128, "again and again"),
    ],
)
def test_a_refusal_says_why(password: str, reason: str) -> None:
    """Whoever reads the sentence knows what to do instead."""
    said = refused_because(password)

    assert said is not None
    assert reason in said
    assert "words" in said


@pytest.mark.parametrize("password", ["alice.miller1", "millerexample", "alice@miller.example1", "Alice Miller 1"])
def test_nobodys_password_is_made_of_their_address(password: str) -> None:
    """Whoever knows the address would try it; for somebody else the same is another matter."""
    said = refused_because(password, ["alice@miller.example", "Alice Miller"])

    assert said is not None
    assert "your address" in said


@pytest.mark.parametrize(
    "password",
    [
        "nine green bottles",
        "correct horse battery staple",
        "correct horse battery staple " * 4 + "and so on",
        "kühle Füße im Äther",
        "пять зелёных бутылок",
        "九つの緑の瓶が壁に立っている",
        "🌞🔋🏠🐈🚲🍏🌧️🎻🧭🪁🥾🦉",
        "all lower case letters here",
        "7301946825510",
        "kT9#mvQ2pL0x",
        " leading and trailing spaces ",
    ],
)
def test_long_ones_are_fine_whatever_they_are_made_of(password: str) -> None:
    """No capital, digit or sign is asked for, no script is refused, no space is cut away."""
    assert CHOSEN.validate_python(password) == unicodedata.normalize("NFKC", password)


def test_a_long_one_is_fine_when_a_part_of_it_is() -> None:
    """Four words after a row of keys are still four words."""
    assert refused_because("qwertyuiopasdfghjklzxcvbnm") is not None
    assert refused_because("qwertyuiopasdfghjklzxcvbnm nine green bottles") is None
    assert refused_because("nine green bottles on qwertyuiopasdfghjklzxcvbnm") is None


@pytest.mark.parametrize(("length", "fine"), [(11, False), (12, True), (128, True), (129, False)])
def test_the_shortest_has_12_and_the_longest_128_characters(length: int, *, fine: bool) -> None:
    """Counted as a reader counts them."""
    text = ("qm7 vx2 zr9 kd4 wt8 " * 7)[:length]
    try:
        CHOSEN.validate_python(text)
        taken = True
    except ValidationError:
        taken = False

    assert taken is fine
    assert (PASSWORD_MIN, PASSWORD_MAX) == (12, 128)


def test_what_looks_short_when_it_is_put_together_is_too_short() -> None:
    """Eleven letters written as twenty-two code points are eleven letters."""
    with pytest.raises(ValidationError, match="at least 12"):
        CHOSEN.validate_python(unicodedata.normalize("NFD", "öäüÖÄÜéèêôñ"))


async def test_one_password_fits_however_a_keyboard_writes_it() -> None:
    """A letter with its dots may be one code point or two, a digit full-width."""
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    text = "kühle Füße 12 im Äther"
    stored = await passwords.hashed(unicodedata.normalize("NFC", text))

    assert await passwords.fits(stored, unicodedata.normalize("NFD", text))
    assert await passwords.fits(stored, text.replace("12", "１２"))  # noqa: RUF001  # full-width on purpose
    assert not await passwords.fits(stored, text.lower())


def test_every_form_that_sets_a_password_refuses_them() -> None:
    """The type of the field asks, not each form."""
    with pytest.raises(ValidationError, match="tried first"):
        CHOSEN.validate_python("password1234")


def test_the_sentence_stands_at_the_password() -> None:
    """Also the one about the address, which needs both fields."""
    with pytest.raises(ValidationError) as fault:
        SignUp.model_validate({"email": "alice@miller.example", "password": "alice@miller.example"})

    (only,) = fault.value.errors()
    assert only["loc"] == ("password",)
    assert "your address" in only["msg"]


@pytest.mark.parametrize("signs", ["4@8({[<369|!1705$+7%2", "0123456789", "a", "p@$5w0rd"])
def test_no_password_keeps_the_portal_busy(signs: str) -> None:
    """The library's work explodes with what could be letters: 2 s for 72 such signs, seen in zxcvbn 4.5.0."""
    refused_because("warm up")
    began = time.process_time()

    refused_because((signs * 128)[:128])

    assert time.process_time() - began < 0.4


def test_the_products_words_are_words() -> None:
    """One that is too short to be looked for would be there in vain."""
    assert all(re.fullmatch(r"[a-z -]{4,}", word) for word in PRODUCT_WORDS)
