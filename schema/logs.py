"""Logging for every process: structlog on standard error, one event per line, JSON or for people.

Event names are "subject.verb". Payloads and secrets are never logged; a field whose name sounds like one is blanked
all the same, and so is what looks like one in any text (``schema.scrubbing``). What nobody caught, warnings and
records that cannot be formatted come out as lines of the same kind.
"""

import asyncio
import contextlib
import logging
import math
import re
import sys
import threading
from collections.abc import Iterable, Mapping, MutableMapping
from types import TracebackType
from typing import Any, TextIO, cast

import structlog

from schema.scrubbing import BLANK, hide, scrubbed

_log = structlog.get_logger(__name__)

_SECRET = re.compile(r"password|secret|token|cookie|authorization|verifier|payload|_key$|^key$", re.IGNORECASE)


def _redacted(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank whatever must not be read in a log, however it got there; what is left is JSON's own types."""
    for name, value in event.items():
        event[name] = BLANK if name != "event" and _SECRET.search(name) else _plain(value)
    return event


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        # JSON knows no such numbers.
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        named = ((str(name), entry) for name, entry in value.items())
        return {name: BLANK if _SECRET.search(name) else _plain(entry) for name, entry in named}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(entry) for entry in value]
    return scrubbed(value if isinstance(value, str) else repr(value))


def configure(log_format: str, *, level: int = logging.INFO, hidden: Iterable[str] = ()) -> None:
    """Set logging up, once per process. ``log_format`` is "json" or "console"; libraries' warnings pass through.

    ``hidden`` are the process's own secrets: they are blanked wherever they turn up.
    """
    hide(hidden)
    stream = cast("TextIO", _Lossy(sys.stderr))
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # structlog's own, on both ways: the one for people prints local variables where rich is installed.
        structlog.processors.format_exc_info,
    ]
    if log_format == "json":
        renderer: Any = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[*shared, _redacted, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    handler = _Handler(stream)
    handler.addFilter(_is_a_fault)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redacted, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    logging.captureWarnings(capture=True)
    _catch_the_rest()


def _is_a_fault(record: logging.LogRecord) -> bool:
    """A process that stops cancels what it is doing: SQLAlchemy calls that an error and replaces a connection."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


class _Lossy:
    """A stream that cannot be written (a file on a full disk, a pipe nobody reads) costs its lines and nothing else:
    what is logged then is trouble already, and whoever says so has to go on.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


class _Handler(logging.StreamHandler[Any]):
    """A record that cannot be formatted is a line too, not a traceback between the lines."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's own name
        """Say so, without the record's arguments."""
        _log.error("log.unformatted", logger=record.name, file=record.pathname, line=record.lineno)


def _catch_the_rest() -> None:
    """What reaches the interpreter goes through the same lines: a collector reads nothing else, and nothing leaks."""

    def died(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        _log.critical("process.died", exc_info=(kind, error, trace))

    def thread_died(fault: threading.ExceptHookArgs) -> None:
        name = fault.thread.name if fault.thread else ""
        error = fault.exc_value or fault.exc_type()
        _log.critical("thread.died", thread=name, exc_info=(fault.exc_type, error, fault.exc_traceback))

    def unraisable(fault: Any) -> None:
        _log.error("process.unraisable", exc_info=fault.exc_value or True, detail=fault.err_msg or "")

    sys.excepthook, threading.excepthook, sys.unraisablehook = died, thread_died, unraisable
