"""What comes before a form's token is compared: nothing that only a foreign page or a broken program would send.

Stands between log-in and Litestar's own check of the form token, which takes such requests for faults of ours.
"""

from hmac import compare_digest
from typing import Any

from litestar import Request
from litestar.config.csrf import CSRFConfig
from litestar.datastructures import Cookie
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, PermissionDeniedException
from litestar.middleware.csrf import CSRF_SECRET_LENGTH, generate_csrf_hash
from litestar.types import ASGIApp, Receive, Scope, Send

FORM_TYPE = "application/x-www-form-urlencoded"

# What browsers say of a request that a page of another site, or of a neighbour below the same domain, has made.
_FOREIGN = ("cross-site", "same-site")


class UnsupportedMediaType(HTTPException):
    """Pages take forms and nothing else."""

    status_code = 415


class Gate:
    """A layer around the pages' check of the form token."""

    def __init__(self, app: ASGIApp, config: CSRFConfig) -> None:
        self.app = app
        self._config = config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises ``HTTPException`` for what must not pass."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        request: Request[Any, Any, Any] = Request(scope)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in ("", FORM_TYPE):
            raise UnsupportedMediaType
        if request.method not in self._config.safe_methods and request.headers.get("sec-fetch-site") in _FOREIGN:
            raise PermissionDeniedException
        try:
            await self.app(scope, receive, send)
        except TypeError:
            # Faults of handlers end further inside. Here it is compare_digest, which knows no letters beyond ASCII.
            raise PermissionDeniedException(headers=self._amends(request)) from None
        except PermissionDeniedException as refused:
            refused.headers = {**(refused.headers or {}), **self._amends(request)}
            raise

    def _amends(self, request: Request[Any, Any, Any]) -> dict[str, str]:
        """A cookie that is none of ours (another ``AUTH_SECRET``, a neighbour's) never fits: the browser drops it."""
        present = request.cookies.get(self._config.cookie_name, "")
        if not present or self._is_ours(present):
            return {}
        farewell = Cookie(
            self._config.cookie_name, value="", path="/", max_age=0, secure=self._config.cookie_secure, samesite="lax"
        )
        return {"set-cookie": farewell.to_header(header="")}

    def _is_ours(self, token: str) -> bool:
        secret, shown = token[:CSRF_SECRET_LENGTH], token[CSRF_SECRET_LENGTH:]
        return token.isascii() and compare_digest(shown, generate_csrf_hash(token=secret, secret=self._config.secret))
