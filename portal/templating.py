"""Pages from templates: the environment, what every page is told, and addresses of static files."""

import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request
from litestar.datastructures import Cookie
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Redirect, Template

from portal.submitted import EMPTY

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"

_FINGERPRINT_DIGITS = 12


class StaticAddresses:
    """``static("css/base.css")`` in a template: the address with the content's fingerprint, so caches may be patient."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[float, str]] = {}

    def __call__(self, name: str) -> str:
        """The address of ``name`` below the static folder; a file that is missing is a mistake in the template."""
        path = self._folder / name
        changed = path.stat().st_mtime
        known = self._known.get(name)
        if known is None or known[0] != changed:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:_FINGERPRINT_DIGITS]
            known = self._known[name] = (changed, digest)
        return f"/static/{name}?v={known[1]}"


def environment() -> Environment:
    """Escapes everything, and an unknown name in a template is an error, not an empty place."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["static"] = StaticAddresses(STATIC)
    made.globals["empty_form"] = EMPTY
    return made


def template_engine() -> JinjaTemplateEngine:
    """The engine for Litestar; ``csrf_token()`` and ``url_for()`` come from there."""
    return JinjaTemplateEngine.from_environment(environment())


def page(
    request: Request[Any, Any, Any],
    name: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    cookies: list[Cookie] | None = None,
    **context: Any,
) -> Template:
    """The page ``name``; every template also knows ``request`` and ``visitor`` (None before log-in)."""
    return Template(
        template_name=name,
        context={"visitor": request.scope.get("user"), **context},
        status_code=status,
        headers=headers or {},
        cookies=cookies,
    )


def see_other(path: str, *, cookies: list[Cookie] | None = None) -> Redirect:
    """Answer a form: the browser goes on with GET, so that a reload repeats nothing."""
    return Redirect(path, status_code=303, cookies=cookies)
