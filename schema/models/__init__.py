"""SQLAlchemy tables by subject. Importing this package registers them all with ``Base.metadata``."""

from schema.models.accounts import Account, Audience, EmailToken, LoginSession, OutboxMail, TokenPurpose
from schema.models.base import Base
from schema.models.dead_letters import DeadLetter
from schema.models.generations import ONLY_ROW, PasswordFileGeneration, RegistryVersion
from schema.models.inverters import ClaimState, Feed, Inverter, Login, SerialAlias
from schema.models.live import LiveBase, LiveRow, Rung
from schema.models.owners import Grant, Owner, Role
from schema.models.placements import OwnerPlacement, Placement, PlacementState

__all__ = [
    "ONLY_ROW",
    "Account",
    "Audience",
    "Base",
    "ClaimState",
    "DeadLetter",
    "EmailToken",
    "Feed",
    "Grant",
    "Inverter",
    "LiveBase",
    "LiveRow",
    "Login",
    "LoginSession",
    "OutboxMail",
    "Owner",
    "OwnerPlacement",
    "PasswordFileGeneration",
    "Placement",
    "PlacementState",
    "RegistryVersion",
    "Role",
    "Rung",
    "SerialAlias",
    "TokenPurpose",
]
