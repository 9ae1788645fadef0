"""What an administrator types to find inverters. No database, no HTTP."""

from enum import StrEnum

from portal.admin.search import Search


class Order(StrEnum):
    """How inverters are sorted; the value stands in the address."""

    NEWEST = "newest"
    OLDEST = "oldest"
    NAME = "name"
    SERIAL = "serial"


class State(StrEnum):
    """Which inverters are listed."""

    ANY = ""
    UNPROVED = "unproved"
    DISPUTED = "disputed"
    PENDING = "pending"


class InverterSearch(Search):
    """``q`` is a part of the serial, the name, an owner's address, or a whole login."""

    sort: Order = Order.NEWEST
    state: State = State.ANY
