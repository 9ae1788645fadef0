"""A site that an installer has just made."""

from uuid import UUID, uuid4

from portal.sites import service
from portal.sites.forms import NewSite
from tests.portal_app import RunningPortal


async def new_site(portal: RunningPortal, installer_id: UUID) -> UUID:
    """Another site of this installer's, without any device."""
    async with portal.parts.sessions.begin() as session:
        wanted = NewSite(name=uuid4().hex)
        return await service.make(session, installer_id, wanted, zone="UTC", now=portal.clock())
