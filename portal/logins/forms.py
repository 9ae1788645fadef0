"""What people type about a login. No database, no HTTP."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from portal.words import _
from schema.topics import LOGIN_LENGTH

LABEL_MAX = 80


def _label(text: str) -> str:
    label = " ".join(text.split())
    if not label:
        raise ValueError(_("Please name the program, so that you know which one it is."))
    if not label.isprintable():
        raise ValueError(_("Please use characters that can be seen."))
    return label


Label = Annotated[str, Field(max_length=LABEL_MAX), AfterValidator(_label)]
LoginName = Annotated[str, Field(max_length=LOGIN_LENGTH)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewLogin(_Form):
    """``known`` is how many logins the page showed; a page that asks for no name sends none."""

    known: Annotated[int, Field(ge=0, lt=1000)] | None = None
    label: Label | None = None


class Named(_Form):
    """What the program behind a login is called."""

    login: LoginName
    label: Label


class Chosen(_Form):
    """A login that a button names."""

    login: LoginName


class LetSpeak(Chosen):
    """``replay``: what was set aside meanwhile is wanted too."""

    replay: Literal["yes"] | None = None
