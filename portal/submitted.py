"""What a person typed into a form: taken from the request, checked by a form model, given back with what is wrong."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from litestar import Request
from pydantic import BaseModel, ValidationError

FormT = TypeVar("FormT", bound=BaseModel)

_CSRF_FIELD = "_csrf_token"
_ANY_FIELD = ""
_SENTENCES = {
    "missing": "Please fill this in.",
    "extra_forbidden": "This page has changed meanwhile. Please load it again.",
    "string_too_short": "Please write at least {min_length} characters.",
    "string_too_long": "Please write at most {max_length} characters.",
}


@dataclass(frozen=True, slots=True)
class Submitted:
    """Field values as typed, and one sentence per wrong field; the key ``""`` holds what concerns the whole form."""

    values: dict[str, str] = field(default_factory=dict, repr=False)
    errors: dict[str, str] = field(default_factory=dict)

    def wrong(self, name: str, sentence: str) -> "Submitted":
        """The same form with one more complaint."""
        return Submitted(self.values, {**self.errors, name: sentence})


EMPTY = Submitted()


async def submitted(request: Request[Any, Any, Any]) -> Submitted:
    """The form of this request; files and the CSRF token are no business of a form's."""
    form = await request.form()
    return Submitted({name: value for name, value in form.items() if isinstance(value, str) and name != _CSRF_FIELD})


def check(model: type[FormT], form: Submitted) -> FormT | Submitted:
    """The checked form, or the form again with its errors."""
    try:
        return model.model_validate(form.values)
    except ValidationError as error:
        faults: dict[str, str] = {}
        for fault in error.errors(include_input=False, include_url=False):
            name = str(fault["loc"][0]) if fault["loc"] else _ANY_FIELD
            name = name if name in model.model_fields else _ANY_FIELD
            sentence = _SENTENCES.get(fault["type"], fault["msg"].removeprefix("Value error, "))
            faults.setdefault(name, _filled(fault["type"], sentence, fault.get("ctx", {})))
        return Submitted(form.values, faults)


def _filled(kind: str, sentence: str, context: dict[str, Any]) -> str:
    """Our own sentences have places to fill; a message that quotes what was typed must never be a format."""
    return sentence.format(**context) if kind in _SENTENCES else sentence
