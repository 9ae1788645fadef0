"""How the portal's server listens: whose word about a caller's address counts, and how it stops. No settings are read.

A caller's address is the socket's. Where that is one of ``TRUSTED_PROXIES``, ``X-Forwarded-For`` is read from the right
and the first address that is no trusted proxy counts: whatever a caller wrote into the header stands left of it. No
other header says anything: links in mails begin with ``BASE_URL``, so ``X-Forwarded-Host`` is not read at all.
"""

import socket

import uvicorn
from litestar import Litestar

from portal.live import LiveFeed
from schema.settings import PortalSettings

# An open page holds a stream that never ends by itself: a stop waits this long for such answers, no longer.
STOP_TIMEOUT_S = 3


class Server(uvicorn.Server):
    """Ends the pages' streams first when it stops, so that a stop takes no longer than the answers under way."""

    def __init__(self, config: uvicorn.Config, live_feed: LiveFeed) -> None:
        super().__init__(config)
        self._live_feed = live_feed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the streams, then stop as uvicorn does."""
        self._live_feed.close()
        await super().shutdown(sockets)


def server_config(app: Litestar, settings: PortalSettings) -> uvicorn.Config:
    """The server's settings; the environment's ``FORWARDED_ALLOW_IPS``, uvicorn's own, is never asked."""
    return uvicorn.Config(
        app,
        host=settings.portal_host,
        port=settings.portal_port,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or "127.0.0.1",
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
    )
