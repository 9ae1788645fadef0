"""What the spool's file holds, and whether it can be written: asked in the spool's own thread and transaction."""

from datetime import datetime

from bridge.edges.spool_file import SpoolFile
from bridge.observed import SpoolNow
from schema.timeseries.line_protocol import from_milliseconds, milliseconds

_PROBE = "CREATE TABLE IF NOT EXISTS probe (one INTEGER PRIMARY KEY CHECK (one = 1), at_ms INTEGER NOT NULL)"


def spool_state(file: SpoolFile, now: datetime, *, writing: bool) -> SpoolNow:
    """Its size and its oldest record. With ``writing`` one row is written too: the commit, and its fsync, is the test.

    ``lines`` stays 0: the lanes know how many there are, and counting millions would keep the spool from its work.
    """
    if writing:
        file.connection.execute(_PROBE)
        file.connection.execute("REPLACE INTO probe VALUES (1, ?)", (milliseconds(now),))
    raws, oldest = file.standing()
    age = None if oldest is None else max(0.0, (now - from_milliseconds(oldest)).total_seconds())
    return SpoolNow(raws=raws, size_bytes=file.size(), oldest_s=age)
