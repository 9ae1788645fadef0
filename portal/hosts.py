"""Only named hosts are answered, where the operator names some: nothing else is asked of a request before.

Litestar's own check stands behind log-in and limits, and answers a page's visitor and a program in the same JSON.
"""

import re

from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.middleware import DefineMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from schema.settings import PortalSettings

ANY = "*"
# Whoever asks from this very computer, as a container's own check of its health does. Nobody else's page can: a browser
# that was led here by another name says that name.
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})


_PORT = re.compile(r":[0-9]+$")


class OtherHost(HTTPException):
    """The request is for somebody else."""

    status_code = 400
    detail = "This host is not served here."


class OnlyNamedHosts:
    """The outermost layer. ``named`` are hosts, with a port where it counts; ``*.example.org`` is what is below it."""

    def __init__(self, app: ASGIApp, named: frozenset[str]) -> None:
        self.app = app
        self._named = named

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises ``OtherHost``."""
        if scope["type"] == ScopeType.HTTP and not is_named(_host(scope), self._named):
            raise OtherHost
        await self.app(scope, receive, send)


def is_named(host: str, named: frozenset[str]) -> bool:
    """Whether a Host header is one of ``named``, or this computer's own name for itself."""
    asked = host.lower()
    if asked in named or _PORT.sub("", asked) in _LOCAL:
        return True
    return any(asked.endswith(name[1:]) for name in named if name.startswith("*."))


def only_named(settings: PortalSettings) -> list[DefineMiddleware]:
    """The layer, or none: at home a portal is reached by whatever name the network gives it."""
    named = {host.strip().lower() for host in settings.allowed_hosts.split(",") if host.strip()}
    if not named or ANY in named:
        return []
    return [
        DefineMiddleware(OnlyNamedHosts, named=frozenset(named | {f"{host}:{settings.portal_port}" for host in named}))
    ]


def _host(scope: Scope) -> str:
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    return hosts[0].decode("latin-1") if len(hosts) == 1 else ""
