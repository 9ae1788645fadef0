"""What an administrator types to find entries of the audit log. No database, no HTTP."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from portal.admin.search import Words
from portal.audit_log.sayings import SAYINGS

_MOST = 2**53
_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(9000, 1, 1)


def _day(text: object) -> object:
    return None if text == "" else text


Day = Annotated[date | None, BeforeValidator(_day)]


class LogSearch(BaseModel):
    """``who`` is an address, an account's id or a word of ``audit.ActorKind``; ``q`` a part of a subject.

    Days are UTC's, both included. ``before`` and ``after`` are numbers of entries: pages that nothing moves.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    who: Words = ""
    action: str = Field(default="", max_length=48)
    q: Words = ""
    since: Day = None
    until: Day = None
    before: int = Field(default=0, ge=0, le=_MOST)
    after: int = Field(default=0, ge=0, le=_MOST)

    @field_validator("action")
    @classmethod
    def _known(cls, action: str) -> str:
        if action and action not in SAYINGS:
            raise ValueError("There is no such act.")
        return action

    @field_validator("since", "until")
    @classmethod
    def _reasonable(cls, day: date | None) -> date | None:
        if day is not None and not _FIRST_DAY <= day <= _LAST_DAY:
            raise ValueError("Please write a day of this century.")
        return day

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.before and self.after:
            raise ValueError("A page lies before an entry or after one.")
        return self

    @property
    def since_at(self) -> datetime | None:
        """The first instant that is wanted."""
        return datetime.combine(self.since, time(0), UTC) if self.since else None

    @property
    def until_at(self) -> datetime | None:
        """The first instant that is wanted no more."""
        return datetime.combine(self.until + timedelta(days=1), time(0), UTC) if self.until else None

    @property
    def who_id(self) -> UUID | None:
        """The account, where its id was typed."""
        try:
            return UUID(self.who)
        except ValueError:
            return None
