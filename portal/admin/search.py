"""What every list of the administration is asked and answers: a search, and pages of fifty. No HTTP, no database.

Pages are stable as far as the rows are: each order ends with the row's id, so equal rows never change places.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

PAGE_SIZE = 50
_LONGEST_PAGE = 100_000
RowT = TypeVar("RowT")


def _visible(text: str) -> str:
    # PostgreSQL's text cannot hold NUL, and nothing of ours has other control characters in it.
    if not text.isprintable():
        raise ValueError("There are characters in it that cannot be seen.")
    return text.strip()


Words = Annotated[str, Field(max_length=254), AfterValidator(_visible)]


class Search(BaseModel):
    """What is listed, in which order, from which page on (1 is the first). Empty fields mean any.

    Subclasses add their ``sort`` and filters; what an address says beside them is not looked at.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    q: Words = ""
    page: int = Field(default=1, ge=1, le=_LONGEST_PAGE)

    @property
    def offset(self) -> int:
        """Rows before this page."""
        return (self.page - 1) * PAGE_SIZE


@dataclass(frozen=True, slots=True)
class Found(Generic[RowT]):
    """One page of a search: ``rows`` of ``total``."""

    rows: Sequence[RowT]
    total: int

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // PAGE_SIZE))
