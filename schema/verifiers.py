"""Logins, their secrets and what the broker keeps of a secret: Mosquitto's ``$7$`` PBKDF2 line. No I/O, no database.

The secret is random (160 bit), so 101 rounds are enough: more rounds would not slow a guesser down who has 2**160 to
try, but would stall the broker's single thread at each reload (DESIGN 4.1; measured 2 s at 1,000 rounds and 2,000
connections). Mosquitto 2.0.11 refuses every salt that has not exactly 12 bytes (measured).
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable

from schema.topics import LOGIN_ALPHABET, LOGIN_LENGTH

ROUNDS = 101
SALT_BYTES = 12

_SECRET_BYTES = 20
_GROUP = 4
_HASH_BYTES = 64
# 12 bytes are 16 base64 characters without padding; 64 bytes are 85 and a third, so 86 with two of padding.
_VERIFIER = re.compile(r"\$7\$101\$[A-Za-z0-9+/]{16}\$[A-Za-z0-9+/]{85}[AQgw]==", re.ASCII)


def new_secret(token_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """A fresh secret: 32 base32 characters in groups of four, joined by ``-``; the dashes belong to it."""
    text = base64.b32encode(token_bytes(_SECRET_BYTES)).decode()
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def new_login(randbelow: Callable[[int], int] = secrets.randbelow) -> str:
    """A fresh login; whether it is free is for the database to say (30**10 of them, so it practically always is)."""
    return "".join(LOGIN_ALPHABET[randbelow(len(LOGIN_ALPHABET))] for _ in range(LOGIN_LENGTH))


def verifier(secret: str, salt: bytes | None = None) -> str:
    """What Mosquitto's password file keeps of ``secret``: ``$7$101$<salt>$<hash>``, base64. ``salt`` has 12 bytes."""
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    if len(salt) != SALT_BYTES:
        raise ValueError(f"Mosquitto reads salts of {SALT_BYTES} bytes only")
    digest = hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, ROUNDS, _HASH_BYTES)
    return f"$7${ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def is_verifier(text: str) -> bool:
    """Whether ``text`` is exactly what ``verifier`` makes: nothing else may reach the broker's password file."""
    return _VERIFIER.fullmatch(text) is not None
