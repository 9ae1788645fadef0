"""The API's description at ``/docs``, drawn by the Swagger UI that lies beside our other static files.

Not Redoc: its free edition loads a logo from its maker's CDN and offers no way to leave that out (seen in 2.5.4).
"""

from typing import Any

from litestar import Request
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Components

from portal.template_files import environment

_DESCRIPTION = (
    "Everything a program may ask. Get a bearer token from `/auth/jwt/login`; a page's cookie opens nothing here. "
    "Errors are problem details (RFC 9457). Times are UTC, powers in watts, energies in kilowatt-hours."
)


class _OwnPage(OpenAPIRenderPlugin):
    """Litestar's own pages load a script from elsewhere and start it by an inline one; this one does neither."""

    def __init__(self) -> None:
        super().__init__(path="/")
        self._page = environment().get_template("docs.html")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The page; it fetches the description itself."""
        del request, openapi_schema
        return self._page.render().encode()


def openapi_config(version: str, components: Components) -> OpenAPIConfig:
    """``/docs`` for people, ``/docs/openapi.json`` for programs."""
    return OpenAPIConfig(
        title="Deye Hard",
        version=version,
        description=_DESCRIPTION,
        path="/docs",
        render_plugins=[_OwnPage(), JsonRenderPlugin(path="/openapi.json")],
        components=components,
    )
