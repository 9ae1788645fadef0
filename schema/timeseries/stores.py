"""The only place that chooses between the two store adapters.

Imports stand inside the functions where a home without InfluxDB should not pay for its clients: aiohttp takes 7 MB,
influxdb-client 16 MB and 0.25 s.
"""

from pathlib import Path

from schema.timeseries.embedded.eraser import EmbeddedEraser
from schema.timeseries.embedded.reader import EmbeddedReader
from schema.timeseries.embedded.writer import EmbeddedWriter
from schema.timeseries.kinds import StoreKind
from schema.timeseries.management import ReadingsCopier, ReadingsEraser, StoreFigures, StoreManager
from schema.timeseries.port import PointWriter, SeriesReader

_BUSY_TIMEOUT_S = 5.0


def open_writer(kind: StoreKind, *, path: Path, timeout_s: float = 10.0) -> PointWriter:
    """The writer of ``kind``; ``path`` is the embedded store's file, made now, and ``timeout_s`` bounds a write."""
    if kind is StoreKind.EMBEDDED:
        return EmbeddedWriter(path, busy_timeout_s=min(timeout_s, _BUSY_TIMEOUT_S))
    from schema.timeseries.influx2.writer import Influx2Writer  # noqa: PLC0415  # see the module's head

    return Influx2Writer(timeout_s=timeout_s)


def open_reader(kind: StoreKind, *, path: Path, timeout_s: float = 10.0) -> SeriesReader:
    """The reader of ``kind``; ``path`` is the embedded store's file, which a writer has made or will make."""
    if kind is StoreKind.EMBEDDED:
        return EmbeddedReader(path)
    from schema.timeseries.influx2.reader import Influx2Reader  # noqa: PLC0415  # see the module's head

    return Influx2Reader(timeout_s=timeout_s)


def open_manager(url: str, token: str) -> StoreManager:
    """The manager of one InfluxDB server, for the provisioner, with the operator token."""
    from schema.timeseries.influx2.manager import InfluxManager  # noqa: PLC0415  # see the module's head

    return InfluxManager(url, token)


def open_eraser(path: Path) -> ReadingsEraser:
    """Erases inverters from the embedded store's file, for the provisioner."""
    return EmbeddedEraser(path)


def open_figures(url: str) -> StoreFigures:
    """Asks one InfluxDB server how it is; no token is needed for it."""
    from schema.timeseries.influx2.figures import InfluxFigures  # noqa: PLC0415  # see the module's head

    return InfluxFigures(url)


def open_copier() -> ReadingsCopier:
    """Copies from one InfluxDB server to another, for the provisioner."""
    from schema.timeseries.influx2.copier import InfluxCopier  # noqa: PLC0415  # see the module's head

    return InfluxCopier()
