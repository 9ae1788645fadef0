"""What the command prints: rows as text that changes nothing in a terminal. Pure."""

from collections.abc import Sequence
from datetime import datetime

from schema.letters import PayloadForm, plain, shown, title
from schema.models import DeadLetter, DeadLetterRequest, RequestState

ID_DIGITS = 8
_NOBODY = "-"
_FORMS = {
    PayloadForm.MESSAGE: "the message as it came",
    PayloadForm.LINE: "the line that was made of it",
    PayloadForm.VALUES: "the values of a cycle, put together from several messages",
}


def listing(letters: Sequence[DeadLetter], kinds: int) -> str:
    """A row and a sentence for each kind of messages set aside."""
    if not letters:
        return "Nothing is set aside."
    head = ("id", "login", "count", "kept", "first seen (UTC)", "last seen (UTC)", "reason")
    rows = [
        (
            letter.id.hex[:ID_DIGITS],
            letter.login or _NOBODY,
            str(letter.count),
            str(letter.kept),
            _time(letter.first_seen_at),
            _time(letter.last_seen_at),
            letter.reason,
        )
        for letter in letters
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [_row(head, widths)]
    for row, letter in zip(rows, letters, strict=True):
        lines += [_row(row, widths), f"  {plain(letter.topic)}", f"  {plain(letter.detail) or title(letter.reason)}"]
    if kinds > len(letters):
        lines.append(f"{kinds - len(letters)} more: --limit shows them.")
    return "\n".join(lines)


def one(letter: DeadLetter) -> str:
    """Everything about one kind, the newest payload included."""
    payload = shown(letter.payload, letter.payload_bytes)
    told = {
        "id": letter.id.hex,
        "login": letter.login or "nobody's",
        "inverter": str(letter.inverter_id or "none could be named"),
        "topic": plain(letter.topic),
        "reason": f"{letter.reason} ({title(letter.reason)})",
        "sentence": plain(letter.detail),
        "store said": plain(letter.response) or "nothing",
        "first seen": _time(letter.first_seen_at) + " UTC",
        "last seen": _time(letter.last_seen_at) + " UTC",
        "count": f"{letter.count} messages, {letter.kept} of them can be replayed",
        "payload": f"{_FORMS[PayloadForm(letter.form)]}, {payload.size} bytes",
    }
    lines = [f"{name:<11} {value}" for name, value in told.items()]
    lines += ["", payload.text or "(empty)"]
    if payload.missing:
        lines.append(f"… and {payload.missing} bytes more")
    return "\n".join(lines)


def asked(request: DeadLetterRequest, messages: int, kept: int) -> str:
    """What was just asked for."""
    meant = f"{kept} originals" if request.action == "replay" else f"{messages} messages"
    return f"Request {request.id.hex[:ID_DIGITS]}: {request.action} {meant}. The bridge carries it out while it runs."


def requests(rows: Sequence[tuple[DeadLetterRequest, str]]) -> str:
    """A line for each request, newest first."""
    if not rows:
        return "Nothing has been asked for."
    return "\n".join(
        f"{_time(request.requested_at)} UTC  {state(request)}  by {email or request.source}" for request, email in rows
    )


def state(request: DeadLetterRequest) -> str:
    """How far a request has come, in one line."""
    said = f"{request.id.hex[:ID_DIGITS]}  {request.action} {_meaning(request)}: {request.state}"
    if request.state != RequestState.WAITING:
        said += f", {request.done} of {request.chosen}"
    if request.again:
        said += f", {request.again} set aside again"
    return f"{said}. {plain(request.error)}".rstrip() if request.error else said


def _meaning(request: DeadLetterRequest) -> str:
    named = {"login": request.login, "topic": request.topic, "reason": request.reason, "inverter": request.inverter_id}
    return ", ".join(f"{name} {plain(str(value))}" for name, value in named.items() if value) or "all"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
