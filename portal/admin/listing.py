"""Lists of the administration as pages: the search from the address, links that keep it, buttons. HTTP only."""

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlencode

from litestar import Request
from litestar.exceptions import ClientException, NotFoundException
from litestar.response import Template
from pydantic import BaseModel, ConfigDict

from portal.admin.search import Found, Search
from portal.dashboard.numbers import age, of_reader
from portal.parts import parts_of
from portal.submitted import Submitted, check, submitted
from portal.templating import page

SearchT = TypeVar("SearchT", bound=BaseModel)


class _Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def asked(request: Request[Any, Any, Any], kind: type[SearchT]) -> tuple[SearchT, Submitted]:
    """The search in the address, and the form that shows it; a wrong field is shown and searches nothing."""
    typed = Submitted({name: value for name, value in request.query_params.items() if isinstance(value, str)})
    search = check(kind, typed)
    return (kind(), search) if isinstance(search, Submitted) else (search, typed)


def shown(
    request: Request[Any, Any, Any], template: str, search: Search, form: Submitted, found: Found[Any], **more: Any
) -> Template:
    """The list as a page. Raises ``NotFoundException`` for a page behind the last one."""
    if search.page > found.pages:
        raise NotFoundException
    path = str(request.scope["path"])
    address = addresses(path, search)
    return page(request, template, found=found, search=search, form=form, address=address, **more, **told(request))


async def pressed(request: Request[Any, Any, Any]) -> None:
    """For a form that is only a button. Raises ``ClientException`` where there is anything in it."""
    if isinstance(check(_Nothing, await submitted(request)), Submitted):
        raise ClientException(status_code=422)


def addresses(path: str, search: BaseModel) -> Callable[..., str]:
    """``address(page=2)``: the list's own address with something changed; what is as usual is left away."""
    usual = type(search)().model_dump(mode="json")

    def address(**changed: object) -> str:
        wanted = search.model_copy(update=changed).model_dump(mode="json")
        query = urlencode({name: value for name, value in wanted.items() if value != usual[name]})
        return f"{path}?{query}" if query else path

    return address


def told(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """What every page here needs for its words."""
    return {"numbers": of_reader(), "now": parts_of(request).now(), "age": age}
