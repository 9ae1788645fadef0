"""The bridge's own role in PostgreSQL: it reads the registry and writes what only a bridge writes (DESIGN 5, T34).

The bridge holds ``TOKEN_KEY``. So what is sealed for others stays out of its reach, column by column: owners' and
collectors' tokens, second factors, mails that wait; and with them every password hash. What the bridge's code needs
beyond this is added here, and comes with the next ``python -m schema migrate``.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Iterator, Mapping

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schema import live

ROLE = "deye_bridge"
PASSWORD_VARIABLE = "BRIDGE_DATABASE_PASSWORD"  # noqa: S105  # the name of a variable

_ALL = "SELECT, INSERT, UPDATE, DELETE"
_WHOLE: Mapping[str, str] = {
    "registry_version": "SELECT",
    "registry_change": "SELECT, INSERT, DELETE",
    "serial_alias": "SELECT, INSERT",
    "notice": "SELECT, INSERT, UPDATE",
    "found_device": _ALL,
    "dead_letter": _ALL,
    # Requests are made by people; the bridge says how far it has come, and forgets old ones.
    "dead_letter_request": "SELECT, UPDATE, DELETE",
    "live": _ALL,
    "login_live": _ALL,
}
_READ: Mapping[str, tuple[str, ...]] = {
    "login": ("name", "owner_id", "revoked_at", "quarantined_at"),
    "feed": ("id", "login", "selector", "inverter_id", "dialect", "claim_state", "device_key"),
    "inverter": ("id", "owner_id", "serial", "active_serial", "rated_power_w", "deleted_at"),
    "placement": ("inverter_id", "state", "bucket_id", "bridge_token_sealed"),
    "owner_placement": ("owner_id", "state", "server", "org_id"),
}
_CHANGED: Mapping[str, tuple[str, ...]] = {
    # A quarantine raises the registry's version.
    "registry_version": ("version",),
    "login": ("quarantined_at", "quarantine_why"),
    "feed": ("claim_state", "activated_at", "device_key"),
    "inverter": ("active_serial",),
}
# RFC 5802 as PostgreSQL keeps it: "SCRAM-SHA-256$iterations:salt$stored key:server key". Its own number of rounds.
_ROUNDS = 4096


class RoleNotMade(Exception):
    """Its password cannot be used, or the database's user may not make roles; the message says what to do."""


def verifier(password: str, salt: bytes) -> str:
    """What PostgreSQL keeps instead of the password, so that the server and its logs never see that. Raises
    ``RoleNotMade`` for what is not printable ASCII: such a password would have to be normalised first.
    """
    if not password or not password.isascii() or not password.isprintable():
        raise RoleNotMade(f"{PASSWORD_VARIABLE} must be of printable ASCII characters.")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS)
    client_key, server_key = (hmac.digest(salted, word, "sha256") for word in (b"Client Key", b"Server Key"))
    parts = (base64.b64encode(part).decode() for part in (salt, hashlib.sha256(client_key).digest(), server_key))
    return "SCRAM-SHA-256${}:{}${}:{}".format(_ROUNDS, *parts)


def rights(role: str) -> Iterator[str]:
    """The statements that give the role what it may do, and take away what else it had."""
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}"
    yield f"GRANT USAGE ON SCHEMA public TO {role}"
    for table, verbs in _WHOLE.items():
        yield f"GRANT {verbs} ON {table} TO {role}"
    for verb, columns in (("SELECT", _READ), ("UPDATE", _CHANGED)):
        for table, names in columns.items():
            yield f"GRANT {verb} ({', '.join(names)}) ON {table} TO {role}"


async def ensure(engine: AsyncEngine, password: str, *, role: str = ROLE) -> None:
    """Make the role, or give it this password and these rights again; all of it or nothing. The tables are there.

    Raises ``RoleNotMade``.
    """
    kept = verifier(password, os.urandom(16))
    try:
        async with engine.begin() as connection:
            # The bridge makes its cache by itself elsewhere; this role makes no tables.
            await live.make_tables(connection)
            await _log_in(connection, role, kept)
            for statement in rights(role):
                await connection.execute(text(statement))
    except ProgrammingError as fault:
        raise RoleNotMade(
            f"The role {role} could not be made or given its rights ({type(fault.orig).__name__}). The user of "
            f"DATABASE_URL needs CREATEROLE: as a superuser, ALTER ROLE that user CREATEROLE, then try again."
        ) from fault


async def _log_in(connection: AsyncConnection, role: str, kept: str) -> None:
    known = await connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role})
    verb = "ALTER" if known else "CREATE"
    # Neither takes parameters; both texts are ours, of letters, digits and base64.
    await connection.execute(text(f"{verb} ROLE {role} LOGIN NOINHERIT PASSWORD '{kept}'".replace(":", r"\:")))
