"""Service identities (T28): a key opens the credential endpoint from where it may come, for as long as it may, and
nothing else; what it asked is in the audit log, and nothing of it is stored on the way.
"""

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from portal.credentials import identities
from portal.credentials.identities import PREFIX, KeyReplacedMeanwhile
from schema.models import Base, Collector
from tests.acts import ask, prepared, said
from tests.collecting import (
    AT_HOME,
    INFLUX,
    SERIAL,
    bearing,
    entries,
    identity,
    key_of,
    program,
    row_of,
    working,
)
from tests.people import Cast, the_cast
from tests.portal_app import running_portal
from tests.route_table import ROWS
from tests.stage import the_stage

pytestmark = pytest.mark.integration

OURS = {"GET /influx_token", "POST /api/influx_token", "POST /inverter_metadata/{serial:str}"}


@pytest.fixture
async def cast(tmp_path: Path) -> AsyncGenerator[Cast, None]:
    """Everybody at a portal with InfluxDB; an administrator's own token reads nothing there."""
    async with running_portal(tmp_path, **INFLUX) as portal, the_cast(portal) as people:
        yield people


async def test_a_collector_asks_with_its_own_key_in_either_way(cast: Cast) -> None:
    """The same answer, the serial once in the address and once in the body; the audit log says who has read it."""
    await working(cast)
    made = await identity(cast.portal)
    asking = program(cast.portal, made)

    answers = [await asking.ask("27-1111 1111"), await asking.ask_quietly("27-1111 1111")]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["token"] == "external write token"
    read = await entries(cast.portal, "token.read")
    assert [(entry.actor, entry.actor_id) for entry in read] == [("collector", made.id)] * 2
    assert {entry.subject for entry in read} == {f"inverter:{cast.roof}"}
    assert "external write token" not in str([entry.details for entry in read])


async def test_a_collectors_key_opens_its_three_addresses_and_nothing_else(tmp_path: Path) -> None:
    """Every route of the table of routes: pages ask for a log-in, addresses for programs refuse it."""
    async with the_stage(tmp_path) as stage:
        headers = bearing((await identity(stage.portal)).key)
        stage.people["key"].http.headers.update(headers)
        stage.bearer["key"] = headers
        found, expected = {}, {}
        for row in ROWS:
            # Somebody may have logged in here for the row before.
            stage.people["key"].http.cookies.clear()
            path, form = await prepared(stage, row, "key")
            found[row.route] = said(await ask(stage, row, "key", path, form))
            # Whoever has no cookie is nobody to a page; programs are told apart by what they bring.
            expected[row.route] = row.answers["key"]
            if row.for_programs and row.answers["nobody"] == "401":
                expected[row.route] = row.answers["ada"] if row.route in OURS else "403"

    assert found == expected
    assert {route for route, answer in found.items() if route in OURS} == OURS


async def test_a_key_is_worth_nothing_in_any_other_shape(cast: Cast) -> None:
    """As a password, in a cookie, in the address, in small letters, with a letter more or less."""
    await working(cast)
    key = (await identity(cast.portal)).key
    address, http = f"/influx_token?serial={SERIAL}", cast.nobody.http
    shapes = {"basic": {"Authorization": f"Basic {key}"}, "bare": {"Authorization": key}, "token": {"X-API-Key": key}}
    bent = {"small": key.lower(), "more": f"{key}A", "less": key[:-1], "owner's": key.replace(PREFIX, "deye_")}

    refused = [await http.get(address, headers=headers) for headers in shapes.values()]
    refused += [await http.get(address, headers=bearing(text)) for text in bent.values()]
    refused.append(await http.get(f"{address}&key={key}"))
    http.cookies.set("session", key)
    refused.append(await http.get(address))

    assert {answer.status_code for answer in refused} == {401}
    assert {answer.content for answer in refused} == {refused[0].content}


async def test_a_key_is_good_from_where_it_may_come_and_silent_elsewhere(cast: Cast) -> None:
    """Elsewhere the answer is that of a key which is none. It is noted once, however many addresses try."""
    await working(cast)
    made = await identity(cast.portal, networks="192.0.2.0/28,2001:db8::/32")
    good = [await program(cast.portal, made, at=at).ask() for at in (AT_HOME, "2001:db8::1", "::ffff:192.0.2.9")]
    bad = [await program(cast.portal, made, at=at).ask() for at in ("192.0.2.16", "203.0.113.9", "2001:db9::1", "x")]
    unknown = await cast.nobody.http.get("/influx_token?serial=1", headers=bearing(f"{PREFIX}{'A' * 32}"))
    row = await row_of(cast.portal, made.id)

    assert [answer.status_code for answer in good] == [200] * 3
    assert {(answer.status_code, answer.content) for answer in bad} == {(401, unknown.content)}
    assert [entry.details for entry in await entries(cast.portal, "collector.refused")] == [{"address": "192.0.2.16"}]
    assert (row.refused_from, row.last_from) == ("192.0.2.16", "::ffff:192.0.2.9")


async def test_a_key_ends_with_its_time_and_with_its_identity(cast: Cast) -> None:
    """At the very minute; and at once when it is revoked."""
    await working(cast)
    short, revoked = await identity(cast.portal, "short", days=1), await identity(cast.portal, "revoked", days=365)

    before = [(await program(cast.portal, made).ask()).status_code for made in (short, revoked)]
    cast.portal.clock.go(hours=23, minutes=59)
    still = (await program(cast.portal, short).ask()).status_code
    cast.portal.clock.go(minutes=1)
    over = (await program(cast.portal, short).ask()).status_code
    async with cast.portal.parts.sessions.begin() as session:
        by, now = cast.ada.account_id, cast.portal.clock()
        await identities.revoke(session, revoked.id, by=by, now=now)
    ended = (await program(cast.portal, revoked).ask()).status_code

    assert (before, still, over, ended) == ([200, 200], 200, 401, 401)


async def test_two_keys_work_side_by_side_until_the_former_ones_time_is_over(cast: Cast) -> None:
    """The overlap ends at its own time or at that of the former key; of two rotations one makes a key."""
    await working(cast)
    first = await identity(cast.portal, days=30)
    hint = (await row_of(cast.portal, first.id)).hint

    async def rotated() -> identities.Made:
        async with cast.portal.parts.sessions.begin() as session:
            return await identities.rotate(
                session,
                first.id,
                instead_of=hint,
                overlap=timedelta(hours=24),
                days=90,
                by=cast.ada.account_id,
                key=key_of(cast.portal),
                now=cast.portal.clock(),
            )

    second = await rotated()
    with pytest.raises(KeyReplacedMeanwhile):
        await rotated()
    both = [(await program(cast.portal, made).ask()).status_code for made in (first, second)]
    used = await row_of(cast.portal, first.id)
    cast.portal.clock.go(hours=24)
    after = [(await program(cast.portal, made).ask()).status_code for made in (first, second)]

    assert (both, after) == ([200, 200], [401, 200])
    assert used.former_used_at is not None
    assert second.id == first.id
    assert len(await entries(cast.portal, "collector.key_renewed")) == 1


async def test_a_former_key_does_not_outlive_its_own_time(cast: Cast) -> None:
    """A long overlap makes no key older than it was meant to become."""
    made = await identity(cast.portal, days=1)
    async with cast.portal.parts.sessions.begin() as session:
        row = await session.get_one(Collector, made.id)
        await identities.rotate(
            session,
            made.id,
            instead_of=row.hint,
            overlap=timedelta(days=7),
            days=365,
            by=cast.ada.account_id,
            key=key_of(cast.portal),
            now=cast.portal.clock(),
        )

    assert (await row_of(cast.portal, made.id)).former_until == cast.portal.clock() + timedelta(days=1)


async def test_nothing_in_the_database_opens_the_door(cast: Cast) -> None:
    """Every text of every row, tried as a key (T31 for these keys)."""
    await working(cast)
    made = await identity(cast.portal)
    await program(cast.portal, made).ask()
    texts: set[str] = set()
    async with cast.portal.parts.sessions() as session:
        for table in Base.metadata.sorted_tables:
            for row in await session.execute(select(table)):
                texts |= {value for value in row if isinstance(value, str)}

    assert made.key not in "\n".join(texts)
    tried = {text for text in texts if text.isascii() and text.isprintable() and text.strip()}
    answers = [
        await cast.nobody.http.get(f"/influx_token?serial={SERIAL}", headers=bearing(f"{prefix}{text}"))
        for text in tried
        for prefix in ("", PREFIX)
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len(tried) > 20
