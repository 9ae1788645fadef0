"""Answers with a tag, so that a program that polls is told "nothing new" (304) in a few bytes. HTTP only."""

from hashlib import sha256
from typing import Any, TypeVar

from litestar import Request, Response
from litestar.openapi.datastructures import ResponseSpec
from litestar.serialization import encode_json

AnswerT = TypeVar("AnswerT")

# An answer is for its account alone, may be kept by the program that asked, and is asked for again each time.
_PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}
_TAG_CHARACTERS = 32

UNCHANGED = {304: ResponseSpec(None, description="Nothing is new: the answer with this tag is still true.")}
"""For the ``responses`` of a handler that answers with ``tagged``."""


def tagged(request: Request[Any, Any, Any], found: AnswerT, headers: dict[str, str] | None = None) -> Response[AnswerT]:
    """``found`` as JSON with its tag, or 304 without a body where the program says that it has just that."""
    tag = f'"{sha256(encode_json(found)).hexdigest()[:_TAG_CHARACTERS]}"'
    told = {"ETag": tag, **_PRIVATE, **(headers or {})}
    if is_known(request.headers.get("if-none-match", ""), tag):
        unchanged: Response[Any] = Response(None, status_code=304, headers=told)
        return unchanged
    return Response(found, headers=told)


def is_known(if_none_match: str, tag: str) -> bool:
    """Whether an If-None-Match header names ``tag``; weak tags count, as RFC 9110 section 13.1.2 says of GET."""
    named = (part.strip().removeprefix("W/") for part in if_none_match.split(","))
    return if_none_match.strip() == "*" or tag in named
