"""A guard of what programs ask: bodies of the described type, and below ``/api`` no parameter that is not described.

A mistyped parameter that is silently ignored answers another question than the one that was asked.
"""

from collections import Counter
from typing import Any
from urllib.parse import parse_qsl

from litestar.connection import ASGIConnection, Request
from litestar.enums import RequestEncodingType
from litestar.exceptions import ValidationException
from litestar.handlers import BaseRouteHandler
from litestar.params import BodyKwarg, QueryParameter
from litestar.utils import get_enum_string_value

from portal.gate import UnsupportedMediaType

STRICT_PATHS = "/api/"
MOST_BRACKETS = 100
"""In a body; none that is described has more than one."""

Connection = ASGIConnection[Any, Any, Any, Any]


async def only_as_described(connection: Connection, handler: BaseRouteHandler) -> None:
    """Raises ``UnsupportedMediaType``, and ``ValidationException`` that names what is not known, or given twice.

    The original's addresses take the parameters they know and leave the rest, as they always did.
    """
    await _check_body(connection, handler)
    if not connection.scope["path"].startswith(STRICT_PATHS):
        return
    query = connection.scope["query_string"].decode("latin-1")
    given = Counter(name for name, _ in parse_qsl(query, keep_blank_values=True))
    if not given:
        return
    known = known_parameters(handler)
    unknown = [_fault(name, "is no parameter of this address") for name in given if name not in known]
    twice = [_fault(name, "is given twice") for name, times in given.items() if times > 1 and known.get(name) is False]
    if faults := unknown + twice:
        raise ValidationException(extra=faults)


def known_parameters(handler: BaseRouteHandler) -> dict[str, bool]:
    """The query parameters of a handler by name; True for those that take several values."""
    return {
        field.kwarg_definition.name or name: field.is_non_string_collection or field.has_inner_subclass_of(list)
        for name, field in handler.parsed_fn_signature.parameters.items()
        if isinstance(field.kwarg_definition, QueryParameter)
    }


def refused(name: str, sentence: str) -> ValidationException:
    """The refusal of one query parameter."""
    return ValidationException(extra=[_fault(name, sentence)])


async def _check_body(connection: Connection, handler: BaseRouteHandler) -> None:
    """A body that says nothing of its type is taken for the described one.

    What is nested without end, or no UTF-8, the decoder takes for a fault of ours instead of refusing it.
    """
    body = handler.parsed_fn_signature.parameters.get("data")
    if body is None or not isinstance(body.kwarg_definition, BodyKwarg):
        return
    described = get_enum_string_value(body.kwarg_definition.media_type)
    given = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in ("", described):
        raise UnsupportedMediaType
    if described == RequestEncodingType.JSON and isinstance(connection, Request):
        sent = await connection.body()
        if sent.count(b"[") + sent.count(b"{") > MOST_BRACKETS or not _is_text(sent):
            raise ValidationException


def _is_text(sent: bytes) -> bool:
    try:
        sent.decode()
    except UnicodeDecodeError:
        return False
    return True


def _fault(name: str, sentence: str) -> dict[str, str]:
    return {"key": name, "message": sentence, "source": "query"}
