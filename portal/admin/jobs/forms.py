"""Which places are listed. No database, no HTTP."""

from enum import StrEnum

from portal.admin.search import Search


class Order(StrEnum):
    """How places are sorted; the value stands in the address."""

    OLDEST = "oldest"
    NEWEST = "newest"


class State(StrEnum):
    """Which places are listed."""

    ANY = ""
    FAILED = "failed"
    MAKING = "making"
    ERASING = "erasing"


class JobSearch(Search):
    """``q`` is a part of an owner's or inverter's id, or of the error."""

    sort: Order = Order.OLDEST
    state: State = State.ANY


class Kind(StrEnum):
    """What the place is for."""

    OWNER = "owner"
    INVERTER = "inverter"
