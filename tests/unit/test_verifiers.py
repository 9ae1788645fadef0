"""Logins, secrets and the verifier lines made from them."""

import base64
import hashlib

import pytest

from schema.topics import LOGIN_ALPHABET, is_login
from schema.verifiers import is_verifier, new_login, new_secret, verifier

pytestmark = pytest.mark.unit


def test_a_secret_has_160_bits_in_groups_of_four() -> None:
    """32 base32 characters and seven dashes, and the bytes come from the dice that were handed in."""
    secret = new_secret(lambda size: bytes(range(size)))

    assert base64.b32decode(secret.replace("-", "")) == bytes(range(20))
    assert [len(group) for group in secret.split("-")] == [4] * 8
    assert new_secret() != new_secret()


def test_a_login_has_ten_characters_that_cannot_be_misread() -> None:
    """Every character comes from the one alphabet, picked by the dice that were handed in."""
    rolls = iter(range(10))

    login = new_login(lambda sides: next(rolls) + (sides - 30))

    assert login == LOGIN_ALPHABET[:10]
    assert is_login(new_login())
    assert not set(LOGIN_ALPHABET) & set("01ILOUilou")


def test_a_verifier_is_the_pbkdf2_of_the_text_as_shown() -> None:
    """Dashes count: what a person pastes is what was hashed."""
    salt = b"twelve bytes"
    expected = hashlib.pbkdf2_hmac("sha512", b"ABCD-EFGH", salt, 101)

    kind, rounds, kept_salt, kept_hash = verifier("ABCD-EFGH", salt)[1:].split("$")

    assert (kind, rounds) == ("7", "101")
    assert base64.b64decode(kept_salt) == salt
    assert base64.b64decode(kept_hash) == expected


def test_equal_secrets_do_not_show() -> None:
    """Each verifier has a salt of its own."""
    assert verifier("same") != verifier("same")


@pytest.mark.parametrize("size", [0, 8, 11, 13, 16, 64])
def test_a_salt_the_broker_would_refuse_is_refused_here(size: int) -> None:
    """Mosquitto reads salts of twelve bytes only."""
    with pytest.raises(ValueError, match="12 bytes"):
        verifier("secret", bytes(size))


def test_only_whole_verifiers_pass() -> None:
    """A second line, a missing part or another algorithm never reaches the password file."""
    good = verifier(new_secret())

    assert is_verifier(good)
    for bad in (
        "",
        good + "\n",
        f"{good}\nadmin:{good}",
        good[:-1],
        good.replace("$7$", "$6$"),
        f" {good}",
        good + "=",
    ):
        assert not is_verifier(bad)
