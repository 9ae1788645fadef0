"""SQLAlchemy tables by subject. Importing this package registers them all with ``Base.metadata``."""

from schema.models.accounts import Account, Audience, EmailToken, LoginSession, MailBudget, OutboxMail, TokenPurpose
from schema.models.audit import AuditEntry, AuditSeal
from schema.models.base import Base
from schema.models.collectors import Collector, CollectorSerial
from schema.models.dead_letters import (
    DeadLetter,
    DeadLetterRequest,
    LetterAction,
    RequestSource,
    RequestState,
)
from schema.models.devices import FormerSerial, FoundDevice, MetadataSource, SerialEnd, SerialRequest, ToldBy
from schema.models.generations import ONLY_ROW, PasswordFileGeneration, RegistryChange, RegistryVersion
from schema.models.inverters import ClaimState, Feed, Inverter, Login, SerialAlias
from schema.models.invitations import Invitation
from schema.models.live import LiveBase, LiveRow, LoginLive, Rung
from schema.models.notices import Notice, NoticeKind
from schema.models.owners import Grant, Owner, Role
from schema.models.placements import OwnerPlacement, Placement, PlacementState
from schema.models.second_ways import ApiKey, RecoveryCode
from schema.models.servers import InverterMove, MoveState, MoveWish, Orphan, OrphanKind, OwnerMove, StoreServer
from schema.models.tries import TryCount

__all__ = [
    "ONLY_ROW",
    "Account",
    "ApiKey",
    "Audience",
    "AuditEntry",
    "AuditSeal",
    "Base",
    "ClaimState",
    "Collector",
    "CollectorSerial",
    "DeadLetter",
    "DeadLetterRequest",
    "EmailToken",
    "Feed",
    "FormerSerial",
    "FoundDevice",
    "Grant",
    "Inverter",
    "InverterMove",
    "Invitation",
    "LetterAction",
    "LiveBase",
    "LiveRow",
    "Login",
    "LoginLive",
    "LoginSession",
    "MailBudget",
    "MetadataSource",
    "MoveState",
    "MoveWish",
    "Notice",
    "NoticeKind",
    "Orphan",
    "OrphanKind",
    "OutboxMail",
    "Owner",
    "OwnerMove",
    "OwnerPlacement",
    "PasswordFileGeneration",
    "Placement",
    "PlacementState",
    "RecoveryCode",
    "RegistryChange",
    "RegistryVersion",
    "RequestSource",
    "RequestState",
    "Role",
    "Rung",
    "SerialAlias",
    "SerialEnd",
    "SerialRequest",
    "StoreServer",
    "TokenPurpose",
    "ToldBy",
    "TryCount",
]
