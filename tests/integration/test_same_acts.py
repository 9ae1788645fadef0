"""Many equal forms at once, for the forms that ``test_same_submits`` and ``test_factor_races`` do not send: one entry
in the audit log, which is in the transaction of the act, so one act; and at most one mail to each.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.acts import newest, prepared
from tests.at_once import AT_ONCE
from tests.route_table import ROWS, Row
from tests.stage import Stage, the_stage

pytestmark = pytest.mark.integration

ONCE = {
    "/account/delete", "/account/delete/cancel", "/account/devices/{device_id:uuid}/end", "/account/keep",
    "/account/keys/{key_id:uuid}/revoke", "/account/profile", "/account/security/off",
    "/admin/claims/{serial:str}/settle", "/admin/collectors/{collector_id:uuid}/change",
    "/admin/collectors/{collector_id:uuid}/go-on", "/admin/collectors/{collector_id:uuid}/key",
    "/admin/collectors/{collector_id:uuid}/revoke", "/admin/dead-letters/purge", "/admin/dead-letters/replay",
    "/admin/dead-letters/{letter_id:uuid}/purge", "/admin/dead-letters/{letter_id:uuid}/replay",
    "/admin/users/{account_id:uuid}/disable", "/admin/users/{account_id:uuid}/enable",
    "/admin/users/{account_id:uuid}/give", "/admin/users/{account_id:uuid}/take",
    "/homes/{owner_id:uuid}/hand-over", "/homes/{owner_id:uuid}/invite", "/homes/{owner_id:uuid}/leave",
    "/homes/{owner_id:uuid}/invitations/{invitation_id:uuid}/again",
    "/homes/{owner_id:uuid}/invitations/{invitation_id:uuid}/revoke",
    "/homes/{owner_id:uuid}/people/{grant_id:uuid}/revoke", "/invitation/accept",
    "/invitation/decline", "/invitation/join",
    "/inverters/{inverter_id:uuid}/bring-back", "/inverters/{inverter_id:uuid}/delete",
    "/inverters/{inverter_id:uuid}/logins/let-speak", "/inverters/{inverter_id:uuid}/logins/name",
    "/inverters/{inverter_id:uuid}/logins/revoke", "/inverters/{inverter_id:uuid}/edit", "/logout",
    "/inverters/{inverter_id:uuid}/found/adopt", "/inverters/{inverter_id:uuid}/found/hide",
    "/inverters/{inverter_id:uuid}/serial/ask", "/inverters/{inverter_id:uuid}/serial/change",
    "/inverters/{inverter_id:uuid}/serial/give-away", "/notices/{notice_id:uuid}/hide",
    "/serials/{request_id:uuid}/answer",
}  # fmt: skip
ACTS = [row for row in ROWS if row.method == "POST" and row.path in ONCE]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage, None]:
    """Everybody, at a portal of their own."""
    async with the_stage(tmp_path) as built:
        yield built


async def many(stage: Stage, row: Row, path: str, form: dict[str, str]) -> tuple[list[str], Counter[str]]:
    """What was noted, and how many mails everybody got."""
    while await stage.portal.parts.mailer.send_due():
        pass
    person, before = stage.people[row.succeeds_for], len(await newest(stage, 0))
    stage.portal.bag.mails.clear()
    data = {**form, "_csrf_token": await person.form_token()}
    answers = await asyncio.gather(*(person.http.post(path, data=data) for _ in range(AT_ONCE)))
    assert {answer.status_code for answer in answers} <= {303, 404, 409, 410}
    while await stage.portal.parts.mailer.send_due():
        pass
    return await newest(stage, before), Counter(str(mail["To"]) for mail in stage.portal.bag.mails)


@pytest.mark.parametrize("row", ACTS, ids=[row.path for row in ACTS])
async def test_equal_forms_are_one_act(stage: Stage, row: Row) -> None:
    """Whatever the other forty-nine are answered."""
    done, mails = await many(stage, row, *await prepared(stage, row, row.succeeds_for))

    assert done == [row.entry]
    assert set(mails.values()) <= {1}


async def test_another_login_is_made_once(stage: Stage) -> None:
    """The form says how many the page had shown: the others lead to the page with the one that was made meanwhile."""
    row = next(row for row in ROWS if row.path.endswith("/pairing/logins"))
    path, _ = await prepared(stage, row, "alice")
    page = await stage.cast.alice.get(path.removesuffix("/logins"))
    assert 'name="known" value="1"' in page.text

    done, _ = await many(stage, row, path, {"known": "1"})

    assert done == ["login.made"]
