"""From an exception to an answer: a page for people, problem details (RFC 9457) for programs. One table, one place."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, NotAuthorizedException, ValidationException
from litestar.response import Redirect
from litestar.serialization import encode_json

from portal.templating import environment_of
from schema.timeseries.port import StoreError

_log = structlog.get_logger(__name__)

# What programs call. Everything else is for people.
PROGRAM_PATHS = ("/api/", "/auth/jwt/", "/influx_token", "/inverter_metadata", "/healthcheck", "/docs/openapi.json")
# An anonymous visitor of these finds nothing rather than a log-in.
HIDDEN_PATHS = ("/admin",)

AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class _Words:
    """What a page says about a status, in a title and a sentence."""

    title: str
    detail: str


_WORDS = {
    400: _Words("That did not work", "The request could not be understood. Please go back and try again."),
    403: _Words("This page was open for too long", "Please go back, load the page again and repeat what you did."),
    404: _Words("Nothing here", "There is no such page, or it is not yours to see."),
    405: _Words("That did not work", "This address cannot be used like that."),
    409: _Words("That is enough", "There are as many of these as one account may have. Use one that is there already."),
    413: _Words("That was too much", "What was sent is larger than anything this page expects."),
    415: _Words("That did not work", "This page takes forms and nothing else."),
    422: _Words("That did not work", "Something that was typed cannot be right. Please go back and check it."),
    429: _Words("A little slower, please", "There were too many tries. Please wait a moment and try again."),
    500: _Words("Something broke here", "It is our fault, and it is noted. Your readings are not affected."),
    503: _Words(
        "Not available right now", "A part of this installation does not answer. Please try again in a minute."
    ),
}


def is_for_programs(request: AnyRequest) -> bool:
    """Whether this address answers programs."""
    return str(request.scope["path"]).startswith(PROGRAM_PATHS)


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **extra: object) -> Response[bytes]:
    """Problem details: ``type``, ``title``, ``status``, ``detail`` and what else is worth telling."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **extra}
    return Response(encode_json(body), status_code=status, media_type="application/problem+json", headers=headers or {})


def answer(request: AnyRequest, error: Exception) -> Response[Any]:
    """The answer to any exception of a handler, a guard or a middleware."""
    if isinstance(error, StoreError):
        return _said(request, 503, "The store of readings does not answer.", {"Retry-After": "10"})
    if not isinstance(error, HTTPException):
        _log.error("request.failed", path=request.scope["path"], error=type(error).__name__, exc_info=error)
        return _said(request, 500, _WORDS[500].detail, {})
    headers = dict(error.headers or {})
    if isinstance(error, NotAuthorizedException):
        return _unauthorized(request)
    if isinstance(error, ValidationException) and is_for_programs(request):
        return problem(error.status_code, "The request is not valid.", errors=error.extra or [])
    return _said(request, error.status_code, error.detail, headers)


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
    return Response(_page(request, status, words), status_code=status, media_type="text/html", headers=headers)


def _page(request: AnyRequest, status: int, words: _Words) -> str:
    """The page, rendered here: a fault in a template must not become a second fault on the way out."""
    context = {"request": request, "visitor": request.scope.get("user"), "status": status}
    try:
        template = environment_of(request).get_template("errors/error.html")
        return template.render(**context, title=words.title, detail=words.detail)
    except Exception:  # noqa: BLE001  # the last resort of a process that must go on answering
        _log.exception("errors.page_failed")
        return f"<!doctype html><html lang=en><title>{words.title}</title><h1>{words.title}</h1><p>{words.detail}</p>"
