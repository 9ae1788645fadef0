"""Dead letters and requests in a portal's database, as the bridge and the pages would write them."""

from datetime import timedelta
from uuid import uuid4

from sqlalchemy import select

from schema.models import DeadLetter, DeadLetterRequest
from tests.people import Cast, login_of

LIST = "/admin/dead-letters"
NASTY = "<script>alert('x')</script>"
OF_BOB: dict[str, object] = {"login": "BBBBBBBBBB", "inverter_id": None, "topic": "deye/BBBBBBBBBB/json"}


async def put(cast: Cast, **columns: object) -> DeadLetter:
    """A dead letter as the bridge would copy it: of Alice's roof, unless told otherwise."""
    now = cast.portal.clock()
    values: dict[str, object] = {
        "login": (await login_of(cast.portal, cast.roof)).name,
        "inverter_id": cast.roof,
        "topic": "deye/x/json",
        "payload": b'{"ac_power": "warm"}',
        "reason": "not_a_number",
        "detail": "ac_power is not a finite number. Send numbers without quotation marks and units.",
        "first_seen_at": now - timedelta(hours=2),
        "last_seen_at": now,
        "count": 12,
        "kept": 10,
    }
    values |= columns
    letter = DeadLetter(id=uuid4(), payload_bytes=len(values["payload"]), **values)  # type: ignore[arg-type]
    async with cast.portal.parts.sessions.begin() as session:
        session.add(letter)
    return letter


async def requests(cast: Cast) -> list[DeadLetterRequest]:
    """What was asked for."""
    async with cast.portal.parts.sessions() as session:
        return list((await session.scalars(select(DeadLetterRequest))).all())
