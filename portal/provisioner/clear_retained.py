"""``python -m portal.provisioner.clear_retained``: throw every retained message of a stopped Mosquitto 2.1 away.

No login of ours may write below others' names, so nobody can clear what a hostile one has retained by publishing; and
a user who could would speak for everybody. Retained messages are no readings and publishers send them again. Mosquitto
2.0 keeps a snapshot of its own form, which this program leaves alone.
"""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from schema.settings import ProvisionerSettings, SettingsInvalid, load

STATE = "mosquitto.sqlite3"
_PATIENCE_S = 2.0


class NoState(Exception):
    """There is nothing to clear."""


class BrokerRuns(Exception):
    """Its state must not be changed under its hands."""


def clear(state: Path) -> int:
    """How many were thrown away; messages that wait for a client stay.

    Raises ``NoState``, ``BrokerRuns`` and ``sqlite3.Error``.
    """
    if not state.exists():
        raise NoState(f"{state} is not there: this broker keeps no SQLite file (Mosquitto 2.0 does not).")
    with closing(sqlite3.connect(f"file:{state}?mode=rw", uri=True, timeout=_PATIENCE_S)) as file:
        try:
            file.execute("PRAGMA locking_mode=EXCLUSIVE")
            file.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as fault:
            raise BrokerRuns(str(fault)) from fault
        gone = file.execute("DELETE FROM retains").rowcount
        file.execute("DELETE FROM base_msgs WHERE store_id NOT IN (SELECT store_id FROM client_msgs)")
        file.commit()
    return gone


def main() -> int:
    """Exit status 0 when they are gone, 1 with one sentence where they are not."""
    try:
        gone = clear(load(ProvisionerSettings).broker_dir / STATE)
    except (SettingsInvalid, NoState, sqlite3.Error) as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    except BrokerRuns:
        sys.stderr.write("The broker runs: stop it first.\n")
        return 1
    sys.stdout.write(f"{gone} retained messages thrown away.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
