"""Logging for every process: structlog on standard error, one event per line, JSON or for people.

Event names are "subject.verb". Payloads and secrets are never logged; a field whose name sounds like one is blanked
all the same.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET = re.compile(r"password|secret|token|cookie|authorization|verifier|payload|_key$|^key$", re.IGNORECASE)
_BLANK = "[redacted]"


def _redacted(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank whatever must not be read in a log, however it got there."""
    for name in event:
        if name != "event" and _SECRET.search(name):
            event[name] = _BLANK
    return event


def configure(log_format: str, *, level: int = logging.INFO) -> None:
    """Set logging up, once per process. ``log_format`` is "json" or "console"; libraries' warnings pass through."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _redacted,
    ]
    renderer: list[Any]
    if log_format == "json":
        renderer = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Not structlog's default where rich is installed: that one prints local variables, secrets among them.
        plain = structlog.dev.plain_traceback
        renderer = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
