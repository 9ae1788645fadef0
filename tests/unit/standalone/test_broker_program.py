"""How the broker that was found keeps its state."""

import resource
from pathlib import Path

import pytest

from schema.broker_files import (
    PERSISTENCE_2_0,
    PERSISTENCE_2_1,
    SNAPSHOT,
    TemplateUnfilled,
    keeps_changes_one_by_one,
    render,
)
from standalone.broker_program import Persistence, persistence, raise_open_files
from tests.broker import TEMPLATES

pytestmark = pytest.mark.unit

PLUGIN = "mosquitto_persist_sqlite.so"


def program(folder: Path, version: str) -> Path:
    """A broker that only says what it is, installed below ``folder``."""
    path = folder / "sbin" / "mosquitto"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{version}'\necho more\nexit 1\n")
    path.chmod(0o755)
    return path


def plugin(folder: Path, place: str) -> str:
    """Its plugin, in one of the usual places."""
    path = folder / place / PLUGIN
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return str(path)


@pytest.mark.parametrize(
    ("version", "newer"),
    [
        ("mosquitto version 2.1.2", True),
        ("mosquitto version 2.1.0rc3", True),
        ("mosquitto version 3.0.0", True),
        ("mosquitto version 2.10.1", True),
        ("mosquitto version 2.0.22", False),
        ("mosquitto version 1.6.9", False),
        ("mosquitto", False),
        ("", False),
    ],
)
def test_the_version_decides_what_the_broker_can(version: str, *, newer: bool) -> None:
    """2.1 and newer have the plugin; who does not say is taken for an old one."""
    assert keeps_changes_one_by_one(version) is newer


@pytest.mark.parametrize("place", ["sbin", "lib", "plugins/persist-sqlite", "lib64/mosquitto"])
def test_the_plugin_is_looked_for_in_a_few_places_near_the_program(tmp_path: Path, place: str) -> None:
    """Beside it, in the lib beside its folder, in Mosquitto's source tree; anywhere else is not searched."""
    found = plugin(tmp_path, place)

    kept = persistence(program(tmp_path, "mosquitto version 2.1.2"), tmp_path / "state")

    if place.startswith("lib64"):
        assert kept.plugin != found
    else:
        assert kept == Persistence(PERSISTENCE_2_1, found)


def test_an_old_broker_and_one_that_has_a_snapshot_keep_snapshots(tmp_path: Path) -> None:
    """The plugin would start without the sessions and messages that lie in the snapshot."""
    new, old = (
        program(tmp_path / "new", "mosquitto version 2.1.2"),
        program(tmp_path / "old", "mosquitto version 2.0.11"),
    )
    plugin(tmp_path / "new", "sbin")
    plugin(tmp_path / "old", "sbin")
    state = tmp_path / "state"
    state.mkdir()
    before = persistence(new, state)
    (state / SNAPSHOT).write_bytes(b"")

    assert before.template == PERSISTENCE_2_1
    assert persistence(new, state) == Persistence(PERSISTENCE_2_0)
    assert persistence(old, tmp_path / "elsewhere") == Persistence(PERSISTENCE_2_0)
    assert persistence(tmp_path / "missing", tmp_path / "elsewhere") == Persistence(PERSISTENCE_2_0)


def test_the_plugin_has_its_line_or_the_template_is_refused() -> None:
    """A path of the plugin without a place for it, and a place without a path, are mistakes of ours."""
    snapshots, changes = ((TEMPLATES / name).read_text() for name in (PERSISTENCE_2_0, PERSISTENCE_2_1))
    whole = (TEMPLATES / "mosquitto.conf").read_text()

    text = render(whole + changes, port=1883, folder="/srv/broker", user="mosquitto", plugin="/lib/x.so")

    assert "global_plugin /lib/x.so\n" in text
    assert "@" not in "".join(line for line in text.splitlines() if not line.startswith("#"))
    with pytest.raises(TemplateUnfilled):
        render(whole + snapshots, port=1883, folder="/srv/broker", user="mosquitto", plugin="/lib/x.so")


def test_the_broker_may_open_as_many_files_as_the_system_allows() -> None:
    """And the answer is what really holds afterwards."""
    assert raise_open_files() == min(65_536, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
