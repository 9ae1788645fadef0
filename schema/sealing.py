"""Seals store tokens at rest: AES-256-GCM with a key id and the row's identity as associated data (DESIGN 4.3).

A sealed token copied into another row does not open there. Layout: key id (1 byte), nonce (12), ciphertext and tag.
"""

import base64
import os
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY_ID = 1
_NONCE_BYTES = 12


class CannotUnseal(Exception):
    """The bytes were sealed with another key, for another row, or were changed."""


class Sealer(Protocol):
    """Seals and opens with one key."""

    def seal(self, secret: str, *, row: str) -> bytes:
        """The sealed form of ``secret``, bound to ``row``."""

    def open(self, sealed: bytes, *, row: str) -> str:
        """The secret again. Raises ``CannotUnseal``."""


class AesSealer:
    """``TOKEN_KEY`` (base64 of 32 bytes) as a ``Sealer``."""

    def __init__(self, token_key: str) -> None:
        self._key = base64.b64decode(token_key)

    @cached_property
    def _cipher(self) -> "AESGCM":
        # 6 MB that a process which meets no token need not pay, such as a home's bridge.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        return AESGCM(self._key)

    def seal(self, secret: str, *, row: str) -> bytes:
        """Fresh random nonce each time: sealing twice never shows that two secrets are equal."""
        nonce = os.urandom(_NONCE_BYTES)
        return bytes([_KEY_ID]) + nonce + self._cipher.encrypt(nonce, secret.encode(), row.encode())

    def open(self, sealed: bytes, *, row: str) -> str:
        """Raises ``CannotUnseal`` where key, row or bytes do not fit."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415  # see _cipher

        nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, ciphertext, row.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise CannotUnseal("TOKEN_KEY does not open this token") from error
