"""Which language a page is in: the account's, a stranger's own choice, or what the browser asks for."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from litestar import Request
from litestar.datastructures import MutableScopeHeaders
from litestar.types import ASGIApp, BeforeMessageSendHookHandler, Message, Receive, Scope, Send

from portal import words
from portal.cookies import cookie_name, own_cookie
from portal.words import LANGUAGES, SOURCE, Reader, speaking

PARAMETER = "lang"
COOKIE_NAMES = tuple(cookie_name(PARAMETER, secure=secure) for secure in (True, False))
_A_YEAR_S = 365 * 86_400
# For operators: there the words of the code, the logs and the documents are best.
_ENGLISH_PATHS = ("/admin",)


def reader_of(request: Request[Any, Any, Any]) -> Reader:
    """Who reads the answer to this request."""
    accepted = request.headers.get("accept-language", "")
    if str(request.scope["path"]).startswith(_ENGLISH_PATHS):
        return words.chosen(SOURCE)
    visitor = request.scope.get("user")
    if visitor:
        return words.chosen(visitor.language, accept_language=accepted)
    return words.chosen(_asked(request.scope), _kept(request.cookies), accept_language=accepted)


class Spoken:
    """A layer inside log-in: what is written within is in the visitor's language."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Nothing is raised here."""
        with speaking(reader_of(Request(scope))):
            await self.app(scope, receive, send)


def other_languages(request: Request[Any, Any, Any]) -> Mapping[str, str]:
    """Where this page stands in other languages, for the foot of a page: own name and address.

    Empty for who is signed in: an account has a setting. The choice is a plain link, so that it works without scripts.
    """
    path = str(request.scope["path"])
    if request.scope.get("user") or path.startswith(_ENGLISH_PATHS):
        return {}
    query = [(name, value) for name, value in _query(request.scope) if name != PARAMETER]
    here = words.reader().language
    return {code: f"{path}?{urlencode([*query, (PARAMETER, code)])}" for code in LANGUAGES if code != here}


def language_headers(*, secure: bool) -> BeforeMessageSendHookHandler:
    """A hook: caches learn what a page's language depends on, and a cookie remembers a visitor's choice.

    The account's language is remembered too, so that its browser is spoken to alike after log-out.
    """

    async def add(message: Message, scope: Scope) -> None:
        if message["type"] != "http.response.start":
            return
        headers = MutableScopeHeaders.from_message(message)
        if not headers.get("content-type", "").startswith("text/html"):
            return
        headers.add("Vary", "Accept-Language, Cookie")
        visitor = scope.get("user")
        wanted = visitor.language if visitor else _asked(scope)
        if wanted in LANGUAGES and wanted != _kept(_cookies(scope)):
            kept = own_cookie(PARAMETER, wanted, _A_YEAR_S, secure=secure)
            headers.add("Set-Cookie", kept.to_header(header=""))

    return add


def _asked(scope: Scope) -> str:
    return next((value for name, value in _query(scope) if name == PARAMETER), "")


def _query(scope: Scope) -> list[tuple[str, str]]:
    try:
        return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return []


def _cookies(scope: Scope) -> dict[str, str]:
    return Request[Any, Any, Any](scope).cookies


def _kept(cookies: Mapping[str, str]) -> str:
    return next((cookies[name] for name in COOKIE_NAMES if name in cookies), "")
