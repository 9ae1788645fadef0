"""The step-up guard: what is dear (password, address, second factor, keys, administration) wants a fresh log-in.

Only the decision and its answer; the page that asks for the password again is ``prove``.
"""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.response import Redirect

from portal.errors import is_for_programs, problem
from portal.parts import parts_of

FRESH_FOR = timedelta(minutes=10)
PROVE = "/account/prove"
FORM_PAGE = "form_page"


class ProofNeeded(HTTPException):
    """The visitor is signed in, but gave the password too long ago: ask for it and come back to ``back``."""

    status_code = 403

    def __init__(self, back: str, *, lost_a_form: bool) -> None:
        super().__init__("Please log in again: this needs a fresh log-in.")
        self.back = back
        self.lost_a_form = lost_a_form


def is_fresh(proved_at: datetime | None, now: datetime) -> bool:
    """Whether a proof of ``proved_at`` is good for what is dear."""
    return proved_at is not None and now - proved_at <= FRESH_FOR


async def fresh_enough(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A guard. Raises ``ProofNeeded`` where the password was given more than ten minutes ago.

    Guard the form's page and the address it is sent to. Afterwards the visitor is on the page he asked for; after a
    form on the page the form stands on: ``opt={"form_page": "/admin/users/{account_id}"}`` names it with the route's
    own path parameters, and without it the form's address is its page.
    """
    if is_fresh(connection.user.proved_at, parts_of(connection).now()):
        return
    lost_a_form = connection.scope.get("method") not in ("GET", "HEAD")
    raise ProofNeeded(_back(connection, handler, lost_a_form=lost_a_form), lost_a_form=lost_a_form)


def _back(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler, *, lost_a_form: bool) -> str:
    path = str(connection.scope["path"])
    if lost_a_form:
        return str(handler.opt.get(FORM_PAGE, path)).format(**connection.path_params)
    query = connection.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def send_to_prove(request: Request[Any, Any, Any], needed: ProofNeeded) -> Response[Any]:
    """The answer to ``ProofNeeded``: people prove who they are and come back, programs are told."""
    if is_for_programs(request):
        return problem(403, needed.detail)
    where = f"{PROVE}?next={quote(needed.back, safe='/')}{'&again=yes' if needed.lost_a_form else ''}"
    if request.headers.get("hx-request"):
        return Response(b"", status_code=204, headers={"HX-Redirect": where})
    return Redirect(where, status_code=303)
