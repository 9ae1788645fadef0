"""Every word an owner reads is in every catalogue: a new English sentence without its German fails here."""

import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from jinja2 import Environment

from bridge.refusals import SENTENCES as OF_THE_BRIDGE
from bridge.refusals import Reason, sentence
from portal.collect_words import collect
from portal.dashboard import labels
from portal.dead_letters import sentences
from portal.dead_letters.sentences import refused
from portal.words import CATALOGUES, LANGUAGES, SOURCE, chosen, install, speaking
from schema import letters
from schema.quantities import CATALOGUE, EXTRA_PREFIX

pytestmark = pytest.mark.unit
ROOT = Path(__file__).parents[3]
GERMAN = "de/LC_MESSAGES/messages.po"
OTHERS = [code for code in LANGUAGES if code != SOURCE]
_PLACE = re.compile(r"%\(\w+\)s|\{\}")


@cache
def collected() -> Catalog:
    """What a translator would collect, into a catalogue that knows no sentence yet."""
    with TemporaryDirectory() as folder:
        collect(Path(folder), "fr")
        with (Path(folder) / "fr/LC_MESSAGES/messages.po").open("rb") as source:
            return read_po(source)


@cache
def translated(code: str) -> Catalog:
    with (CATALOGUES / code / "LC_MESSAGES/messages.po").open("rb") as source:
        return read_po(source, locale=code)


def texts(message: Message) -> list[str]:
    """Each form of the translation."""
    return [message.string] if isinstance(message.string, str) else list(message.string or ())


def ids(message: Message) -> list[str]:
    """Each form of the English."""
    return [message.id] if isinstance(message.id, str) else list(message.id)


def all_of(code: str) -> list[Message]:
    return [message for message in translated(code) if message.id]


def test_there_is_a_language_beside_english() -> None:
    """Each is called by its own name."""
    assert LANGUAGES["de"] == "Deutsch"
    assert LANGUAGES["en"] == "English"


@pytest.mark.parametrize("code", OTHERS)
def test_every_sentence_of_code_and_templates_is_translated(code: str) -> None:
    """Nothing is missing, empty or only guessed; nothing lies about that nobody says any more."""
    wanted = {message.id for message in collected() if message.id}
    present = {message.id for message in all_of(code)}

    assert len(wanted) > 500
    assert wanted - present == set()
    assert present - wanted == set()
    assert [message.id for message in all_of(code) if message.fuzzy or not all(texts(message))] == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_has_the_places_and_the_edges_of_its_sentence(code: str) -> None:
    """A place less would be a value less, another one an error; parts of sentences are put together as they are."""
    for message in all_of(code):
        for text in texts(message):
            english = ids(message)[-1]
            assert sorted(_PLACE.findall(text)) == sorted(_PLACE.findall(english)), message.id
            assert (text[:1] == " ", text[-1:] == " ") == (english[:1] == " ", english[-1:] == " "), message.id


@pytest.mark.parametrize("code", OTHERS)
def test_a_catalogue_is_text(code: str) -> None:
    """Markup stands in templates: in a catalogue it would be shown as it is written."""
    for message in all_of(code):
        assert not re.search(r"<\w|&\w+;", "".join([*ids(message), *texts(message)])), message.id


def test_what_looks_like_html_in_a_catalogue_is_escaped() -> None:
    """A translator, or whoever sends a catalogue, cannot put a script into a page; values are escaped as ever."""
    pages = Environment(autoescape=True, extensions=["jinja2.ext.i18n"])
    install(pages)
    evil = "<script>alert(1)</script>"

    plain = pages.from_string("{{ _('" + evil + "') }}{% trans %}<b>{% endtrans %}").render()
    filled = pages.from_string(
        "{{ _('Delete %(name)s', name=name) }}{% trans name=name %}Delete {{ name }}{% endtrans %}"
    )

    assert "<" not in plain
    with speaking(chosen("de")):
        assert filled.render(name=evil) == 2 * "&lt;script&gt;alert(1)&lt;/script&gt; löschen"


def test_the_portal_knows_every_sentence_and_title_of_the_bridge() -> None:
    """The bridge keeps English; the portal translates by the code, so both must say the same."""
    assert {reason.value: text for reason, text in OF_THE_BRIDGE.items()} == sentences.SENTENCES
    assert sentences.TITLES == letters.TITLES


@pytest.mark.parametrize("reason", list(Reason))
def test_a_refusal_is_told_in_german_with_what_was_found(reason: Reason) -> None:
    """The name or number out of the message stays as it was sent, whatever it looks like."""
    for subject in ("deye/K7M2QX9ABC/x", "%s {} <b>", ""):
        english = sentence(reason, subject)

        with speaking(chosen("de")):
            said = refused(reason, english)

        assert said != english
        assert "{}" in OF_THE_BRIDGE[reason] or subject == "" or subject not in said
        assert "{}" not in OF_THE_BRIDGE[reason] or subject in said
    assert refused(reason, english) == english


def test_a_refusal_that_is_said_otherwise_is_told_by_its_title() -> None:
    """A bridge of another version, or a sentence that was cut: no English in a German page, and no empty place."""
    with speaking(chosen("de")):
        assert refused("not_json", "Something new.") == "Kein JSON-Dokument."
        assert refused("a_new_reason", "Something new.") == "Something new."
        assert refused("too_fast", sentence(Reason.TOO_FAST, "200 messages a second")).startswith(
            "Der Zugang sendet mehr als 200 Nachrichten je Sekunde."
        )


def test_every_quantity_and_state_has_a_label_in_the_catalogues() -> None:
    """Labels are made of names; the list of them for translators is complete and has nothing else."""
    made = {re.sub(r"\b(PV|L)\d+\b", r"\1%(number)s", labels.label_of(name)) for name in CATALOGUE}
    states = {code for quantity in CATALOGUE.values() for code in quantity.codes}

    assert made == set(labels.LABELS)
    assert states == set(labels.STATES)
    with speaking(chosen("de")):
        assert labels.label_of("dc_pv2_power") == "DC PV2 Leistung"
        assert labels.label_of(f"{EXTRA_PREFIX}my_own_thing") == "My own thing"


def test_the_translators_command_keeps_what_is_there_and_begins_a_new_language(tmp_path: Path) -> None:
    """Run in a copy of the checkout: German is as it was, French waits for every sentence and is a language at once."""
    ignored = shutil.ignore_patterns("__pycache__", "vendor")
    shutil.copytree(ROOT / "portal", tmp_path / "portal", ignore=ignored)
    shutil.copytree(ROOT / "schema", tmp_path / "schema", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    command = [sys.executable, "-m", "portal.collect_words", "fr"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    asked = [sys.executable, "-c", "from portal.words import LANGUAGES; print(LANGUAGES['fr'])"]
    name = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert (tmp_path / "portal/locale" / GERMAN).read_text() == (CATALOGUES / GERMAN).read_text()
    assert "portal/locale/de/LC_MESSAGES/messages.po: 0 to translate\n" in said
    assert f"portal/locale/fr/LC_MESSAGES/messages.po: {len(all_of('de'))} to translate\n" in said
    assert name == "Français\n"
