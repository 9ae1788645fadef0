"""Browsers at which an account's right password was given before: strangers who guess at it do not slow those down.

The cookie holds a mark for each of a few accounts and names none of them: only with an e-mail address at hand can be
told whether one is its mark. It opens nothing; a copy of it guesses as slowly as one address does.
"""

import secrets
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import Any

from litestar import Request
from litestar.datastructures import Cookie

from portal.cookies import cookie_name, own_cookie
from portal.keys import KeyUse, derived, keyed_hash
from portal.parts import parts_of

NAME = "known"
LIFETIME = timedelta(days=180)
# A household at one browser.
MOST_MARKS = 5

_NUMBER_BYTES, _PROOF_CHARACTERS = 8, 32
_BETWEEN, _WITHIN = "~", "."

AnyRequest = Request[Any, Any, Any]


def number_of(request: AnyRequest, account: str) -> str:
    """This browser's own number for the account whose address has this key, empty where it is a stranger."""
    return next((mark.split(_WITHIN)[1] for mark in _marks(request) if _fits(request, mark, account)), "")


def marked(request: AnyRequest, account: str) -> Cookie:
    """The cookie with a new mark for this account, for whoever has just shown that it is theirs."""
    parts = parts_of(request)
    start = f"{int(parts.now().timestamp()):x}{_WITHIN}{secrets.token_hex(_NUMBER_BYTES)}"
    new = f"{start}{_WITHIN}{_proof(request, start, account)}"
    others = [mark for mark in _marks(request) if not _fits(request, mark, account)]
    value = _BETWEEN.join([new, *others][:MOST_MARKS])
    return own_cookie(NAME, value, int(LIFETIME.total_seconds()), secure=parts.settings.cookie_secure)


def _marks(request: AnyRequest) -> list[str]:
    """What this browser brings; more than we ever give is not looked at."""
    brought = request.cookies.get(cookie_name(NAME, secure=parts_of(request).settings.cookie_secure), "")
    return [mark for mark in brought.split(_BETWEEN)[:MOST_MARKS] if mark.count(_WITHIN) == 2 and mark.isascii()]


def _fits(request: AnyRequest, mark: str, account: str) -> bool:
    start, _, proof = mark.rpartition(_WITHIN)
    if not compare_digest(proof, _proof(request, start, account)):
        return False
    given_at = datetime.fromtimestamp(int(start.partition(_WITHIN)[0], 16), UTC)
    return parts_of(request).now() - given_at < LIFETIME


def _proof(request: AnyRequest, start: str, account: str) -> str:
    key = derived(parts_of(request).settings.auth_secret.get_secret_value(), KeyUse.KNOWN_BROWSERS)
    return keyed_hash(key, f"{start}:{account}")[:_PROOF_CHARACTERS]
