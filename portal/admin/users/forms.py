"""What an administrator types or presses about accounts. No database, no HTTP."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from portal.admin.search import Search


class Order(StrEnum):
    """How accounts are sorted; the value stands in the address."""

    NEWEST = "newest"
    OLDEST = "oldest"
    ADDRESS = "address"


class State(StrEnum):
    """Which accounts are listed."""

    ANY = ""
    WAITING = "waiting"
    DISABLED = "disabled"
    LEAVING = "leaving"
    INSTALLERS = "installers"
    ADMINS = "admins"


class UserSearch(Search):
    """``q`` is a part of the address or the name."""

    sort: Order = Order.NEWEST
    state: State = State.ANY


class GlobalRole(StrEnum):
    """What an administrator gives to an account or takes from it."""

    INSTALLER = "installer"
    ADMIN = "admin"


class WhichRole(BaseModel):
    """The role that a button names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: GlobalRole
