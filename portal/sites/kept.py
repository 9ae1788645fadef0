"""The secrets of a site's new devices until they are on paper, in a sealed cookie of the installer's browser.

As with one secret (``portal.pairing.handover``) no table and no memory of ours holds them. The cookie is bound to the
session and the site, ends after some hours, and is deleted by the sheet that shows it. No clock, no HTTP.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from portal.inverters.service import Credentials
from schema.sealing import CannotUnseal, Sealer

LIFETIME = timedelta(hours=4)
MOST = 40
"""A cookie holds 4 KB. Of more devices the first ones are forgotten; each can be given a new secret."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Secrets by login, the oldest first. ``fresh`` is the login whose secret the next page shows, once."""

    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    fresh: str = ""

    def with_one_more(self, made: Credentials) -> "Kept":
        """The newest secret too, which is the one to be shown."""
        newest = [*self.secrets.items(), (made.login, made.secret)][-MOST:]
        return Kept(dict(newest), made.login)

    def once_shown(self) -> "Kept":
        """The same for the sheet; no page shows one again."""
        return replace(self, fresh="")


NOTHING = Kept()


def sealed(kept: Kept, sealer: Sealer, *, session_id: UUID, site_id: UUID, now: datetime) -> str:
    """The cookie's value."""
    note = json.dumps([kept.fresh, dict(kept.secrets), int((now + LIFETIME).timestamp())], separators=(",", ":"))
    return base64.urlsafe_b64encode(sealer.seal(note, row=_row(session_id, site_id))).decode().rstrip("=")


def opened(cookie: str | None, sealer: Sealer, *, session_id: UUID, site_id: UUID, now: datetime) -> Kept:
    """What is kept; nothing where the cookie is too old, or another session's or site's."""
    if not cookie:
        return NOTHING
    try:
        note = sealer.open(base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4)), row=_row(session_id, site_id))
    except (CannotUnseal, binascii.Error, ValueError):
        return NOTHING
    fresh, secrets, until = json.loads(note)
    return Kept(secrets, fresh) if now <= datetime.fromtimestamp(until, UTC) else NOTHING


def _row(session_id: UUID, site_id: UUID) -> str:
    return f"site:{session_id}:{site_id}"
