"""Security headers of every answer, set just before it is sent. Handlers may set their own value first."""

from litestar.datastructures import MutableScopeHeaders
from litestar.types import BeforeMessageSendHookHandler, Message, Scope

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# Swagger UI styles itself at run time and carries its pictures along; it comes from our own files all the same.
DOCS_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)
DOCS_PATH = "/docs"

# A page whose address holds a one-time token tells nobody where the visitor came from.
NO_REFERRER = {"Referrer-Policy": "no-referrer"}
NEVER_STORED = {"Cache-Control": "no-store"}
# A page that can scan a sticker asks for the camera; no frame in it may.
CAMERA = {"Permissions-Policy": "camera=(self), geolocation=(), microphone=(), payment=(), usb=()"}

_ALWAYS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Answers show private readings and carry form tokens; static files and the API say themselves how they keep.
    "Cache-Control": "no-store",
}
_WHEN_SECURE = {"Strict-Transport-Security": "max-age=31536000"}
# Whoever sits down at this browser next finds no page in its cache. Not "cookies": that would take the neighbours'
# below the same domain, too. Browsers heed it over HTTPS alone.
_FAREWELL = '"cache", "storage"'


def security_headers(*, secure: bool, session_cookie: str) -> BeforeMessageSendHookHandler:
    """A hook that adds what an answer does not set itself; ``secure`` adds the promise to stay on HTTPS.

    An answer that takes ``session_cookie`` away takes what the browser kept of our pages along.
    """
    always = {**_ALWAYS, **(_WHEN_SECURE if secure else {})}

    async def add(message: Message, scope: Scope) -> None:
        if message["type"] != "http.response.start":
            return
        headers = MutableScopeHeaders.from_message(message)
        if scope["path"].rstrip("/") == DOCS_PATH:
            headers["Content-Security-Policy"] = DOCS_CONTENT_SECURITY_POLICY
        for name, value in always.items():
            headers.setdefault(name, value)
        if any(_takes_away(session_cookie, cookie) for cookie in headers.getall("set-cookie", [])):
            headers["Clear-Site-Data"] = _FAREWELL

    return add


def _takes_away(name: str, cookie: str) -> bool:
    return cookie.startswith(f"{name}=") and "max-age=0" in cookie.lower()
