"""A person at a browser without scripts: reads pages, fills in forms that stand there, clicks the links in mails."""

import email
import email.policy
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx

_SECRET = re.compile(r"\b[A-Z2-7]{4}(?:-[A-Z2-7]{4}){7}\b")
_LOGIN = re.compile(r"deye/([2-9A-HJKMNP-TV-Z]{10})\b")
_LINK = re.compile(r"https?://\S+")
T = TypeVar("T")


def wait_for(look: Callable[[], T | None], *, seconds: float, what: str) -> T:
    """The first thing ``look`` finds, looked for every 20 ms; fails saying what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Form:
    """A form as it stands in the page: where it goes and what is in it already."""

    action: str
    method: str
    fields: dict[str, str]


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._inside: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = Form(values.get("action", ""), values.get("method", "get").lower(), {})
            self.forms.append(self._inside)
        elif self._inside and tag in ("input", "select", "textarea", "button") and values.get("name"):
            self._inside.fields[values["name"]] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = None


@dataclass(frozen=True, slots=True)
class Pairing:
    """What the pairing page shows once."""

    page: str
    login: str
    secret: str


class Visitor:
    """One person with cookies of their own, at one portal."""

    def __init__(self, base_url: str) -> None:
        self.http = httpx.Client(base_url=base_url, follow_redirects=True, timeout=20)
        # A client of its own: the cookie jar of the pages must not prove anything to the API.
        self._programs = httpx.Client(base_url=base_url, timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
        self._programs.close()

    def fill(self, page: str, **typed: str) -> httpx.Response:
        """Open ``page``, type into the form that has these fields, send it."""
        shown = self.http.get(page)
        forms = _Forms()
        forms.feed(shown.text)
        fitting = [form for form in forms.forms if form.method == "post" and typed.keys() <= form.fields.keys()]
        assert fitting, f"{page} ({shown.status_code}) has no form with {sorted(typed)}"
        form = fitting[0]
        return self.http.post(httpx.URL(str(shown.url)).join(form.action or str(shown.url)), data=form.fields | typed)

    def press(self, page: str, action: str) -> httpx.Response:
        """Open ``page`` and press the button of the form that leads to ``action``."""
        shown = self.http.get(page)
        forms = _Forms()
        forms.feed(shown.text)
        form = next(form for form in forms.forms if form.method == "post" and re.search(action, form.action))
        return self.http.post(httpx.URL(str(shown.url)).join(form.action), data=form.fields)

    def sign_up(self, address: str, password: str, outbox: Path) -> None:
        """Sign up, follow the link of the mail, confirm, log in."""
        assert self.fill("/signup", email=address, password=password).status_code == 200
        link = mailed_link(outbox, address)
        assert self.press(link, "verify").status_code == 200
        assert self.fill("/login", email=address, password=password).status_code == 200
        answer = self._programs.post("/auth/jwt/login", data={"username": address, "password": password})
        self._programs.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def api(self, path: str) -> httpx.Response:
        """Ask the API with a bearer token instead of the cookie."""
        return self._programs.get(path)

    def add_inverter(self, name: str, serial: str) -> Pairing:
        """Add an inverter and note what its pairing page shows."""
        shown = self.fill("/inverters/new", name=name, serial=serial)
        assert shown.status_code == 200, shown.text
        secret, login = _SECRET.search(shown.text), _LOGIN.search(shown.text)
        assert secret, "the pairing page shows no secret"
        assert login, "the pairing page shows no login"
        return Pairing(page=str(shown.url.path), login=login[1], secret=secret[0])


def mailed_link(outbox: Path, address: str) -> str:
    """The link in the newest mail to ``address``, waited for."""

    def newest() -> str | None:
        for file in sorted(outbox.glob("*.eml"), reverse=True):
            mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            if address in str(mail["To"]):
                body = mail.get_body(("plain",))
                assert body is not None
                link = _LINK.search(body.get_content())
                return link[0] if link else None
        return None

    return wait_for(newest, seconds=10, what=f"a mail to {address} in {outbox}")
