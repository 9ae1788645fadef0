"""Which language a page, a form's complaint, an error page and a mail are in."""

import re
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from portal.words import LANGUAGES
from schema.models import Account
from tests.people import PASSWORD, Cast, Person, the_cast
from tests.portal_app import RunningPortal, running_portal

pytestmark = pytest.mark.integration
GERMAN = {"accept_language": "de-AT,de;q=0.9,en;q=0.4"}
AMERICAN = {"accept_language": "en-US,en;q=0.9"}


@pytest.fixture
async def cast(tmp_path: Path) -> AsyncGenerator[Cast, None]:
    """Everybody at a portal of their own; none of them has chosen a language."""
    async with running_portal(tmp_path) as portal, the_cast(portal) as people:
        async with portal.parts.sessions.begin() as session:
            for person in (people.alice, people.ines):
                (await session.get_one(Account, person.account_id)).language = ""
        yield people


async def speaks(cast: Cast, language: str) -> None:
    """Alice has chosen ``language`` in her settings."""
    async with cast.portal.parts.sessions.begin() as session:
        (await session.get_one(Account, cast.alice.account_id)).language = language


def language_of(answer: httpx.Response) -> str:
    """What the page says about itself."""
    found = re.search(r'<html lang="([^"]+)"', answer.text)
    assert found
    return found[1]


@pytest.mark.parametrize("path", ["/login", "/signup", "/reset", "/no/such/page"])
async def test_a_stranger_is_spoken_to_as_the_browser_asks(portal: RunningPortal, path: str) -> None:
    """German for a German browser, English for everybody whose language we do not speak."""
    async with portal.browser() as http:
        german = await http.get(path, headers={"accept-language": "de"})
        japanese = await http.get(path, headers={"accept-language": "ja"})

    assert (language_of(german), language_of(japanese)) == ("de", "en")
    assert "Accept-Language" in german.headers["vary"]
    assert german.headers["cache-control"] == "no-store"
    assert "Anmelden" in german.text
    assert "Log in" not in german.text
    assert "Log in" in japanese.text


async def test_a_stranger_chooses_another_language_by_a_link_that_is_remembered(portal: RunningPortal) -> None:
    """The foot of the page links to itself in the other language and keeps the rest of the address."""
    async with portal.browser() as http:
        english = await http.get("/login?next=/inverters/new")
        link = re.search(r'href="([^"]*lang=de)"[^>]*>Deutsch<', english.text)
        assert link
        german = await http.get(link[1].replace("&amp;", "&"))
        later = await http.get("/signup")
        missing = await http.get("/no/such/page")

    assert 'name="next" value="/inverters/new"' in german.text
    assert {language_of(page) for page in (german, later, missing)} == {"de"}
    cookie = german.headers["set-cookie"]
    assert "lang=de" in cookie
    assert "HttpOnly" in cookie


@pytest.mark.parametrize("wanted", ["xx", "../../etc", "<script>alert(1)</script>", "de\r\nSet-Cookie: a=b", ""])
async def test_a_language_that_is_none_changes_nothing(portal: RunningPortal, wanted: str) -> None:
    """Neither the address nor the cookie can name anything but a language we speak."""
    async with portal.browser() as http:
        answer = await http.get("/login", params={"lang": wanted})
        cookie = await http.get("/login", headers={"cookie": "lang=xx"})

    assert language_of(answer) == language_of(cookie) == "en"
    assert "lang=" not in answer.headers.get("set-cookie", "")
    assert "<script>alert" not in answer.text


async def test_an_account_is_spoken_to_in_its_own_language(cast: Cast) -> None:
    """Whatever the browser and the address say; and after log-out the browser still is."""
    await speaks(cast, "de")

    page = await cast.alice.get("/?lang=en", **AMERICAN)
    await cast.alice.post("/logout")
    after = await cast.alice.get("/login", **AMERICAN)

    assert language_of(page) == language_of(after) == "de"
    assert "Wechselrichter hinzufügen" in page.text or "Hinzufügen" in page.text
    assert "hreflang" not in page.text


async def test_an_account_without_a_choice_follows_its_browser(cast: Cast) -> None:
    """Numbers and hours follow the country, too."""
    german = await cast.alice.get("/", **GERMAN)
    english = await cast.alice.get("/", **AMERICAN)

    assert (language_of(german), language_of(english)) == ("de", "en")
    assert 'data-formats="de-AT"' in german.text
    assert 'data-formats="en-US"' in english.text


async def test_the_language_is_chosen_in_the_settings(cast: Cast) -> None:
    """The next page speaks it; a language that is none is refused where it was chosen."""
    form = await cast.alice.get("/account")
    saved = await cast.alice.post("/account/profile", display_name="Alice", language="de")
    page = await cast.alice.get("/account")
    refused = await cast.alice.post("/account/profile", display_name="Alice", language="xx")

    assert all(f'<option value="{code}"' in form.text for code in LANGUAGES)
    assert saved.status_code == 303
    assert language_of(page) == "de"
    assert '<option value="de" lang="de" selected>' in page.text
    assert refused.status_code == 422
    assert 'id="language-error"' in refused.text


async def test_what_is_wrong_with_a_form_is_said_in_the_readers_language(cast: Cast) -> None:
    """Sentences of ours, of the form library and of the address library."""
    await speaks(cast, "de")

    serial = await cast.alice.post("/inverters", name="", serial="12")
    address = await cast.alice.post("/account/email", email="alice")

    assert "Bitte geben Sie ihm einen Namen" in serial.text
    assert "Eine Seriennummer hat 6 bis 32" in serial.text
    assert address.status_code == 422
    assert "Eine E-Mail-Adresse muss ein @ enthalten." in address.text


async def test_administration_and_programs_stay_english(cast: Cast) -> None:
    """Operators read English documents and logs; programs read codes and English details."""
    async with cast.portal.parts.sessions.begin() as session:
        account = await session.get_one(Account, cast.alice.account_id)
        account.language, account.is_admin = "de", True

    administration = await cast.alice.get("/admin", **GERMAN)
    problem = await cast.alice.get("/api/inverters", **GERMAN)

    assert language_of(administration) == "en"
    assert problem.status_code == 401
    assert problem.json()["detail"] == "A valid bearer token is needed."


async def test_mails_are_in_the_language_of_the_page_or_of_the_account(portal: RunningPortal, alice: Person) -> None:
    """A stranger gets what the page spoke; later the account's language counts, whoever asks."""
    alice.http.headers["accept-language"] = "de"
    await alice.post("/signup", email=alice.email, password=PASSWORD)
    await portal.mail_sent()
    confirmation = portal.bag.to(alice.email)[-1]
    async with portal.browser() as http:
        await Person("a stranger", http).post("/reset", email=alice.email)
    await portal.mail_sent()
    reset = portal.bag.to(alice.email)[-1]

    assert confirmation["Subject"] == "Adresse bestätigen"
    assert reset["Subject"] == "Neues Passwort setzen"
    text, page = reset.get_body(("plain",)), reset.get_body(("html",))
    assert text is not None
    assert page is not None
    assert "Hier können Sie ein neues Passwort setzen:" in text.get_content()
    assert '<html lang="de">' in page.get_content()
