"""The API's description at ``/docs``, drawn by the Swagger UI that lies beside our other static files.

Not Redoc: its free edition loads a logo from its maker's CDN and offers no way to leave that out (seen in 2.5.4).
"""

from typing import Any

from litestar import Request
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Components
from litestar.serialization import encode_json

from portal.programs.description import complete
from portal.template_files import environment

_DESCRIPTION = (
    "Everything a program may ask. It shows a bearer token from `/auth/jwt/login`, an API key from the page "
    "`/account/keys`, or, for collectors, the key of a service identity; a page's cookie opens nothing here. Times are "
    "UTC, powers in watts, energies in kWh.\n\n"
    "Refusals are problem details (RFC 9457), also for addresses (404) and methods (405) that are not described here. "
    "Below `/api` a query parameter that is not described is refused (400). Answers in parts name the next part in "
    "`next` and in the Link header; what may be polled has an `ETag`."
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


class _Description(JsonRenderPlugin):
    """The description as programs get it, made once."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json")
        self._whole: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """What Litestar has gathered, completed."""
        del request
        if self._whole is None:
            self._whole = encode_json(complete(openapi_schema))
        return self._whole


def openapi_config(version: str, components: Components) -> OpenAPIConfig:
    """``/docs`` for people, ``/docs/openapi.json`` for programs."""
    return OpenAPIConfig(
        title="Deye Hard",
        version=version,
        description=_DESCRIPTION,
        path="/docs",
        render_plugins=[_OwnPage(), _Description()],
        components=components,
        use_handler_docstrings=True,
    )
