"""From an exception to an answer: a page for people, problem details (RFC 9457) for programs. One table, one place."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import asyncpg
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, InternalServerException, NotAuthorizedException, ValidationException
from litestar.response import Redirect
from litestar.serialization import encode_json
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from portal.spoken import reader_of
from portal.templating import environment_of
from portal.words import N_, _, speaking
from schema.timeseries.port import StoreError

_log = structlog.get_logger(__name__)

# What programs call. Everything else is for people.
PROGRAM_PATHS = (
    *("/api/", "/auth/jwt/", "/influx_token", "/inverter_metadata", "/healthcheck", "/health/", "/docs/openapi.json"),
)
# An anonymous visitor of these finds nothing rather than a log-in.
HIDDEN_PATHS = ("/admin",)

# Litestar's words for a caller who left in the middle of a body: nobody hears the answer, and it is no fault of ours.
_HUNG_UP = "client disconnected prematurely"

AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class _Words:
    """What a page says about a status, in a title and a sentence."""

    title: str
    detail: str


_WORDS = {
    400: _Words(N_("That did not work"), N_("The request could not be understood. Please go back and try again.")),
    403: _Words(
        N_("This page was open for too long"), N_("Please go back, load the page again and repeat what you did.")
    ),
    404: _Words(N_("Nothing here"), N_("There is no such page, or it is not yours to see.")),
    405: _Words(N_("That did not work"), N_("This address cannot be used like that.")),
    409: _Words(
        N_("That is enough"), N_("There are as many of these as one account may have. Use one that is there already.")
    ),
    413: _Words(N_("That was too much"), N_("What was sent is larger than anything this page expects.")),
    415: _Words(N_("That did not work"), N_("This page takes forms and nothing else.")),
    422: _Words(N_("That did not work"), N_("Something that was typed cannot be right. Please go back and check it.")),
    429: _Words(N_("A little slower, please"), N_("There were too many tries. Please wait a moment and try again.")),
    500: _Words(N_("Something broke here"), N_("It is our fault, and it is noted. Your readings are not affected.")),
    503: _Words(
        N_("Not available right now"), N_("A part of this installation does not answer. Please try again in a minute.")
    ),
}


def is_for_programs(request: AnyRequest) -> bool:
    """Whether this address answers programs."""
    # With the slash, "/api" itself is below "/api".
    return f"{request.scope['path']}/".startswith(PROGRAM_PATHS)


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **extra: object) -> Response[Any]:
    """Problem details: ``type``, ``title``, ``status``, ``detail`` and what else is worth telling."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **extra}
    return Response(encode_json(body), status_code=status, media_type="application/problem+json", headers=headers or {})


def answer(request: AnyRequest, error: Exception) -> Response[Any]:
    """The answer to any exception of a handler, a guard or a middleware."""
    if (away := _what_is_away(error)) is not None:
        _log.error("request.without", part=away, path=request.scope["path"], error=type(error).__name__)
        return _said(request, 503, f"The {away} does not answer.", {"Retry-After": "10"})
    if not isinstance(error, HTTPException):
        _log.error("request.failed", path=request.scope["path"], error=type(error).__name__, exc_info=error)
        return _said(request, 500, _WORDS[500].detail, {})
    if isinstance(error, InternalServerException) and error.detail == _HUNG_UP:
        return _said(request, 400, _HUNG_UP, {})
    headers = dict(error.headers or {})
    if isinstance(error, NotAuthorizedException):
        return _unauthorized(request)
    if isinstance(error, ValidationException) and is_for_programs(request):
        return problem(error.status_code, "The request is not valid.", errors=error.extra or [])
    return _said(request, error.status_code, error.detail, headers)


def is_absence_of_the_database(error: Exception) -> bool:
    """Whether the database could not be asked, which passes; a statement that it refuses is a fault of ours."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, OperationalError) and getattr(error.orig, "sqlite_errorname", "") == "SQLITE_ERROR":
        # SQLite's word for a statement that it does not understand.
        return False
    # The driver's own errors where no connection came to be at all, for then nobody translates them; a host of several
    # addresses of which none answers is a bare OSError.
    drivers = (asyncpg.PostgresError, asyncpg.InternalClientError)
    kinds = (OperationalError, InterfaceError, NoConnectionFree, *drivers, ConnectionError, TimeoutError)
    return isinstance(error, kinds) or type(error) is OSError


def _what_is_away(error: Exception) -> str | None:
    if isinstance(error, StoreError):
        return "store of readings"
    return "database" if is_absence_of_the_database(error) else None


def _unauthorized(request: AnyRequest) -> Response[Any]:
    path = request.scope["path"]
    if is_for_programs(request):
        return problem(401, "A valid bearer token is needed.", {"WWW-Authenticate": "Bearer"})
    if path.startswith(HIDDEN_PATHS):
        return _said(request, 404, "", {})
    accepted = request.headers.get("accept", "")
    if "text/event-stream" in accepted or accepted.startswith("application/json"):
        return problem(401, "Please log in.")
    back = f"?next={quote(_address(request), safe='/')}" if request.method == "GET" and path != "/" else ""
    if request.headers.get("hx-request"):
        return Response(b"", status_code=204, headers={"HX-Redirect": f"/login{back}"})
    return Redirect(f"/login{back}", status_code=303)


def _address(request: AnyRequest) -> str:
    """From the scope: ``request.url`` cannot be made where the Host header is nonsense."""
    path, query = str(request.scope["path"]), request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _said(request: AnyRequest, status: int, detail: str, headers: dict[str, str]) -> Response[Any]:
    if is_for_programs(request):
        return problem(status, detail or HTTPStatus(status).phrase, headers)
    words = _WORDS.get(status) or _Words(HTTPStatus(status).phrase, "")
    with speaking(reader_of(request)):
        text = _page(request, status, words)
    return Response(text, status_code=status, media_type="text/html", headers=headers)


def _page(request: AnyRequest, status: int, words: _Words) -> str:
    """The page, rendered here: a fault in a template must not become a second fault on the way out."""
    context = {"request": request, "visitor": request.scope.get("user"), "status": status}
    try:
        template = environment_of(request).get_template("errors/error.html")
        return template.render(**context, title=_(words.title), detail=_(words.detail))
    except Exception:  # noqa: BLE001  # the last resort of a process that must go on answering
        _log.exception("errors.page_failed")
        return f"<!doctype html><html lang=en><title>{words.title}</title><h1>{words.title}</h1><p>{words.detail}</p>"
