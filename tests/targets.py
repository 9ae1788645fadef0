"""What the places of a route's path are filled with on the stage."""

import re
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from schema.models import Account
from tests.new_site import new_site
from tests.stage import SERIAL, Stage

# After these acts the inverter, or its only login, is not what it was.
_ENDING = (
    *("/delete", "/bring-back", "/logins/revoke", "/logins/let-speak"),
    *("/serial/change", "/serial/give-away", "/serial/ask"),
)


async def target(stage: Stage, route: str) -> dict[str, object]:
    """What fills the places of this route's path: things of Alice's, made anew where the route may end them."""
    names = set(re.findall(r"\{(\w+)", route))
    found: dict[str, object] = {"path": "nothing", "file_path": "css/base.css"}
    if "inverter_id" in names:
        fresh = route.endswith(_ENDING) or route.startswith("/admin/jobs")
        inverter = found["inverter_id"] = await stage.inverter(stage.cast.alice) if fresh else stage.cast.roof
        if route.endswith("/bring-back"):
            await stage.delete(inverter)
    stopped = route.endswith("/go-on")
    made: dict[str, Callable[[], Awaitable[object]]] = {
        "device_id": stage.device,
        "letter_id": stage.letter,
        "notice_id": stage.notice,
        "owner_id": stage.pending_owner,
        "site_id": lambda: new_site(stage.portal, stage.cast.ines.account_id),
        "collector_id": lambda: stage.collector(stopped=stopped),
        "request_id": stage.question,
        "grant_id": stage.reader,
    }
    if route.startswith("/homes"):
        del made["owner_id"]
        found["owner_id"] = stage.cast.home
    if "invitation_id" in names:
        found["invitation_id"], _ = await stage.invitation()
    for name in names & made.keys():
        found[name] = await made[name]()
    if "key_id" in names:
        found["key_id"] = (await stage.key())[0]
    if "account_id" in names:
        found["account_id"] = (await _subject(stage, route)).id
    if "serial" in names:
        found["serial"] = SERIAL
        if route.startswith("/admin/claims"):
            found["serial"] = f"29{uuid4().int % 10**8:08d}"
            found["hers"] = await stage.dispute(str(found["serial"]))
    return found


async def _subject(stage: Stage, route: str) -> Account:
    """An account to which this act can be done."""
    if route.endswith("/confirm-again"):
        return await stage.newcomer(verified=False)
    now = stage.portal.clock()
    states: dict[str, dict[str, Any]] = {"enable": {"disabled_at": now}, "take": {"is_installer": True}}
    return await stage.newcomer(**states.get(route.rsplit("/", 1)[-1], {}))
