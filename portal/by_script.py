"""A form that a script has sent is answered so that the script knows where to go: its own request must not follow.

Whoever follows a redirect inside a script has fetched the next page once already when the browser loads it, and what
is shown once (a secret, recovery codes, an API key) would be gone.
"""

from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.types import Message, Scope


async def redirects_for_scripts(message: Message, scope: Scope) -> None:
    """A hook: 303 becomes 204 with the address in ``HX-Redirect``, as htmx and ``static/js/forms.js`` expect it."""
    if message["type"] != "http.response.start" or message["status"] != 303:
        return
    if not Headers.from_scope(scope).get("hx-request"):
        return
    headers = MutableScopeHeaders.from_message(message)
    headers["HX-Redirect"] = headers["location"]
    for name in ("location", "content-type", "content-length"):
        if name in headers:
            del headers[name]
    message["status"] = 204
