"""The words of pages and mails in the reader's language: which languages there are, and a sentence in one of them.

English is the language of the source; every folder in ``locale/`` adds one. Its ``messages.po`` is compiled in memory
when the portal starts, so nothing generated lies beside it. Who reads stands in a context variable: the layer in
``spoken`` sets it for a page, everything else (API, commands, logs) speaks English. No HTTP here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from babel import Locale, UnknownLocaleError, negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from jinja2 import Environment, pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import escape

SOURCE = "en"
CATALOGUES = Path(__file__).parent / "locale"
_FILE = "LC_MESSAGES/messages.po"
# Formats of a language without a country; English ones are European: 24 hours, the day before the month.
_USUAL = {"en": "en-GB"}
_MOST_WISHES = 20
_LONGEST_TAG = 12


def _languages() -> dict[str, str]:
    folders = (path.parent.parent.name for path in CATALOGUES.glob(f"*/{_FILE}"))
    found = {code: Locale.parse(code, sep="-") for code in (SOURCE, *(name.replace("_", "-") for name in folders))}
    return {code: (found[code].display_name or code).capitalize() for code in sorted(found)}


LANGUAGES = _languages()
"""Code and own name of every language the portal speaks: ``{"de": "Deutsch", "en": "English"}``."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader's language, and the tag whose numbers, dates and hours are used: ``de`` with ``de-AT``."""

    language: str = SOURCE
    formats: str = _USUAL[SOURCE]


_ENGLISH = Reader()
_reader: ContextVar[Reader] = ContextVar("portal.reader", default=_ENGLISH)


def reader() -> Reader:
    """Who reads what is being written now."""
    return _reader.get()


@contextmanager
def speaking(to: Reader) -> Iterator[None]:
    """Within the block every sentence is in that reader's language."""
    token = _reader.set(to)
    try:
        yield
    finally:
        _reader.reset(token)


def reader_of(language: str) -> Reader:
    """Somebody of whom only the language is known, for mails; without one, whoever reads now."""
    if language not in LANGUAGES or language == reader().language:
        return reader()
    return Reader(language, _USUAL.get(language, language))


def chosen(*wanted: str, accept_language: str = "") -> Reader:
    """The first of ``wanted`` that we speak, else the best of an Accept-Language header, else English.

    The header also tells the country whose formats are used, where it names one for that language.
    """
    wishes = _wishes(accept_language)
    language = next((code for code in wanted if code in LANGUAGES), None)
    if language is None:
        found = negotiate_locale(wishes, LANGUAGES, sep="-", aliases={})
        language = next((code for code in LANGUAGES if found and code.lower() == found.lower()), SOURCE)
    tags = (tag for tag in wishes if "-" in tag and tag.partition("-")[0].lower() == language.partition("-")[0])
    formats = next((tag for tag in tags if _is_known(tag)), _USUAL.get(language, language))
    return Reader(language, formats)


def _wishes(accept_language: str) -> list[str]:
    """The tags of the header, best first; nonsense is left out."""
    weighed: list[tuple[float, str]] = []
    for part in accept_language.split(",")[:_MOST_WISHES]:
        tag, _sep, weight = part.strip().partition(";q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        if quality > 0 and 0 < len(tag) <= _LONGEST_TAG:
            weighed.append((quality, tag.strip()))
    return [tag for _quality, tag in sorted(weighed, key=lambda wish: -wish[0])]


def _is_known(tag: str) -> bool:
    try:
        locale_of(tag)
    except (ValueError, UnknownLocaleError):
        return False
    return True


def locale_of(formats: str) -> Locale:
    """The CLDR's formats for a tag. Raises ``ValueError`` or ``UnknownLocaleError``."""
    return Locale.parse(_USUAL.get(formats, formats), sep="-")


@cache
def _catalogue(language: str) -> NullTranslations:
    path = CATALOGUES / language.replace("-", "_") / _FILE
    if not path.is_file():
        return NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as source:
        write_mo(compiled, read_po(source, locale=path.parent.parent.name))
    compiled.seek(0)
    return Translations(compiled)


def load() -> None:
    """Read every catalogue now, so that a broken one stops the start and no request waits for it."""
    for language in LANGUAGES:
        _catalogue(language)


def _(sentence: str, /, **values: object) -> str:
    """The sentence in the reader's language; ``%(name)s`` in it stands for the value of that name."""
    # gettext answers the empty sentence with the catalogue's head.
    text = _catalogue(reader().language).ugettext(sentence) if sentence else ""
    return text % values if values else text


def ngettext(one: str, many: str, number: int, /, **values: object) -> str:
    """``one`` or ``many`` as the reader's language counts; ``%(num)s`` is the number unless a value says otherwise."""
    text = _catalogue(reader().language).ungettext(one, many, number)
    return text % {"num": number, **values}


def N_(sentence: str) -> str:  # noqa: N802  # the name that gettext's tools look for
    """Marks a sentence of a table for the catalogues; ``_`` translates it where it is shown."""
    return sentence


def install(pages: Environment) -> None:
    """Give templates ``_`` and ``{% trans %}``. A catalogue is text: what looks like HTML in it is escaped."""

    @pass_eval_context
    def translated(context: EvalContext, sentence: str) -> str:
        return _safe(context, _(sentence))

    @pass_eval_context
    def counted(context: EvalContext, one: str, many: str, number: int) -> str:
        return _safe(context, _catalogue(reader().language).ungettext(one, many, number))

    i18n: Any = pages  # the extension adds these two at run time
    i18n.policies["ext.i18n.trimmed"] = True
    i18n.install_gettext_callables(translated, counted, newstyle=True)
    pages.globals["reader"] = reader


def _safe(context: EvalContext, text: str) -> str:
    return str(escape(text)) if context.autoescape else text
