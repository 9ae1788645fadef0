"""How the visitors of the stage use a route, what they are answered, and what the audit log says of it."""

import re
from typing import Any
from urllib.parse import urlsplit

import httpx
from sqlalchemy import func, select

from schema.models import AuditEntry
from tests.filled_in import typed
from tests.route_table import SAFE, Row
from tests.stage import Stage
from tests.streams import first_answer
from tests.targets import target

STREAMS = ("/events",)
PLACE = re.compile(r"\{(\w+):\w+\}")


async def prepared(stage: Stage, row: Row, visitor: str) -> tuple[str, dict[str, str]]:
    """An address of this route and a form that fits, for this visitor and this once."""
    where = await target(stage, row.path)
    path = PLACE.sub(lambda place: str(where[place[1]]), row.path)
    return path, await typed(stage, row.route, visitor, where)


async def ask(stage: Stage, row: Row, visitor: str, path: str, form: dict[str, str]) -> httpx.Response:
    """The visitor asks as a page or a program of theirs would."""
    http = stage.people[visitor].http
    headers = stage.bearer[visitor] if row.for_programs else {}
    if row.path in STREAMS and row.method == "GET":
        return await first_answer(stage.portal.app, path, http, headers)
    if row.method in SAFE:
        return await http.request(row.method, path, params=form, headers=headers)
    if row.for_programs:
        kind = "data" if row.path.startswith("/auth") else "json"
        body: dict[str, Any] = {kind: form} if form else {}
        async with stage.portal.browser() as program:
            return await program.request(row.method, path, headers=headers, **body)
    token = await stage.people[visitor].form_token()
    return await http.request(row.method, path, data={**form, "_csrf_token": token}, headers=headers)


def said(answer: httpx.Response) -> str:
    """An answer as the table writes it: the status, or ``login`` and ``prove`` for whoever is sent there."""
    if answer.status_code != 303:
        return str(answer.status_code)
    there = urlsplit(answer.headers["location"])
    if there.path == "/login" and not there.query.startswith("notice="):
        return "login"
    return "prove" if there.path == "/account/prove" else "303"


async def entries(stage: Stage) -> int:
    """How many entries the audit log has."""
    async with stage.portal.parts.sessions() as session:
        return await session.scalar(select(func.count()).select_from(AuditEntry)) or 0


async def newest(stage: Stage, since: int) -> list[str]:
    """What was done since then, by the audit log."""
    async with stage.portal.parts.sessions() as session:
        actions = select(AuditEntry.action).order_by(AuditEntry.id).offset(since)
        return list((await session.scalars(actions)).all())
