"""A scene that took long to set up is copied for who wants the same a moment later: the database, and every browser.

Only on SQLite and with cheap passwords; ``RunningPortal.file`` says where. What is kept is forgotten after a minute:
whoever proved a password long ago would be asked again.
"""

import asyncio
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from copy import copy
from dataclasses import dataclass
from http.cookiejar import Cookie
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

import httpx

from tests.databases import kept_folder
from tests.portal_app import RunningPortal

KEPT_FOR_S = 60.0


class Visitor(Protocol):
    """Somebody with an account and a browser."""

    http: httpx.AsyncClient
    account_id: UUID


@dataclass(frozen=True, slots=True)
class _Scene:
    at: float
    file: Path
    accounts: dict[str, UUID]
    cookies: dict[str, list[Cookie]]
    more: Any


_SCENES: dict[str, _Scene] = {}


async def keep(portal: RunningPortal, scene: str, people: Mapping[str, Visitor], more: Any) -> None:
    """Remember all of it, and ``more`` for who comes again; nothing where this portal cannot be copied."""
    if portal.file is None:
        return
    kept = kept_folder() / f"{uuid4().hex}.db"
    await asyncio.to_thread(_copied, portal.file, kept)
    accounts = {name: person.account_id for name, person in people.items()}
    cookies = {name: list(person.http.cookies.jar) for name, person in people.items()}
    _SCENES[scene + portal.key] = _Scene(time.monotonic(), kept, accounts, cookies, more)


async def again(portal: RunningPortal, scene: str, people: Mapping[str, Visitor]) -> Any:
    """What was kept as ``more``, with database and browsers as they were; None where it has to be set up."""
    kept = _SCENES.get(scene + portal.key)
    if portal.file is None or kept is None or time.monotonic() > kept.at + KEPT_FOR_S:
        return None
    await asyncio.to_thread(_copied, kept.file, portal.file)
    for name, person in people.items():
        person.account_id = kept.accounts[name]
        for cookie in kept.cookies[name]:
            person.http.cookies.jar.set_cookie(copy(cookie))
    return kept.more


def _copied(source: Path, target: Path) -> None:
    """SQLite's own way, for the portal has the file open; a writer is waited for, so never in the loop."""
    with closing(sqlite3.connect(source)) as made, closing(sqlite3.connect(target)) as other:
        other.execute("PRAGMA synchronous=OFF")
        made.backup(other)
