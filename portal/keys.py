"""One secret in the environment, one key per use: a key leaked in one place opens nothing in another. No I/O."""

import hashlib
import hmac
from enum import StrEnum


class KeyUse(StrEnum):
    """What a derived key is for; the text is part of the derivation, so it never changes."""

    PAGE_SESSIONS = "page-sessions"
    API_SESSIONS = "api-sessions"
    FORMS = "forms"
    MAILED_TOKENS = "mailed-tokens"
    TRIES = "tries"
    AUDIT = "audit"
    RECOVERY_CODES = "recovery-codes"
    API_KEYS = "api-keys"
    COLLECTOR_KEYS = "collector-keys"
    COLLECTOR_SERIALS = "collector-serials"
    KNOWN_BROWSERS = "known-browsers"


def derived(auth_secret: str, use: KeyUse) -> str:
    """The key of ``use``, 64 hex digits."""
    return hmac.new(auth_secret.encode(), f"deye-hard/{use}".encode(), hashlib.sha256).hexdigest()


def keyed_hash(key: str, text: str) -> str:
    """What is stored of a secret that we must recognise but never show again, 64 hex digits."""
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
