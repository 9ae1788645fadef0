"""What the computer tells about itself: room on the disk, versions, the size of files. No database."""

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from portal.versions import own_version

_LITTLE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Machine:
    """``free_bytes`` is where the data folder lies. ``spool_bytes`` is None where the bridge keeps it elsewhere."""

    version: str
    python: str
    system: str
    free_bytes: int | None
    total_bytes: int | None
    spool_bytes: int | None

    @property
    def disk_is_low(self) -> bool:
        """Less than a gigabyte is left, or a twentieth."""
        if self.free_bytes is None or self.total_bytes is None:
            return False
        return self.free_bytes < max(_LITTLE_BYTES, self.total_bytes // 20)


def look(data_dir: Path) -> Machine:
    """Blocks for a file system's answer: call it in a thread."""
    free = total = spool = None
    try:
        usage = shutil.disk_usage(data_dir)
        free, total = usage.free, usage.total
        # SQLite writes into the file beside it first.
        files = [data_dir / "spool.db", data_dir / "spool.db-wal"]
        spool = sum(os.stat(file).st_size for file in files if file.exists()) if files[0].exists() else None  # noqa: PTH116
    except OSError:
        pass
    return Machine(
        version=own_version(),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        free_bytes=free,
        total_bytes=total,
        spool_bytes=spool,
    )
