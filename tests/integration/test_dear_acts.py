"""Every act that is dear asks for the password again after ten minutes; every other one says why it does not.

Dear is what lets somebody in for longer than a session, shows a secret, gives something away, or administers. The acts
are those of ``tests/route_matrix.txt``: a new one fails here until somebody has decided.
"""

from pathlib import Path
from uuid import uuid4

import pytest

from tests.acts import PLACE, ask, said
from tests.route_table import ROWS, SAFE, Row
from tests.stage import the_stage

pytestmark = pytest.mark.integration

OPEN, TAKES_BACK, LINK = (
    "nobody is signed in there",
    "it takes away what somebody had",
    "a link from a mail proves more",
)
ORDINARY, AGAIN = "it can be undone on the same page", "it is the proof"

DEAR = {
    *("/account/delete", "/account/email", "/account/keys", "/account/keys/{key_id:uuid}/revoke", "/account/password"),
    *("/account/security/codes", "/account/security/off", "/account/security/on"),
    *("/homes/{owner_id:uuid}/hand-over", "/homes/{owner_id:uuid}/invite"),
    *("/inverters/{inverter_id:uuid}/pairing/logins", "/inverters/{inverter_id:uuid}/pairing/secret"),
    *("/inverters/{inverter_id:uuid}/serial/give-away", "/serials/{request_id:uuid}/answer"),
}
NOT_DEAR = {
    "/account/delete/cancel": LINK,
    "/account/devices/end-all": TAKES_BACK,
    "/account/devices/end-others": TAKES_BACK,
    "/account/devices/{device_id:uuid}/end": TAKES_BACK,
    "/account/email/confirm": LINK,
    "/account/email/undo": LINK,
    "/account/keep": "it is what an owner wants at once",
    "/account/profile": ORDINARY,
    "/account/prove": AGAIN,
    "/homes/{owner_id:uuid}/invitations/{invitation_id:uuid}/again": "it goes to whom the password was given for",
    "/homes/{owner_id:uuid}/invitations/{invitation_id:uuid}/revoke": TAKES_BACK,
    "/homes/{owner_id:uuid}/leave": TAKES_BACK,
    "/homes/{owner_id:uuid}/people/{grant_id:uuid}/revoke": TAKES_BACK,
    "/inverters": "it is new and has nothing to lose",
    "/inverters/{inverter_id:uuid}/bring-back": ORDINARY,
    "/inverters/{inverter_id:uuid}/delete": ORDINARY,
    "/inverters/{inverter_id:uuid}/edit": ORDINARY,
    "/inverters/{inverter_id:uuid}/found/adopt": ORDINARY,
    "/inverters/{inverter_id:uuid}/found/hide": ORDINARY,
    "/inverters/{inverter_id:uuid}/logins/let-speak": ORDINARY,
    "/inverters/{inverter_id:uuid}/logins/name": ORDINARY,
    "/inverters/{inverter_id:uuid}/logins/revoke": TAKES_BACK,
    "/inverters/{inverter_id:uuid}/serial/ask": "its holder answers, with the password",
    "/inverters/{inverter_id:uuid}/serial/change": ORDINARY,
    "/invitation/accept": LINK,
    "/invitation/decline": LINK,
    "/invitation/join": LINK,
    "/login": OPEN,
    "/login/code": OPEN,
    "/logout": TAKES_BACK,
    "/notices/{notice_id:uuid}/hide": ORDINARY,
    "/reset": OPEN,
    "/reset/set": LINK,
    "/signup": OPEN,
    "/sites": "it is new and has nothing to lose",
    "/sites/{site_id:uuid}/devices": "it is new and has nothing to lose",
    "/verify": LINK,
    "/verify/again": OPEN,
}
# After these Olga is not signed in any more.
LAST = ("/account/devices/end-all", "/logout")


def is_dear(path: str) -> bool:
    """All of administration is."""
    return path in DEAR or path.startswith("/admin/")


async def test_what_is_dear_asks_for_the_password_again(tmp_path: Path) -> None:
    """Olga administers and gave hers an hour ago: she is sent to prove it by exactly these, before anything is done."""
    acts = [row for row in ROWS if row.method not in SAFE and not row.for_programs]
    asked = set()
    async with the_stage(tmp_path) as stage:
        for row in sorted(acts, key=lambda row: row.path in LAST):
            path = PLACE.sub(lambda place: "1" if place[1] == "serial" else str(uuid4()), row.path)
            if said(await ask(stage, row, "olga", path, {})) == "prove":
                asked.add(row.path)

    assert asked == {row.path for row in acts if is_dear(row.path)}
    assert {row.path for row in acts if not is_dear(row.path)} == NOT_DEAR.keys()
    assert not DEAR & NOT_DEAR.keys()


@pytest.mark.parametrize("act", ["secret", "logins"])
async def test_a_copied_cookie_alone_gets_no_secret_of_a_login(tmp_path: Path, act: str) -> None:
    """After ten minutes the page is shown as ever, its button asks for the password and comes back to it."""
    async with the_stage(tmp_path) as stage:
        alice, roof = stage.cast.alice, stage.cast.roof
        stage.portal.clock.go(minutes=11)
        row = Row(f"POST /inverters/{roof}/pairing/{act}", {}, "-")
        answer = await ask(stage, row, "alice", row.path, {})
        page = await alice.get(f"/inverters/{roof}/pairing")

    assert answer.headers["location"] == f"/account/prove?next=/inverters/{roof}/pairing&again=yes"
    assert page.status_code == 200
