"""Writing the audit log: one entry per act, in the transaction of the act. Reading and sealing live elsewhere.

Where an act is undone its entry goes with it, and where an entry cannot be written the act does not happen. Details
hold what was before and what is after, never a secret and no e-mail address: ids name people, ``known_by`` names
who is no account. Entries stay after an account is gone; then its id means nobody any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from portal.keys import KeyUse, derived, keyed_hash
from schema.models import AuditEntry

Detail = str | int | bool | None | Sequence[str]

_HASH_SHOWN = 32


class Action(StrEnum):
    """What was done. The text is stored, so it never changes."""

    SIGNED_UP = "account.signed_up"
    SIGNED_UP_AGAIN = "account.signed_up_again"
    CONFIRMED = "account.confirmed"
    CONFIRMATION_ASKED = "account.confirmation_asked"
    LOGGED_IN = "account.logged_in"
    LOG_IN_REFUSED = "account.log_in_refused"
    PROVED = "account.proved"
    PROFILE_CHANGED = "account.profile_changed"
    DELETION_ASKED = "account.deletion_asked"
    DELETION_CANCELLED = "account.deletion_cancelled"
    DELETED = "account.deleted"
    DISABLED = "account.disabled"
    ENABLED = "account.enabled"
    SESSION_ENDED = "session.ended"
    SESSIONS_ENDED = "session.all_ended"
    RESET_ASKED = "password.reset_asked"
    PASSWORD_SET = "password.set"  # noqa: S105  # the name of an act
    PASSWORD_CHANGED = "password.changed"  # noqa: S105
    EMAIL_CHANGE_ASKED = "email.change_asked"
    EMAIL_CHANGED = "email.changed"
    EMAIL_CHANGE_UNDONE = "email.change_undone"
    TOTP_ON = "totp.on"
    TOTP_OFF = "totp.off"
    RECOVERY_CODES_MADE = "recovery_codes.made"
    RECOVERY_CODE_USED = "recovery_codes.used"
    KEY_MADE = "api_key.made"
    KEY_REVOKED = "api_key.revoked"
    ROLE_GRANTED = "role.granted"
    ROLE_TAKEN = "role.taken"
    GRANT_GIVEN = "grant.given"
    GRANT_TAKEN = "grant.taken"
    INVITATION_SENT = "invitation.sent"
    INVITATION_REVOKED = "invitation.revoked"
    INVITATION_DECLINED = "invitation.declined"
    OWNER_HANDED_OVER = "owner.handed_over"
    OWNER_CHANGED = "owner.changed"
    SITE_MADE = "site.made"
    INVERTER_ADDED = "inverter.added"
    INVERTER_CHANGED = "inverter.changed"
    INVERTER_DELETED = "inverter.deleted"
    INVERTER_RESTORED = "inverter.restored"
    INVERTER_ERASED = "inverter.erased"
    OWNER_ERASED = "owner.erased"
    PLACE_RENEWED = "place.renewed"
    NAME_GIVEN_BACK = "place.name_given_back"
    TOKEN_RENEWED = "token.renewed"  # noqa: S105
    OWNER_MOVE_ASKED = "owner.move_asked"
    OWNER_MOVE_CANCELLED = "owner.move_cancelled"
    OWNER_MOVED = "owner.moved"
    SECOND_PLACE_REMOVED = "owner.second_place_removed"
    ORPHAN_DELETED = "orphan.deleted"
    SERVER_ACCEPTED = "server.accepted"
    RESEALED = "token_key.resealed"
    METADATA_CHANGED = "inverter.metadata_changed"
    LOGIN_MADE = "login.made"
    LOGIN_RENEWED = "login.renewed"
    LOGIN_REVOKED = "login.revoked"
    LOGIN_NAMED = "login.named"
    LOGIN_LET_SPEAK = "login.let_speak"
    DEVICE_ADOPTED = "device.adopted"
    DEVICE_HIDDEN = "device.hidden"
    SERIAL_GIVEN_AWAY = "serial.given_away"
    SERIAL_CHANGED = "serial.changed"
    SERIAL_ASKED = "serial.asked"
    SERIAL_GRANTED = "serial.granted"
    SERIAL_REFUSED = "serial.refused"
    SERIAL_FREED = "serial.freed"
    NOTICE_HIDDEN = "notice.hidden"
    CLAIM_SETTLED = "claim.settled"
    TOKEN_READ = "token.read"  # noqa: S105
    REPLAY_ASKED = "letter.replay_asked"
    PURGE_ASKED = "letter.purge_asked"
    PROVISIONING_RETRIED = "provisioning.retried"
    COLLECTOR_MADE = "collector.made"
    COLLECTOR_CHANGED = "collector.changed"
    COLLECTOR_KEY_RENEWED = "collector.key_renewed"
    COLLECTOR_REVOKED = "collector.revoked"
    COLLECTOR_REFUSED = "collector.refused"
    COLLECTOR_SWEEP = "collector.sweep"
    COLLECTOR_LET_GO_ON = "collector.let_go_on"


class ActorKind(StrEnum):
    """Who acts where it is no signed-in account."""

    SYSTEM = "system"
    COMMAND = "command"
    NOBODY = "nobody"
    COLLECTOR = "collector"


_ACCOUNT = "account"
SYSTEM = ActorKind.SYSTEM
"""A task of ours: a deletion that fell due, a retry."""
COMMAND = ActorKind.COMMAND
"""Whoever may run commands on the machine."""
NOBODY = ActorKind.NOBODY
"""A visitor who has not logged in."""


@dataclass(frozen=True, slots=True)
class ByCollector:
    """An outside collector, with its own key."""

    id: UUID


Actor = UUID | ByCollector | ActorKind
"""The visitor's account id, a collector, or one of the three above."""


async def record(
    session: AsyncSession,
    action: Action,
    *,
    subject: str,
    actor: Actor,
    now: datetime,
    owner_id: UUID | None = None,
    details: Mapping[str, Detail] | None = None,
) -> None:
    """One entry in the caller's transaction.

    ``subject`` is a kind and an id ("inverter:<uuid>", "login:<name>"); ``owner_id`` is the tenant whose things are
    touched, where there is one. Call it once per act: the act is what somebody wanted, not each row it touches.
    """
    session.add(
        AuditEntry(
            at=now,
            actor_id=_id_of(actor),
            actor=_kind_of(actor),
            action=action.value,
            subject=subject,
            owner_id=owner_id,
            details=dict(details or {}),
        )
    )
    await session.flush()


def account(account_id: UUID) -> str:
    """An account as a subject."""
    return f"account:{account_id}"


def inverter(inverter_id: UUID) -> str:
    """An inverter as a subject."""
    return f"inverter:{inverter_id}"


def owner(owner_id: UUID) -> str:
    """An owner, which is a home or a site, as a subject."""
    return f"owner:{owner_id}"


def collector(collector_id: UUID) -> str:
    """A collector as a subject."""
    return f"collector:{collector_id}"


def known_by(auth_secret: str, email_key: str) -> str:
    """An address that may be nobody's, as a subject: the same address gives the same hash, and no way leads back."""
    return f"email:{keyed_hash(derived(auth_secret, KeyUse.AUDIT), email_key)[:_HASH_SHOWN]}"


def _id_of(actor: Actor) -> UUID | None:
    if isinstance(actor, ByCollector):
        return actor.id
    return actor if isinstance(actor, UUID) else None


def _kind_of(actor: Actor) -> str:
    if isinstance(actor, ByCollector):
        return ActorKind.COLLECTOR.value
    return _ACCOUNT if isinstance(actor, UUID) else actor.value
