"""Every page there is, from the table of routes: who may see it and where it is. A page that is added is looked at."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from portal.accounts import mailed_tokens
from portal.keys import keyed_hash
from portal.sharing.inviting import OPEN_FOR
from schema.models import Invitation, Role, TokenPurpose
from tests.browser.site import Person, Site
from tests.route_table import ROWS

# Parts of pages, streams and data, and the page that wants half a log-in; they have tests of their own.
_NO_PAGES = {
    "/events", "/inverters/{inverter_id:uuid}/curve", "/inverters/{inverter_id:uuid}/pairing/ladder",
    "/inverters/{inverter_id:uuid}/logins/list", "/sites/{site_id:uuid}/devices",
    "/admin/dead-letters/requests", "/login/code", "/docs", "/docs/{path:str}", "/static/{file_path:path}",
}  # fmt: skip
_OF_A_MAIL = {
    "/verify": TokenPurpose.VERIFY,
    "/reset/set": TokenPurpose.RESET,
    "/account/delete/cancel": TokenPurpose.CANCEL_DELETION,
    "/account/email/undo": TokenPurpose.UNDO_EMAIL,
    "/account/email/confirm": TokenPurpose.CHANGE_EMAIL,
}
_PLACE = re.compile(r"\{(\w+):\w+\}")


@dataclass(frozen=True, slots=True)
class Look:
    """A page and who looks at it, None for a visitor who has not logged in."""

    person: Person | None
    path: str


async def _token(site: Site, account_id: UUID, purpose: TokenPurpose) -> str:
    async with site.parts.sessions.begin() as session:
        now, address = datetime.now(UTC), "new@example.net"
        return await mailed_tokens.issue(
            session, account_id, purpose=purpose, key=site.parts.links.key, now=now, new_email=address
        )


async def _invitation(site: Site, owner: Person) -> str:
    token, now = uuid4().hex, datetime.now(UTC)
    row = Invitation(
        owner_id=owner.owner_id, role=Role.READER, email="new@example.net", email_key="new@example.net",
        token_hash=keyed_hash(site.parts.links.key, token), invited_by=owner.account_id, created_at=now, sent_at=now,
        expires_at=now + OPEN_FOR, grant_until=now + timedelta(days=90),
    )  # fmt: skip
    async with site.parts.sessions.begin() as session:
        session.add(row)
    return token


def every_page(site: Site, owner: Person, admin: Person, installer: Person, ids: Mapping[str, object]) -> list[Look]:
    """All of them. ``ids`` fills the places of paths; several inverters are told apart by the caller."""
    found, ids = [], {"owner_id": owner.owner_id, **ids}
    for row in ROWS:
        if row.method != "GET" or row.for_programs or row.path in _NO_PAGES:
            continue
        allowed = {"nobody": None, "alice": owner, "ines": installer, "ada": admin}
        person = next(person for who, person in allowed.items() if row.answers[who] == "200")
        path = _PLACE.sub(lambda place: str(ids[place[1]]), row.path)
        if row.path in _OF_A_MAIL:
            path += f"?token={site.do(_token(site, owner.account_id, _OF_A_MAIL[row.path]))}"
        if row.path == "/invitation":
            path += f"?token={site.do(_invitation(site, owner))}"
        found.append(Look(person, path))
    return found
