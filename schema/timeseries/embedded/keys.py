"""The small tables beside the embedded store's rows: keys of inverters and extra names, columns seen. Writer only."""

import sqlite3
from collections.abc import KeysView
from uuid import UUID

from schema.quantities import MAX_EXTRA_PER_INVERTER
from schema.timeseries.port import Destination, StoreMisconfigured

ERASED = b""
"""The owner of an inverter that was erased."""


class Keys:
    """Looks keys up once and makes missing ones inside the open transaction.

    What a rolled-back transaction made is not in the file: throw the object away with the connection. What another
    connection has changed is not in the object: throw it away too (``PRAGMA data_version``).
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Keys of the file behind ``connection``."""
        self._connection = connection
        self._inverters: dict[UUID, tuple[int, UUID]] = {}
        self._extras: dict[int, dict[str, int]] = {}
        self._seen: dict[int, set[str]] = {}

    def inverter(self, destination: Destination) -> int:
        """The inverter's key. An inverter never changes its owner (resale makes a new one), so another owner's name on
        it is a mixed-up row of the registry: ``StoreMisconfigured`` 403, as InfluxDB answers a foreign token; and 404
        for one that was erased.
        """
        known = self._inverters.get(destination.inverter_id)
        if known is None:
            known = self._inverters[destination.inverter_id] = self._look_up(destination)
        key, owner_id = known
        if owner_id != destination.owner_id:
            raise StoreMisconfigured("this inverter belongs to another owner", status=403)
        return key

    def _look_up(self, destination: Destination) -> tuple[int, UUID]:
        inverter = destination.inverter_id.bytes
        self._connection.execute(
            "INSERT OR IGNORE INTO inverter (inverter, owner) VALUES (?, ?)", (inverter, destination.owner_id.bytes)
        )
        query = "SELECT id, owner FROM inverter WHERE inverter = ?"
        key, owner = self._connection.execute(query, (inverter,)).fetchone()
        if owner == ERASED:
            raise StoreMisconfigured("this inverter was erased", status=404)
        return key, UUID(bytes=owner)

    def see(self, inverter: int, columns: KeysView[str]) -> None:
        """Note the columns an inverter fills for the first time."""
        seen = self._seen.get(inverter)
        if seen is None:
            rows = self._connection.execute("SELECT name FROM seen WHERE inverter = ?", (inverter,))
            seen = self._seen[inverter] = {name for (name,) in rows}
        if not columns <= seen:
            new = columns - seen
            self._connection.executemany("INSERT INTO seen VALUES (?, ?)", [(inverter, name) for name in new])
            seen |= new

    def extra_name(self, inverter: int, name: str) -> int | None:
        """The key of an inverter's extra name, None for one more than ``MAX_EXTRA_PER_INVERTER``."""
        names = self._extras.get(inverter)
        if names is None:
            query = "SELECT name, id FROM extra_name WHERE inverter = ?"
            names = self._extras[inverter] = dict(self._connection.execute(query, (inverter,)))
        if name not in names:
            if len(names) >= MAX_EXTRA_PER_INVERTER:
                return None
            insert = "INSERT INTO extra_name (inverter, name) VALUES (?, ?) RETURNING id"
            names[name] = self._connection.execute(insert, (inverter, name)).fetchone()[0]
        return names[name]
