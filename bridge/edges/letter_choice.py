"""Which dead letters a request means, in the spool's file: how many, the next ones to replay, and their purge.

Used by the spool's own thread alone. A replay is bounded by the newest original at its beginning, so a message that
ends as a dead letter again is not taken up twice by the same request; the boundary outlives the process.
"""

from dataclasses import dataclass
from uuid import UUID

from bridge.edges.letter_file import LetterFile
from bridge.kept import LETTER_RECORDS, KeptLetter
from schema.letters import MOST_COUNTED, NO_LOGIN

_MOST_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Choice:
    """Empty fields mean any, ``NO_LOGIN`` those of nobody. ``topic`` is the one a trouble is shown under."""

    login: str = ""
    topic: str = ""
    reason: str = ""
    inverter_id: UUID | None = None

    def condition(self, *, topic_column: str) -> tuple[str, list[object]]:
        """As SQL, and its parameters."""
        asked: dict[str, object] = {
            "login": self.login,
            topic_column: self.topic,
            "reason": self.reason,
            "inverter": self.inverter_id.bytes if self.inverter_id else "",
        }
        named = {column: "" if value == NO_LOGIN else value for column, value in asked.items() if value}
        return " AND ".join([*(f"{column}=?" for column in named), "1"]), list(named.values())


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay has come. ``unfit`` originals are cut or were put together and cannot be replayed."""

    upto: int
    chosen: int
    left: int
    again: int
    unfit: int
    starts: int


def progress(file: LetterFile, request_id: UUID, choice: Choice, *, starting: bool = False) -> Progress:
    """How far the request has come; the first call decides what it means. ``starting`` counts a process's attempt."""
    condition, parameters = choice.condition(topic_column="shown_as")
    count = f"SELECT count(*) FROM letter WHERE whole=? AND id<=? AND {condition}"  # noqa: S608  # columns of ours
    found = file.connection.execute(
        "SELECT upto, chosen, again, starts FROM letter_request WHERE id=?", (request_id.bytes,)
    ).fetchone()
    if found is None:
        (upto,) = file.connection.execute("SELECT coalesce(max(id), 0) FROM letter").fetchone()
        (chosen,) = file.connection.execute(count, (1, upto, *parameters)).fetchone()
        found = (upto, chosen, 0, 0)
        # One request runs at a time; what another one left was never finished and is not asked for any more.
        file.connection.execute("DELETE FROM letter_request")
        file.connection.execute("INSERT INTO letter_request VALUES (?,?,?,0,0)", (request_id.bytes, upto, chosen))
    upto, chosen, again, starts = found
    if starting:
        starts += 1
        file.connection.execute("UPDATE letter_request SET starts=? WHERE id=?", (starts, request_id.bytes))
    (left,) = file.connection.execute(count, (1, upto, *parameters)).fetchone()
    (unfit,) = file.connection.execute(count, (0, upto, *parameters)).fetchone()
    return Progress(upto, chosen, left, again, unfit, starts)


def advanced(file: LetterFile, request_id: UUID) -> None:
    """The request comes on: its starts so far were not in vain."""
    file.connection.execute("UPDATE letter_request SET starts=0 WHERE id=?", (request_id.bytes,))


def finished(file: LetterFile, request_id: UUID) -> None:
    """Nothing more is to be known of a request."""
    file.connection.execute("DELETE FROM letter_request WHERE id=?", (request_id.bytes,))


def next_originals(file: LetterFile, choice: Choice, upto: int) -> tuple[list[KeptLetter], int]:
    """The next to replay, in the order in which they came, and how many damaged ones were found.

    All of a login's go together, so that a cycle is put together again from the messages that made it.
    """
    condition, parameters = choice.condition(topic_column="shown_as")
    condition = f"id<={upto} AND {condition}"
    logins: list[str] = []
    size = 0
    counts = file.connection.execute(
        f"SELECT login, count(*) FROM letter WHERE whole=1 AND {condition} GROUP BY login",  # noqa: S608  # ours
        parameters,
    )
    for login, count in counts:
        if logins and size + count > _MOST_AT_ONCE:
            break
        logins.append(login)
        size += count
    places = ",".join("?" * len(logins))
    return file.originals(f"login IN ({places}) AND {condition}", [*logins, *parameters], size)


def left_of(file: LetterFile, records: list[int]) -> int:
    """How many of these originals have no new outcome yet."""
    numbers = [record - LETTER_RECORDS for record in records]
    places = ",".join("?" * len(numbers))
    (count,) = file.connection.execute(
        f"SELECT count(*) FROM letter WHERE id IN ({places})",  # noqa: S608  # places alone
        numbers,
    ).fetchone()
    return int(count)


def meant(file: LetterFile, choice: Choice) -> int:
    """How many messages these letters stand for, kept or only counted, as far as a request's row can count them."""
    condition, parameters = choice.condition(topic_column="topic")
    (messages,) = file.connection.execute(
        f"SELECT coalesce(sum(count), 0) FROM trouble WHERE {condition}",  # noqa: S608  # columns of ours
        parameters,
    ).fetchone()
    return min(int(messages), MOST_COUNTED)


def purge(file: LetterFile, choice: Choice) -> int:
    """Drop originals and troubles for good; how many messages they stood for."""
    messages = meant(file, choice)
    condition, parameters = choice.condition(topic_column="shown_as")
    numbers = file.connection.execute(f"SELECT id FROM letter WHERE {condition}", parameters).fetchall()  # noqa: S608
    file.forget([LETTER_RECORDS + number for (number,) in numbers])
    condition, parameters = choice.condition(topic_column="topic")
    file.connection.execute(
        f"UPDATE trouble SET count=0, payload=x'', version=version+1 WHERE count>0 AND {condition}",  # noqa: S608
        parameters,
    )
    return messages
