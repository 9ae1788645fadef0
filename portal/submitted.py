"""What a person typed into a form: taken from the request, checked by a form model, given back with what is wrong."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from litestar import Request
from pydantic import BaseModel, ValidationError

from portal.words import N_, SOURCE, _, reader

FormT = TypeVar("FormT", bound=BaseModel)

_CSRF_FIELD = "_csrf_token"
_ANY_FIELD = ""
_SENTENCES = {
    "missing": N_("Please fill this in."),
    "extra_forbidden": N_("This page has changed meanwhile. Please load it again."),
    "string_too_short": N_("Please write at least %(min_length)s characters."),
    "string_too_long": N_("Please write at most %(max_length)s characters."),
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
            faults.setdefault(name, _sentence(fault["type"], fault["msg"], fault.get("ctx", {})))
        return Submitted(form.values, faults)


def _sentence(kind: str, message: str, context: dict[str, Any]) -> str:
    """Our own sentences have places to fill; a message that quotes what was typed must never be a format."""
    if kind in _SENTENCES:
        return _(_SENTENCES[kind], **context)
    if kind == "value_error":
        return _(message.removeprefix("Value error, "))
    # What pydantic itself says is English, and about types rather than about what a person typed.
    return message if reader().language == SOURCE else _("Please check what is written here.")
