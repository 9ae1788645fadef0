"""What was set aside, to an administrator: found by login and reason, replayed and purged on request."""

from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from portal.app import PAGES_SIGNED_IN
from portal.dead_letters.forms import PAGE_SIZE
from schema.letters import NO_LOGIN
from schema.models import Account, DeadLetterRequest, LetterAction, RequestSource, RequestState
from tests.people import Cast, Person
from tests.portal_letters import LIST, NASTY, OF_BOB, put, requests

pytestmark = pytest.mark.integration


def _administration() -> list[tuple[str, str]]:
    found = [
        (str(method), path)
        for handler in PAGES_SIGNED_IN
        for method in handler.http_methods
        for path in handler.paths
        if path.startswith(LIST) and method in ("GET", "POST")
    ]
    assert len(found) == 7
    return found


@pytest.mark.parametrize(("method", "path"), _administration())
async def test_the_administrators_pages_keep_their_promises(cast: Cast, method: str, path: str) -> None:
    """Ada finds them; for owners, installers and strangers there is nothing; ids that are none are not found; a form
    without its token changes nothing.
    """
    letter = await put(cast)
    asked = [path.replace("{letter_id:uuid}", word) for word in (str(letter.id), str(uuid4()), "not-an-id")]
    others = (cast.alice, cast.bob, cast.ines, cast.nobody)

    for_others = [(await _send(person, method, asked[0])).status_code for person in others]
    unknown = [(await _send(cast.ada, method, address)).status_code for address in asked[1:]]
    wrong = await cast.ada.http.put(asked[0], headers={"x-csrftoken": await cast.ada.form_token()})
    without_token = await cast.ada.post_without_token(asked[0]) if method == "POST" else None
    requests_of_others = await requests(cast)
    for_ada = await _send(cast.ada, method, asked[0])

    assert for_others == [404] * 4
    assert unknown == [404, 404] if "{" in path else unknown
    assert wrong.status_code == 405
    assert without_token is None or without_token.status_code == 403
    assert [one for one in requests_of_others if "{" in path] == []
    assert for_ada.status_code == (200 if method == "GET" else 303)
    assert method == "POST" or for_ada.headers["cache-control"] == "no-store"


async def _send(person: Person, method: str, path: str) -> httpx.Response:
    return await (person.get(path) if method == "GET" else person.post(path))


async def test_a_search_finds_by_login_and_reason_and_sorts(cast: Cast) -> None:
    """Everything else is left out; a half login is answered with a sentence and finds nothing by accident."""
    await put(cast, detail="of Alice, a few", count=2)
    await put(cast, **OF_BOB, detail="of Bob, many", count=2_000, reason="not_json")
    await put(cast, login="", inverter_id=None, topic="deye", detail="of nobody", reason="wrong_topic")

    by_login = await cast.ada.get(f"{LIST}?login=bbbbbbbbbb")
    by_reason = await cast.ada.get(f"{LIST}?reason=not_a_number")
    nobodys = await cast.ada.get(f"{LIST}?login={NO_LOGIN}")
    neither = await cast.ada.get(f"{LIST}?login=BBBBBBBBBB&reason=not_a_number")
    by_count = await cast.ada.get(f"{LIST}?sort=count")
    half = await cast.ada.get(f"{LIST}?login=BBB&sort=moon")

    assert ("of Bob" in by_login.text, "of Alice" in by_login.text) == (True, False)
    assert ("of Bob" in by_reason.text, "of Alice" in by_reason.text) == (False, True)
    assert ("of nobody" in nobodys.text, "of Bob" in nobodys.text) == (True, False)
    assert "Nothing is set aside for this search." in neither.text
    assert by_count.text.index("of Bob") < by_count.text.index("of Alice")
    assert "A login has ten letters and digits" in half.text


async def test_a_long_list_has_pages(cast: Cast) -> None:
    """The search goes with them; a page that is not there is not found."""
    for number in range(PAGE_SIZE + 5):
        await put(cast, topic=f"deye/x/{number:03}", last_seen_at=cast.portal.clock() - timedelta(minutes=number))

    first, second = (
        await cast.ada.get(f"{LIST}?reason=not_a_number"),
        await cast.ada.get(f"{LIST}?reason=not_a_number&page=2"),
    )
    beyond = await cast.ada.get(f"{LIST}?page=3")

    assert "Page 1 of 2" in first.text
    assert f"{LIST}?reason=not_a_number&amp;page=2" in first.text
    assert ("deye/x/000" in first.text, "deye/x/054" in first.text) == (True, False)
    assert ("deye/x/000" in second.text, "deye/x/054" in second.text) == (False, True)
    assert beyond.status_code == 404


@pytest.mark.parametrize("action", list(LetterAction))
async def test_one_kind_is_asked_for_by_its_own_login_topic_and_reason(cast: Cast, action: LetterAction) -> None:
    """The request names who asked, and the list shows that it waits for the bridge."""
    letter = await put(cast)

    answer = await cast.ada.post(f"{LIST}/{letter.id}/{action}")
    page = await cast.ada.get(LIST)

    (request,) = await requests(cast)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{LIST}#requests")
    assert (request.action, request.login, request.topic, request.reason) == (
        action, letter.login, letter.topic, letter.reason,
    )  # fmt: skip
    assert (request.source, request.account_id, request.state) == (
        RequestSource.PAGE, cast.ada.account_id, RequestState.WAITING,
    )  # fmt: skip
    assert "Waiting for the bridge" in page.text
    assert "ada@example.org" in page.text


async def test_a_kind_of_nobodys_is_not_taken_for_everybodys(cast: Cast) -> None:
    """An empty login in a request would mean any."""
    letter = await put(cast, login="", inverter_id=None, topic="…")

    await cast.ada.post(f"{LIST}/{letter.id}/purge")

    (request,) = await requests(cast)
    assert request.login == NO_LOGIN


async def test_a_search_is_asked_for_as_it_was_searched(cast: Cast) -> None:
    """Login and reason of the search and nothing else; fields and values that nobody offers are refused."""
    login = (await put(cast)).login

    fine = await cast.ada.post(f"{LIST}/purge", login=login.lower(), reason="not_a_number")
    wrong = [
        await cast.ada.post(f"{LIST}/purge", login="x"),
        await cast.ada.post(f"{LIST}/purge", reason="moonlight"),
        await cast.ada.post(f"{LIST}/purge", state="done"),
    ]

    (request,) = await requests(cast)
    assert fine.headers["location"] == f"{LIST}?login={login}&reason=not_a_number#requests"
    assert (request.action, request.login, request.reason, request.topic) == ("purge", login, "not_a_number", "")
    assert [answer.status_code for answer in wrong] == [422, 422, 422]


async def test_how_far_a_request_has_come_is_shown(cast: Cast) -> None:
    """Running with a bar, done with what became of it, failed with its sentence; who is gone has no name."""
    now = cast.portal.clock()
    async with cast.portal.parts.sessions.begin() as session:
        for state, counts in (
            (RequestState.RUNNING, (900, 340, 0, "")),
            (RequestState.DONE, (7, 7, 2, "1 more cannot be replayed")),
            (RequestState.FAILED, (5, 1, 0, f"4 originals have no outcome yet {NASTY}")),
        ):
            chosen, done, again, error = counts
            row = DeadLetterRequest(
                id=uuid4(), action=LetterAction.REPLAY, source=RequestSource.PAGE, requested_at=now, state=state
            )
            row.chosen, row.done, row.again, row.error = chosen, done, again, error
            session.add(row)

    part = await cast.ada.get(f"{LIST}/requests")

    assert '<progress max="900" value="340"' in part.text
    assert "7 messages taken up again, 2 of them set aside again." in part.text
    assert "1 more cannot be replayed" in part.text
    assert "Not finished. 1 message taken up again" in part.text
    assert NASTY not in part.text
    assert "an account that is gone" in part.text
    assert 'hx-get="/admin/dead-letters/requests"' in part.text


async def test_what_cannot_be_replayed_offers_no_replay(cast: Cast) -> None:
    """Cut, or only counted."""
    letter = await put(cast, kept=0)

    page = await cast.ada.get(f"{LIST}/{letter.id}")

    assert "Nothing of this can be replayed" in page.text
    assert f"{LIST}/{letter.id}/replay" not in page.text


async def test_a_request_outlives_the_account_that_made_it(cast: Cast) -> None:
    """What was done stays on record."""
    letter = await put(cast)
    await cast.ada.post(f"{LIST}/{letter.id}/purge")
    async with cast.portal.parts.sessions.begin() as session:
        await session.delete(await session.get(Account, cast.ada.account_id))

    (request,) = await requests(cast)

    assert request.account_id is None
