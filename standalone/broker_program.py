"""What the broker found on this computer can do: how it keeps its state, and how many files it may open.

2.1 keeps sessions and queue in SQLite where its plugin is found; a broker that has a snapshot of 2.0 goes on with
snapshots, for the plugin would start without the sessions and messages in it (Mosquitto's own
``migrate_to_persist_sqlite.py`` takes them over).
"""

import contextlib
import resource
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from schema.broker_files import PERSISTENCE_2_0, PERSISTENCE_2_1, SNAPSHOT, keeps_changes_one_by_one

_PLUGIN = "mosquitto_persist_sqlite.so"
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/homebrew/lib")
_MOST_FILES = 65_536
_ANSWER_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Persistence:
    """The template's name and, for 2.1, the plugin's path."""

    template: str
    plugin: str = ""


def persistence(program: Path | str, folder: Path) -> Persistence:
    """How ``program`` is to keep its state in ``folder``."""
    if not keeps_changes_one_by_one(version(program)) or (folder / SNAPSHOT).exists():
        return Persistence(PERSISTENCE_2_0)
    plugin = next(_plugins(Path(program)), None)
    return Persistence(PERSISTENCE_2_1, str(plugin)) if plugin else Persistence(PERSISTENCE_2_0)


def version(program: Path | str) -> str:
    """How the broker calls itself, empty where it does not say."""
    try:
        asked = subprocess.run([program, "-h"], check=False, capture_output=True, text=True, timeout=_ANSWER_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.partition("\n")[0]


def _plugins(program: Path) -> Iterator[Path]:
    """The plugin beside the program, in Mosquitto's source tree, where its own package puts it, where systems do."""
    here = program.resolve().parent
    yield from (path for path in (here / _PLUGIN, here.parent / "plugins" / "persist-sqlite" / _PLUGIN) if _is(path))
    for library in (str(here.parent / "lib"), *_LIBRARIES):
        with contextlib.suppress(OSError):
            yield from (path for path in (Path(library) / _PLUGIN, *Path(library).glob(f"*/{_PLUGIN}")) if _is(path))


def _is(path: Path) -> bool:
    return path.is_file()


def raise_open_files() -> int:
    """Let this process and its children open as many files as the system allows; returns how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return min(_MOST_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
