"""``python -m portal.collect_words [LANGUAGE]``: every sentence of code and templates into the catalogues.

For whoever translates, in a checkout (docs/translating.md). What was translated stays, what nobody says any more
goes, what is new waits with an empty translation. A LANGUAGE that has no catalogue yet gets one.
"""

import sys
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from babel.messages.catalog import Message
from babel.messages.frontend import CommandLineInterface
from babel.messages.pofile import read_po

from portal.words import CATALOGUES

_PROJECT = Path(__file__).parent.parent
_SHAPE = ["--no-wrap"]
_FILE = "LC_MESSAGES/messages.po"


def collect(catalogues: Path, language: str = "") -> None:
    """Bring every catalogue below the folder up to date, and begin that of ``language`` where there is none."""
    with TemporaryDirectory() as folder, chdir(_PROJECT):
        words = str(Path(folder) / "words.pot")
        _babel("extract", "-F", "pyproject.toml", "--add-location", "file", "--sort-output", *_SHAPE, "-o", words, ".")
        if language and not (catalogues / language / _FILE).exists():
            _babel("init", "-i", words, "-d", str(catalogues), "-l", language, *_SHAPE)
        rules = ["--no-fuzzy-matching", "--ignore-obsolete", "--ignore-pot-creation-date"]
        _babel("update", "-i", words, "-d", str(catalogues), *rules, *_SHAPE)


def waiting(catalogue: Path) -> Sequence[str]:
    """The sentences that have no translation yet."""
    with catalogue.open("rb") as source:
        return [_english(message) for message in read_po(source) if message.id and not _is_done(message)]


def _babel(*arguments: str) -> None:
    command: Any = CommandLineInterface()  # typed by nobody
    command.run(["pybabel", "-q", *arguments])


def _english(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def _is_done(message: Message) -> bool:
    texts = [message.string] if isinstance(message.string, str) else message.string
    return all(texts or [""]) and not message.fuzzy


def main() -> None:
    """The command."""
    collect(CATALOGUES, *sys.argv[1:2])
    for catalogue in sorted(CATALOGUES.glob(f"*/{_FILE}")):
        sys.stdout.write(f"{catalogue.relative_to(_PROJECT)}: {len(waiting(catalogue))} to translate\n")


if __name__ == "__main__":
    main()
