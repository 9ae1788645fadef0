"""Pages from templates, and the redirect that answers a form."""

from typing import Any

from jinja2 import Environment
from litestar import Request
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import Cookie
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Redirect, Template

from portal import words
from portal.dead_letters.sentences import nameless, reason, refused
from portal.script_words import script_words
from portal.spoken import other_languages
from portal.template_files import environment


def template_engine() -> JinjaTemplateEngine:
    """The engine for Litestar; ``csrf_token()`` and ``url_for()`` come from there."""
    pages = environment()
    pages.globals |= {"other_languages": other_languages, "languages": words.LANGUAGES, "script_words": script_words}
    pages.globals |= {"refused": refused, "reason": reason, "nameless": nameless}
    return JinjaTemplateEngine.from_environment(pages)


def environment_of(request: Request[Any, Any, Any]) -> Environment:
    """The environment of the application that answers this request."""
    engine = request.app.template_engine
    assert isinstance(engine, JinjaTemplateEngine)  # noqa: S101  # app configures no other
    return engine.engine


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


def see_other(path: str, *, cookies: list[Cookie] | None = None, after: BackgroundTask | None = None) -> Redirect:
    """Answer a form: the browser goes on with GET, so that a reload repeats nothing. ``after`` runs when it is sent."""
    return Redirect(path, status_code=303, cookies=cookies, background=after)
