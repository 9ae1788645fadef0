"""Seals secrets at rest: AES-256-GCM with a key id and the row's identity as associated data (DESIGN 4.3).

A sealed token copied into another row does not open there. Layout: key id (1 byte), nonce (12), ciphertext and tag.
The id tells sealed values of one key from those of another without opening them; what counts is which key opens.
"""

import base64
import hashlib
import os
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class CannotUnseal(Exception):
    """The bytes were sealed with another key, for another row, or were changed."""


class Sealer(Protocol):
    """Seals with one key and opens with that and older ones."""

    def seal(self, secret: str, *, row: str) -> bytes:
        """The sealed form of ``secret``, bound to ``row``."""

    def open(self, sealed: bytes, *, row: str) -> str:
        """The secret again. Raises ``CannotUnseal``."""


class AesSealer:
    """``TOKEN_KEY`` (base64 of 32 bytes) as a ``Sealer``; ``older`` keys open what they have sealed, and seal none."""

    def __init__(self, token_key: str, *older: str) -> None:
        self._keys = [base64.b64decode(key) for key in (token_key, *older)]

    @cached_property
    def _ciphers(self) -> "list[tuple[bytes, AESGCM]]":
        # 6 MB that a process which meets no token need not pay, such as a home's bridge.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        return [(_id_of(key), AESGCM(key)) for key in self._keys]

    def seal(self, secret: str, *, row: str) -> bytes:
        """Fresh random nonce each time: sealing twice never shows that two secrets are equal."""
        key_id, cipher = self._ciphers[0]
        nonce = os.urandom(_NONCE_BYTES)
        return key_id + nonce + cipher.encrypt(nonce, secret.encode(), row.encode())

    def open(self, sealed: bytes, *, row: str) -> str:
        """Raises ``CannotUnseal`` where no key, or row or bytes, fit."""
        # The likeliest first; what older versions sealed has an id that says nothing.
        for _, cipher in sorted(self._ciphers, key=lambda one: one[0] != sealed[:1]):
            secret = _opened(cipher, sealed, row)
            if secret is not None:
                return secret
        raise CannotUnseal("TOKEN_KEY does not open this token")

    def is_newest(self, sealed: bytes, *, row: str) -> bool:
        """Whether ``TOKEN_KEY`` alone opens it, so that nothing of older keys is needed for it."""
        return _opened(self._ciphers[0][1], sealed, row) is not None


def _opened(cipher: "AESGCM", sealed: bytes, row: str) -> str | None:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  # see _ciphers

    nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return cipher.decrypt(nonce, ciphertext, row.encode()).decode()
    except (InvalidTag, ValueError):
        return None


def _id_of(key: bytes) -> bytes:
    """A byte of the key's hash: it leads back to no key."""
    return hashlib.sha256(b"deye-hard key id" + key).digest()[:1]
