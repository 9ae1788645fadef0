"""What an administrator has to look at: a letter set aside, a contested serial, places that wait, a mail, entries."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from portal import audit
from portal.audit import Action
from schema.models import (
    ClaimState,
    Collector,
    DeadLetter,
    Feed,
    FormerSerial,
    FoundDevice,
    Inverter,
    Invitation,
    Login,
    MoveState,
    Orphan,
    OrphanKind,
    OutboxMail,
    OwnerMove,
    OwnerPlacement,
    Placement,
    PlacementState,
    Role,
    SerialEnd,
    SerialRequest,
    StoreServer,
)
from tests.browser.site import Person, Site


def contested(site: Site, holder: Person, claimant: Person, *, serial: str, name: str) -> None:
    """Two people's inverters with one serial: one holds it, the other's feed is disputed."""
    now = datetime.now(UTC)
    for number, (person, state) in enumerate(((holder, ClaimState.ACTIVE), (claimant, ClaimState.DISPUTED))):
        inverter, login = uuid4(), f"DSP{number}{serial[-6:]}"
        site.add(
            Inverter(
                id=inverter, owner_id=person.owner_id, name=name, serial=serial, created_at=now,
                active_serial=serial if state is ClaimState.ACTIVE else None,
            )
        )  # fmt: skip
        site.add(
            Placement(inverter_id=inverter, state=PlacementState.PENDING, updated_at=now, last_error=name[:300]),
            Login(name=login, owner_id=person.owner_id, verifier="$7$x", registry_version=1, created_at=now),
        )
        site.add(Feed(id=uuid4(), login=login, inverter_id=inverter, claim_state=state, activated_at=now))


def set_aside(site: Site, inverter: UUID, text: str) -> UUID:
    """A message of this inverter, with the text wherever a publisher or the store may say something."""
    now = datetime.now(UTC)
    row = DeadLetter(
        id=uuid4(), login="CCDE234567", inverter_id=inverter, topic=f"deye/CCDE234567/{text}"[:512],
        reason="store_refused", detail=text[:300], response=text[:300], payload=text.encode(),
        payload_bytes=len(text.encode()), count=7, kept=3, first_seen_at=now - timedelta(days=1), last_seen_at=now,
    )  # fmt: skip
    site.add(row)
    return row.id


def waiting(site: Site, person: Person, text: str) -> None:
    """A place that could not be made, and a mail that was not taken."""
    now = datetime.now(UTC)
    place = OwnerPlacement(
        owner_id=person.owner_id, state=PlacementState.PENDING, last_error=text[:300], updated_at=now
    )
    site.do(_instead(site, place))
    site.add(
        OutboxMail(
            id=uuid4(), recipient=f"{text[:200]}@b.example", subject=text[:200], sealed=text.encode(),
            created_at=now, next_attempt_at=now + timedelta(days=1), attempts=3,
        )
    )  # fmt: skip


def servers(site: Site, person: Person, text: str) -> None:
    """A server that is nearly full and does not answer, with something that is nobody's, a fresh one, and an owner
    between the two.
    """
    now = datetime.now(UTC)
    site.add(
        StoreServer(
            url=f"http://influxdb:8086/{text}"[:200], capacity_buckets=1, buckets=9, version=text[:32], shards=3_000,
            files_limit=30_000, memory_bytes=1_600_000_000, memory_limit_bytes=1_700_000_000, checked_at=now,
            last_error=text[:300],
        ),
        Orphan(
            server=f"http://influxdb:8086/{text}"[:200], kind=OrphanKind.BUCKET, external_id="0a" * 8, name=text[:200],
            org_id="0b" * 8, first_seen_at=now, last_seen_at=now,
        ),
        StoreServer(url="http://influxdb2:8086", open=False, capacity_buckets=1_000, last_error=""),
        OwnerMove(
            owner_id=person.owner_id, server="http://influxdb2:8086", state=MoveState.COPYING, started_at=now,
            updated_at=now, last_error=text[:300],
        ),
    )  # fmt: skip


def collector(site: Site, text: str) -> UUID:
    """A collector's identity, used from where it may not come from."""
    now = datetime.now(UTC)
    row = Collector(
        id=uuid4(), name=text, hint="deyec_ABCDEF", key_hash=uuid4().hex, networks="192.0.2.0/24", created_at=now,
        expires_at=now + timedelta(days=30), refused_at=now, refused_from="203.0.113.7", stopped_at=now,
    )  # fmt: skip
    site.add(row)
    return row.id


async def _instead(site: Site, place: OwnerPlacement) -> None:
    async with site.parts.sessions.begin() as session:
        await session.merge(place)


def noted(site: Site, person: Person, details: Mapping[str, audit.Detail]) -> None:
    """An entry of the audit log about this person."""
    site.do(_noted(site, person, details))


async def _noted(site: Site, person: Person, details: Mapping[str, audit.Detail]) -> None:
    async with site.parts.sessions.begin() as session:
        await audit.record(
            session,
            Action.INVERTER_CHANGED,
            subject=audit.account(person.account_id),
            actor=person.account_id,
            owner_id=person.owner_id,
            details=details,
            now=datetime.now(UTC),
        )


def around(site: Site, person: Person, inverter: UUID, text: str) -> None:
    """What stands around an inverter: a login's name, a device that was found, serials that it had and that somebody
    asks for, and an address that was invited.
    """
    now, login = datetime.now(UTC), "AR0UND2345"
    later, serial = now + timedelta(days=7), text[:32]
    site.add(Login(name=login, owner_id=person.owner_id, label=text[:80], verifier="$7$x", registry_version=1,
        created_at=now))  # fmt: skip
    site.add(
        Feed(id=uuid4(), login=login, inverter_id=inverter, selector=text[:64], claim_state=ClaimState.ACTIVE),
        FoundDevice(
            login=login, selector=text[64:128], serial=serial, first_seen_at=now, last_seen_at=now, messages=3,
        ),
        FormerSerial(id=uuid4(), inverter_id=inverter, serial=serial, ended_at=now, why=SerialEnd.REPLACED),
        SerialRequest(
            id=uuid4(), serial=serial, holder_id=inverter, claimant_id=inverter, asked_at=now, expires_at=later,
        ),
        Invitation(
            owner_id=person.owner_id, role=Role.READER, email=text[:254], email_key=text[:254],
            token_hash=uuid4().hex, invited_by=person.account_id, created_at=now, sent_at=now, expires_at=later,
        ),
    )  # fmt: skip
