"""How often one network address may use what costs something, and how much mail it may cause. HTTP's side of ``tries``.

Who asks too often gets 429 with ``Retry-After``. A caller's address is the socket's, or what a trusted proxy says of it
(``portal.server``); of IPv6 the household's part counts.
"""

from datetime import timedelta
from math import ceil
from typing import Any
from uuid import UUID

import structlog
from litestar.connection import ASGIConnection
from litestar.exceptions import TooManyRequestsException
from litestar.handlers import BaseRouteHandler
from litestar.middleware import DefineMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from portal.parts import parts_of
from portal.tries import NO_WAIT, Limit, counted_address

_log = structlog.get_logger(__name__)

Connection = ASGIConnection[Any, Any, Any, Any]

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)

# Mails that anybody can cause without being signed in: by one address, and by all of them together.
MAILS_OF_ONE = Limit("mail.address", 10, _HOUR)
MAILS_OF_ALL = Limit("mail.all", 1000, _HOUR)
_EVERYBODY = "everybody"
# A collector asks once for each inverter when it starts; this is a fleet of thousands within minutes.
LOOK_UPS_OF_ONE = Limit("collectors.identity", 600, _MINUTE)
# Questions whose answer may depend on who else has a serial, however neutral it looks: by one account and from one
# address.
SERIALS_OF_ONE = Limit("serials.account", 20, _HOUR)
SERIALS_OF_ADDRESS = Limit("serials.address", 60, _HOUR)
# Mails to addresses of strangers, by somebody who has logged in.
INVITATIONS_OF_ONE = Limit("invitations.account", 30, timedelta(days=1))
# What one signed-in account sends in forms: more than hands do, less than keeps a database busy.
ACTS_OF_ONE = Limit("acts.account", 120, _MINUTE)
# Nothing leaves the audit log by itself; an installer's busiest day is some hundreds.
ACTS_OF_ONE_A_DAY = Limit("acts.account_a_day", 3000, timedelta(days=1))
# Those of them that tell the account's own mailbox, whatever else came there.
MAILED_ACTS_OF_ONE = Limit("acts.mailed", 20, _HOUR)
# What one account looks at that asks the store, or about a whole fleet: more than anybody reads, and enough for a
# program that asks four times a second all day.
LOOKS_OF_ONE = Limit("looks.account", 240, _MINUTE, lasting=False)
# An option of routes that get rid of somebody: who has copied a cookie must not use up what its owner needs for that.
# They are counted by address, or by what they ask for.
OWN_LIMITS = "own_limits"

_SAFE = ("GET", "HEAD", "OPTIONS")


class PerAddress:
    """A layer around one route (or several that share it) that counts requests by the caller's address."""

    def __init__(self, app: ASGIApp, limit: Limit) -> None:
        self.app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises ``TooManyRequestsException``."""
        connection: Connection = ASGIConnection(scope, receive, send)
        await ask(connection, self._limit, address_of(connection))
        await self.app(scope, receive, send)


def _per_address(kind: str, most: int, window: timedelta) -> DefineMiddleware:
    return DefineMiddleware(PerAddress, limit=Limit(kind, most, window))


LOG_IN = _per_address("log_in", 30, _MINUTE)
SIGN_UP = _per_address("sign_up", 60, _HOUR)
MAIL_ME = _per_address("mail_me", 30, _HOUR)
TOKENS = _per_address("tokens", 30, _MINUTE)
ENDING = _per_address("ending", 30, _MINUTE)
COLLECTORS = _per_address("collectors", 600, _MINUTE)


def address_of(connection: Connection) -> str:
    """What of the caller's address is counted, empty where there is none."""
    return counted_address(connection.client.host) if connection.client else ""


async def ask(connection: Connection, limit: Limit, key: str) -> None:
    """Count a try of ``key``, or raise ``TooManyRequestsException`` with the seconds to wait; then none was counted."""
    parts = parts_of(connection)
    refuse_for(await parts.tries.wait(limit, key, now=parts.now()))


async def mail_asked(connection: Connection) -> None:
    """Count a mail that the caller wants sent, before anybody looks whether there is such an account.

    Raises ``TooManyRequestsException``. Asked for a known and an unknown address alike, so it tells nobody which it is.
    """
    await ask(connection, MAILS_OF_ONE, address_of(connection))
    try:
        await ask(connection, MAILS_OF_ALL, _EVERYBODY)
    except TooManyRequestsException:
        _log.error("mail.everybody_asks", most=MAILS_OF_ALL.most)
        raise


async def not_too_many_of_one(connection: Connection, _: BaseRouteHandler) -> None:
    """A guard behind the one that says who asks: so many requests of one identity, from wherever they come.

    Raises ``TooManyRequestsException``.
    """
    await ask(connection, LOOK_UPS_OF_ONE, str(connection.user.account_id))


async def not_too_many_acts(connection: Connection, handler: BaseRouteHandler) -> None:
    """A guard around all that signed-in people send. Raises ``TooManyRequestsException``."""
    if connection.scope.get("method") not in _SAFE and not handler.opt.get(OWN_LIMITS):
        for limit in (ACTS_OF_ONE, ACTS_OF_ONE_A_DAY):
            await ask(connection, limit, str(connection.user.account_id))


async def not_too_many_mails(connection: Connection, _: BaseRouteHandler) -> None:
    """A guard for acts that their own account is told of by mail, however many there were. Stands behind the others.

    Raises ``TooManyRequestsException``.
    """
    await ask(connection, MAILED_ACTS_OF_ONE, str(connection.user.account_id))


async def not_too_many_looks(connection: Connection, _: BaseRouteHandler) -> None:
    """A guard for what is dear to look at. Raises ``TooManyRequestsException``."""
    await ask(connection, LOOKS_OF_ONE, str(connection.user.account_id))


async def serial_asked(connection: Connection, account_id: UUID) -> None:
    """Count a question about a serial, before anybody looks whether there is such a one.

    Raises ``TooManyRequestsException``. For pages on which somebody can try serials that need not be his.
    """
    await ask(connection, SERIALS_OF_ADDRESS, address_of(connection))
    await ask(connection, SERIALS_OF_ONE, str(account_id))


async def invitation_asked(connection: Connection, account_id: UUID) -> None:
    """Count an invitation that the account wants mailed, to whomever. Raises ``TooManyRequestsException``."""
    await ask(connection, INVITATIONS_OF_ONE, str(account_id))
    await ask(connection, MAILS_OF_ALL, _EVERYBODY)


def refuse_for(wait: timedelta) -> None:
    """Raises ``TooManyRequestsException`` where there is something to wait for."""
    if wait > NO_WAIT:
        raise TooManyRequestsException(headers=retry_after(wait))


def retry_after(wait: timedelta) -> dict[str, str]:
    """What 429 says of when to come again."""
    return {"Retry-After": str(ceil(wait.total_seconds()))}
