"""Keeps the broker's password file equal to the database, and the database's word on it equal to what was loaded.

A generation is the registry version a password file was made from. Most versions change no login: those are confirmed
without a reload, which would cost the broker 40 us for each connected client (measured).
"""

from collections.abc import Collection

import structlog
from sqlalchemy import Update, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from portal.provisioner import password_file
from portal.provisioner.broker_folder import BrokerFolder
from portal.provisioner.password_file import Line, LoginsWouldVanish
from schema.changes import registry_changed, registry_version
from schema.database import Sessions, reading
from schema.models import ONLY_ROW, Login, PasswordFileGeneration

_log = structlog.get_logger(__name__)

_NAMES_PER_QUERY = 500


class Generations:
    """One per provisioner. ``refresh`` follows the registry, ``confirm`` follows the broker."""

    def __init__(
        self, sessions: Sessions, folder: BrokerFolder, bridge_password: str, *, accept_vanished: bool = False
    ) -> None:
        self._sessions = sessions
        self._folder = folder
        self._bridge_password = bridge_password
        self._accept_vanished = accept_vanished
        # The version whose logins the file on disk is known to have; None until this process has looked once.
        self._covered: int | None = None
        self._looked_at = -1
        self._confirmed: int | None = None

    async def refresh(self) -> None:
        """Write file and generation if the registry asks for it. Raises ``LoginsWouldVanish`` and what files raise."""
        try:
            version = await self._refresh()
        except LoginsWouldVanish:
            # A login may have come back between our look at the logins and the one at the revocations.
            async with reading(self._sessions) as session:
                moved_on = await registry_version(session) != self._looked_at
            if not moved_on:
                raise
            version = await self._refresh()
        self._covered = version

    async def _refresh(self) -> int:
        """Returns the version that the file on disk now has."""
        async with reading(self._sessions) as session:
            # The version first: logins that commit in between are then in the file before their version is confirmed.
            version = self._looked_at = await registry_version(session)
            if version == self._covered:
                return version
            rows = await session.execute(
                select(Login.name, Login.verifier).where(Login.revoked_at.is_(None)).order_by(Login.name)
            )
            logins = [Line(name, verifier) for name, verifier in rows]
        return await self._bring_to(version, logins)

    async def confirm(self) -> None:
        """Tell the database what the broker has loaded, once its keeper has said so."""
        if self._covered in (None, self._confirmed) or self._folder.applied() != self._folder.generation():
            return
        covered = self._covered
        async with self._sessions.begin() as session:
            await session.execute(_row().values(applied=covered))
        self._confirmed = covered

    async def _bring_to(self, version: int, logins: list[Line]) -> int:
        content = self._folder.passwords()
        present = password_file.parse(content or "")
        own = password_file.own_lines(self._bridge_password, present)
        text, left_out = password_file.text(logins, own)
        for name in left_out:
            _log.error("password_file.line_left_out", login=name, why="its verifier is not one this program makes")
        if text != content:
            await self._check(present, password_file.parse(text))
            if version == self._folder.generation():
                # The file changed without the registry (a new bridge password): only a new number makes it loaded.
                version = await self._raised()
            self._folder.write_passwords(text)
            self._folder.write_generation(version)
            _log.info("password_file.written", generation=version, logins=len(logins) - len(left_out))
        elif self._covered is None and self._folder.generation() != version:
            # Killed between the two files, the last run may have left a generation older than its passwords.
            self._folder.write_generation(version)
        async with self._sessions.begin() as session:
            await session.execute(_row().values(written=version, logins=len(logins) - len(left_out)))
        return version

    async def _check(self, present: Collection[str], wanted: Collection[str]) -> None:
        vanished = password_file.vanishing(present, wanted)
        if not vanished:
            return
        async with reading(self._sessions) as session:
            revoked = await _revoked(session, sorted(vanished))
        try:
            password_file.check_vanishing(vanished, revoked)
        except LoginsWouldVanish as refusal:
            if not self._accept_vanished:
                raise
            _log.warning("password_file.vanished", logins=len(refusal.names))

    async def _raised(self) -> int:
        async with self._sessions.begin() as session:
            return await registry_changed(session)


def _row() -> Update:
    return update(PasswordFileGeneration).where(PasswordFileGeneration.id == ONLY_ROW)


async def _revoked(session: AsyncSession, names: list[str]) -> set[str]:
    """Those of ``names`` that are recorded as revoked."""
    found: set[str] = set()
    for start in range(0, len(names), _NAMES_PER_QUERY):
        some = names[start : start + _NAMES_PER_QUERY]
        found.update(
            await session.scalars(select(Login.name).where(Login.name.in_(some), Login.revoked_at.is_not(None)))
        )
    return found
