"""What of the children's lines a person wants to see: trouble and mail; everything on request.

Our own processes log one JSON object per line; uvicorn, the broker and tracebacks write plain text.
"""

import contextlib
import json
import re
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_NOT_SHOWN = frozenset({"event", "level", "timestamp", "logger"})
_BROKER_TROUBLE = re.compile(r"\b(error|warning|unable|failed|invalid|denied)\b", re.IGNORECASE)
_REMEMBERED_LINES = 20


def shown(child: str, text: str, *, verbose: bool = False) -> str | None:
    """The line for the screen, None for what nobody needs to see."""
    if text.startswith("{"):
        try:
            entry = json.loads(text)
        except ValueError:
            entry = None
        if isinstance(entry, dict):
            return _logged(child, entry, verbose=verbose)
    if not text.strip() or (not verbose and _is_routine(child, text)):
        return None
    return f"{child:<12} {text}"


def _logged(child: str, entry: dict[str, object], *, verbose: bool) -> str | None:
    level = str(entry.get("level", "info"))
    if not verbose and _LEVELS.get(level, 20) < _LEVELS["warning"]:
        return None
    details = " ".join(f"{name}={value}" for name, value in entry.items() if name not in _NOT_SHOWN)
    return f"{child:<12} {level:<8} {entry.get('event', '')} {details}".rstrip()


def _is_routine(child: str, text: str) -> bool:
    """Whether a plain line tells of nothing but ordinary work."""
    if child == "broker":
        return not _BROKER_TROUBLE.search(text)
    return text.startswith(("INFO:", "DEBUG:"))


def _print(text: str) -> None:
    """On a full disk, or where nobody reads any more, a line is lost and nothing else: whoever hands lines on here has
    to go on reading them, or the child that writes them stands still.
    """
    with contextlib.suppress(OSError):
        print(text, flush=True)


@dataclass(slots=True)
class Console:
    """Holds every line back until ``open``, so that the first two lines of the output are the two addresses."""

    verbose: bool = False
    write: Callable[[str], None] = _print
    _held: list[str] | None = field(default_factory=list)
    _last: dict[str, deque[str]] = field(default_factory=dict)

    def line(self, child: str, text: str) -> None:
        """A child has printed ``text``."""
        self._last.setdefault(child, deque(maxlen=_REMEMBERED_LINES)).append(text)
        if seen := shown(child, text, verbose=self.verbose):
            self.say(seen)

    def say(self, text: str) -> None:
        """Something for the person at the screen."""
        if self._held is None:
            self.write(text)
        else:
            self._held.append(text)

    def open(self, *first: str) -> None:
        """Print ``first``, then what was held back, and from now on everything at once."""
        held, self._held = self._held or [], None
        for text in (*first, *held):
            self.write(text)

    def complain(self, child: str) -> None:
        """The last lines of a child that keeps everything from starting, on standard error."""
        for line in self._last.get(child, ()):
            print(f"{child:<12} {line}", file=sys.stderr, flush=True)
