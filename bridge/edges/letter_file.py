"""Dead letters on the spool's SQLite file: originals (``letter``), and equal ones counted together (``trouble``).

Used by the spool's own thread alone, within its transactions. A trouble whose count is 0 is over: its row stays until
the copy for the pages has gone, so a crash in between leaves nothing behind.
"""

import sqlite3
import zlib
from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from bridge.edges import letter_tables
from bridge.kept import LETTER_RECORDS, KeptLetter, Letter, Tally
from bridge.refusals import Reason
from schema.letters import PayloadForm, plain
from schema.timeseries.line_protocol import from_milliseconds, milliseconds

# Beyond these a login's dead letters are only counted: outcome (e) of DESIGN 4.2.
LETTERS_PER_LOGIN = 1_000
LETTER_BYTES_PER_LOGIN = 4 * 1024**2
TROUBLES_PER_LOGIN = 200
OTHER_TOPICS = "…"
# What the pages are given of the newest payload.
LONGEST_SHOWN = 4_096
_LONGEST_RESPONSE = 300
# Originals of one login are kept at least this far apart, so that two of them never become one point.
_BURST_MS = 1_000


class LetterFile:
    """The tables on a connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        if letter_tables.prepare(connection):
            self._seal_all()

    def insert(self, letter: Letter) -> int:
        """Keep one within the transaction under way; its record number, 0 where the login has its cap of originals.

        Where a replay ended here, the originals themselves stay, under the new reason: what a cycle's refusal shows is
        less than the messages that made it. Where they are gone already, nothing happens.
        """
        if letter.replaces:
            again = sum(self._again(record - LETTER_RECORDS, letter) for record in letter.replaces)
            self.connection.execute("UPDATE letter_request SET again=again+?", (again,))
            return 0
        at_ms = self._apart(letter)
        return self._keep(letter, at_ms, self._count(letter, at_ms))

    def count(self, tally: Tally) -> None:
        """Count what is beyond a quota; no original is kept."""
        inverter, at_ms = tally.inverter_id.bytes if tally.inverter_id else None, milliseconds(tally.at)
        self.connection.execute(
            "INSERT INTO trouble (login, topic, reason, inverter, detail, payload, first_ms, last_ms, count, copied,"
            " version) VALUES (?,?,?,?,?,x'',?,?,?,0,1) ON CONFLICT (login, topic, reason) DO UPDATE SET"
            " inverter=excluded.inverter, detail=excluded.detail,"
            " first_ms=iif(count=0, excluded.first_ms, min(first_ms, excluded.first_ms)),"
            " last_ms=max(last_ms, excluded.last_ms), count=count+excluded.count, version=version+1",
            (tally.login, OTHER_TOPICS, tally.reason, inverter, tally.detail, at_ms, at_ms, tally.times),
        )

    def forget(self, records: Iterable[int]) -> None:
        """Drop originals that have become something better, by their record numbers."""
        self._drop([record - LETTER_RECORDS for record in records], counted=True)

    def expire(self, before_ms: int) -> int:
        """Drop originals and troubles that are older; how many originals."""
        found = self.connection.execute("SELECT id FROM letter WHERE at_ms<?", (before_ms,)).fetchall()
        self._drop([number for (number,) in found], counted=False)
        self.connection.execute(
            "UPDATE trouble SET count=0, payload=x'', version=version+1 WHERE last_ms<? AND count>0", (before_ms,)
        )
        self.connection.execute("DELETE FROM tally WHERE letters=0")
        return len(found)

    def originals(self, condition: str, parameters: Iterable[object], limit: int) -> tuple[list[KeptLetter], int]:
        """Whole originals in the order in which they came, and how many damaged ones were found among them."""
        found = self.connection.execute(
            "SELECT crc, id, login, inverter, topic, at_ms, payload, form, backlog FROM letter"  # noqa: S608
            f" WHERE whole=1 AND {condition} ORDER BY at_ms, id LIMIT {limit}",
            tuple(parameters),
        ).fetchall()
        sound: list[KeptLetter] = []
        damaged: list[int] = []
        for crc, number, login, inverter, topic, at_ms, payload, form, backlog in found:
            if _crc(topic, at_ms, payload) != crc:
                damaged.append(number)
                continue
            inverter_id = UUID(bytes=inverter) if inverter else None
            message = (login, inverter_id, topic, payload, from_milliseconds(at_ms), PayloadForm(form), bool(backlog))
            sound.append(KeptLetter(LETTER_RECORDS + number, *message))
        self.connection.executemany("UPDATE letter SET whole=0 WHERE id=?", ((number,) for number in damaged))
        return sound, len(damaged)

    def _apart(self, letter: Letter) -> int:
        """Its arrival, a little later where another of its login came at the same moment."""
        at_ms = milliseconds(letter.at)
        who = _who(letter.login, letter.inverter_id.bytes if letter.inverter_id else None)
        found = self.connection.execute("SELECT last_ms FROM tally WHERE login=?", (who,)).fetchone()
        return found[0] + 1 if found and 0 <= found[0] - at_ms < _BURST_MS else at_ms

    def _keep(self, letter: Letter, at_ms: int, shown_as: str) -> int:
        inverter = letter.inverter_id.bytes if letter.inverter_id else None
        who = _who(letter.login, inverter)
        kept = self.connection.execute("SELECT letters, bytes FROM tally WHERE login=?", (who,))
        letters, size = kept.fetchone() or (0, 0)
        if letters >= LETTERS_PER_LOGIN or size + len(letter.payload) > LETTER_BYTES_PER_LOGIN:
            return 0
        row = (letter.login, inverter, letter.topic, letter.reason, letter.detail, at_ms, letter.payload, letter.form)
        number = self.connection.execute(
            "INSERT INTO letter (login, inverter, topic, reason, detail, at_ms, payload, form, whole, backlog,"
            " shown_as, crc) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            (*row, _is_whole(letter), letter.backlog, shown_as, _crc(letter.topic, at_ms, letter.payload)),
        ).lastrowid
        self.connection.execute(
            "INSERT INTO tally (login, letters, bytes, last_ms) VALUES (?,1,?,?) ON CONFLICT (login) DO UPDATE SET"
            " letters=letters+1, bytes=bytes+excluded.bytes, last_ms=max(last_ms, excluded.last_ms)",
            (who, len(letter.payload), at_ms),
        )
        return LETTER_RECORDS + (number or 0)

    def _count(self, letter: Letter, at_ms: int) -> str:
        """Count it among its equals; the topic it is shown under."""
        inverter = letter.inverter_id.bytes if letter.inverter_id else None
        key = (letter.login, letter.topic, letter.reason)
        known = self.connection.execute("SELECT 1 FROM trouble WHERE login=? AND topic=? AND reason=?", key).fetchone()
        # Without a login there is one topic for each inverter, and nobody can invent inverters.
        if known is None and (letter.login or inverter is None):
            counted = self.connection.execute("SELECT count(*) FROM trouble WHERE login=?", (letter.login,))
            if counted.fetchone()[0] >= TROUBLES_PER_LOGIN:
                key = (letter.login, OTHER_TOPICS, letter.reason)
        size = letter.size or len(letter.payload)
        newest = (
            letter.detail,
            letter.payload[:LONGEST_SHOWN],
            size,
            letter.form,
            plain(letter.response)[:_LONGEST_RESPONSE],
        )
        self.connection.execute(
            "INSERT INTO trouble (login, topic, reason, inverter, detail, payload, size, form, response, first_ms,"
            " last_ms, count, copied, version) VALUES (?,?,?,?,?,?,?,?,?,?,?,1,0,1) ON CONFLICT (login, topic, reason)"
            " DO UPDATE SET inverter=excluded.inverter, detail=excluded.detail, payload=excluded.payload,"
            " size=excluded.size, form=excluded.form, response=excluded.response,"
            " first_ms=iif(count=0, excluded.first_ms, min(first_ms, excluded.first_ms)),"
            " last_ms=iif(count=0, excluded.last_ms, max(last_ms, excluded.last_ms)),"
            " count=count+1, version=version+1",
            (*key, inverter, *newest, at_ms, at_ms),
        )
        return key[1]

    def _again(self, number: int, letter: Letter) -> bool:
        """One original under the reason of ``letter`` and a new number; False where it is gone."""
        row = self.connection.execute(
            "SELECT login, topic, at_ms, payload, form, backlog, whole FROM letter WHERE id=?", (number,)
        ).fetchone()
        if row is None:
            return False
        login, topic, at_ms, payload, form, backlog, whole = row
        original = replace(
            letter,
            login=login,
            topic=topic,
            at=from_milliseconds(at_ms),
            payload=payload,
            size=0,
            whole=bool(whole),
            form=PayloadForm(form),
            backlog=bool(backlog),
        )
        self._drop([number], counted=True)
        self._keep(original, at_ms, self._count(original, at_ms))
        return True

    def _drop(self, numbers: Iterable[int], *, counted: bool) -> int:
        """Delete originals. ``counted`` says that their troubles count them no longer."""
        gone = 0
        for number in numbers:
            row = self.connection.execute(
                "SELECT login, inverter, shown_as, reason, length(payload) FROM letter WHERE id=?", (number,)
            ).fetchone()
            if row is None:
                continue
            gone += 1
            login, inverter, shown_as, reason, size = row
            self.connection.execute("DELETE FROM letter WHERE id=?", (number,))
            lighter = (size, _who(login, inverter))
            self.connection.execute("UPDATE tally SET letters=letters-1, bytes=bytes-? WHERE login=?", lighter)
            self.connection.execute(
                "UPDATE trouble SET count=max(0, count-?), version=version+1 WHERE login=? AND topic=? AND reason=?",
                (int(counted), login, shown_as, reason),
            )
        return gone

    def _seal_all(self) -> None:
        """Check sums for the originals of an older file."""
        found = self.connection.execute("SELECT id, topic, at_ms, payload FROM letter").fetchall()
        self.connection.executemany(
            "UPDATE letter SET crc=? WHERE id=?",
            [(_crc(topic, at, payload), number) for number, topic, at, payload in found],
        )


def _who(login: str, inverter: bytes | None) -> str:
    """Whose cap a letter counts for: a line out of the spool names its inverter and no login."""
    return login or (inverter.hex() if inverter else "")


def _is_whole(letter: Letter) -> bool:
    """Whether a replay would say what the message said. A line may be taken up only where the store refused it: any
    other refusal of a line was about who speaks, and a line does not tell that any more.
    """
    if not letter.whole:
        return False
    if letter.form is PayloadForm.LINE:
        return letter.reason is Reason.STORE_REFUSED
    return letter.form is PayloadForm.MESSAGE


def _crc(topic: str, at_ms: int, payload: bytes) -> int:
    """Over all that a replay goes by."""
    return zlib.crc32(payload, zlib.crc32(b"%b|%d|" % (topic.encode(), at_ms)))
