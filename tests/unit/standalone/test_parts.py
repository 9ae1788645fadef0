"""What standalone decides before and while it runs: ports, secrets, environment, lines, reloads."""

import os
import socket
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from standalone import checks, demo_file, greeting, secrets_file
from standalone.broker_setup import choose_user
from standalone.children import ending
from standalone.console import Console, shown
from standalone.parent import interrupted
from standalone.plan import CannotStart, Plan, environment, port
from standalone.reload import DEBOUNCE_S, ReloadRule

pytestmark = pytest.mark.unit
PLAN = Plan(data_dir=Path("/srv/deye"), portal_port=8000, mqtt_port=1883, bridge_port=40001, host="192.0.2.7")


def test_ports_come_from_the_environment_and_nonsense_is_named() -> None:
    """Unset and empty mean the default; anything else must be a port."""
    assert port({}, "MQTT_PORT", 1883) == 1883
    assert port({"MQTT_PORT": ""}, "MQTT_PORT", 1883) == 1883
    assert port({"MQTT_PORT": "0"}, "MQTT_PORT", 1883) == 0
    for wrong in ("x", "-1", "65536", "1883 "):
        with pytest.raises(CannotStart, match="MQTT_PORT"):
            port({"MQTT_PORT": wrong}, "MQTT_PORT", 1883)


def test_a_taken_port_is_one_clear_sentence() -> None:
    """It names the port, what it is for and the variable to set."""
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        number = taken.getsockname()[1]

        with pytest.raises(CannotStart, match=rf"Port {number} for the broker is taken: set MQTT_PORT"):
            checks.kept_port(number, "MQTT_PORT", "the broker")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no port that two may bind")
def test_a_kept_port_is_a_servers_again_and_again_and_nobody_elses() -> None:
    """A broker that starts anew finds its port; without the keeper a client's outgoing connection may sit on it."""
    number = checks.kept_port(0, "MQTT_PORT", "the broker")

    for _ in range(2):
        with socket.create_server(("0.0.0.0", number)), socket.create_connection(("127.0.0.1", number)):
            pass
    with socket.socket() as client, pytest.raises(OSError, match="in use"):
        client.bind(("127.0.0.1", number))


def test_a_missing_broker_is_named_with_the_command_for_three_systems(tmp_path: Path) -> None:
    """Debian, Fedora and macOS; and the places outside PATH are looked into."""
    with pytest.raises(CannotStart, match=r"apt-get install mosquitto.*dnf install mosquitto.*brew install mosquitto"):
        checks.mosquitto(str(tmp_path), places=())
    program = tmp_path / "mosquitto"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)

    assert checks.mosquitto("", places=(str(tmp_path),)) == str(program)


def test_an_old_python_is_named() -> None:
    """What is needed, and what this is."""
    checks.python((3, 11))
    with pytest.raises(CannotStart, match=r"Python 3\.11 or newer is needed; this is 3\.9"):
        checks.python((3, 9))


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file in its place is the case that even root cannot write to."""
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotStart, match="set DATA_DIR"):
        checks.data_dir(tmp_path / "file" / "data")
    checks.data_dir(tmp_path / "new" / "data")

    assert stat.S_IMODE((tmp_path / "new" / "data").stat().st_mode) & 0o066 == 0


def test_secrets_are_made_once_and_never_changed(tmp_path: Path) -> None:
    """Only their owner may read them; what a person has put there stays."""
    path = tmp_path / "secrets.env"
    path.write_text("# mine\nAUTH_SECRET=kept-as-it-is")

    first = secrets_file.complete(path)
    second = secrets_file.complete(path)

    assert first == second
    assert first["AUTH_SECRET"] == "kept-as-it-is"
    assert set(first) == {"AUTH_SECRET", "TOKEN_KEY", "BRIDGE_MQTT_PASSWORD"}
    assert path.read_text().startswith("# mine\nAUTH_SECRET=kept-as-it-is\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_children_get_our_settings_and_no_stray_ones() -> None:
    """A variable of the shell that means something to our settings does not reach them, but a database does."""
    outside = {"PATH": "/bin", "AUTH_SECRET": "of another project", "MQTT_HOST": "elsewhere", "HOME": "/home/a"}

    plain = environment(PLAN, {"AUTH_SECRET": "ours"}, outside)
    chosen = environment(PLAN, {}, {"DATABASE_URL": "postgresql://db/deye"})

    assert (plain["AUTH_SECRET"], plain["MQTT_HOST"], plain["PATH"]) == ("ours", "127.0.0.1", "/bin")
    assert plain["DATABASE_URL"] == "sqlite:////srv/deye/deye.db"
    assert plain["BASE_URL"] == "http://192.0.2.7:8000"
    assert plain["MQTT_PUBLIC_HOST"] == "192.0.2.7"
    assert chosen["DATABASE_URL"] == "postgresql://db/deye"


def test_behind_a_front_with_https_the_given_address_counts_and_cookies_are_secure() -> None:
    """``BASE_URL`` is what others open then; the greeting says so beside the address on this computer."""
    given = {"BASE_URL": "https://sun.example.org", "TRUSTED_PROXIES": "127.0.0.1", "ALLOWED_HOSTS": "sun.example.org"}
    plain, behind = environment(PLAN, {}, {}), environment(PLAN, {}, given)
    said = greeting.lines(PLAN, behind, "", demo=False)

    assert (plain["BASE_URL"], plain["COOKIE_SECURE"]) == ("http://192.0.2.7:8000", "false")
    assert {name: behind[name] for name in given} == given
    assert behind["COOKIE_SECURE"] == "true"
    assert environment(PLAN, {}, given | {"COOKIE_SECURE": "false"})["COOKIE_SECURE"] == "false"
    assert "From elsewhere: https://sun.example.org" in said
    assert not [line for line in greeting.lines(PLAN, plain, "", demo=False) if "elsewhere" in line]


def test_the_greeting_shows_no_password_of_the_database() -> None:
    """The line that names the database names host and name only."""
    lines = greeting.lines(PLAN, {"DATABASE_URL": "postgresql://me:hush@db:5432/deye"}, "", demo=False)

    assert "Database: postgresql://db/deye" in lines
    assert "hush" not in "".join(lines)


def test_the_greeting_of_a_demo_names_its_log_in_and_says_when_it_is_night_there(tmp_path: Path) -> None:
    """A house near Nairobi at noon and at midnight, local time."""
    since = datetime(2026, 6, 1, tzinfo=UTC)
    demo_file.save(tmp_path, demo_file.Demo("demo@example.org", "hush", "Africa/Nairobi", since, ()))
    plan = Plan(tmp_path, portal_port=8000, mqtt_port=1883, bridge_port=40001, host="192.0.2.7")
    environment = {"DATABASE_URL": "sqlite:///x"}

    noon = greeting.lines(plan, environment, "", demo=True, now=datetime(2026, 6, 1, 9, tzinfo=UTC))
    midnight = greeting.lines(plan, environment, "", demo=True, now=datetime(2026, 6, 1, 21, tzinfo=UTC))

    assert noon[0] == "Log in as demo@example.org with the password hush"
    assert [line for line in midnight if line not in noon] == [line for line in midnight if "night" in line]
    assert len(midnight) == len(noon) + 1


def test_only_trouble_and_mail_reach_the_screen() -> None:
    """Warnings, errors, tracebacks and what the portal prints of a mail; everything when asked for."""
    info = '{"event": "bridge.ready", "level": "info", "timestamp": "x"}'
    warning = '{"event": "store.away", "level": "warning", "timestamp": "x", "again_in_s": 2}'

    assert shown("bridge", info) is None
    assert shown("bridge", info, verbose=True) == "bridge       info     bridge.ready"
    assert shown("bridge", warning) == "bridge       warning  store.away again_in_s=2"
    assert shown("portal", "Mail to a@example.org: Confirm") == "portal       Mail to a@example.org: Confirm"
    assert shown("bridge", "Traceback (most recent call last):") is not None
    assert shown("portal", "INFO:     Started server process") is None
    assert shown("broker", "2026-06-01T12:00:00: New client connected from 127.0.0.1") is None
    assert shown("broker", "2026-06-01T12:00:00: Error: Unable to open pwfile") is not None
    assert shown("bridge", "{not json") == "bridge       {not json"
    assert shown("bridge", "") is None


def test_the_two_addresses_come_before_everything_else() -> None:
    """What the children said while starting follows them, in order."""
    written: list[str] = []
    console = Console(write=written.append)

    console.line("portal", "Mail to a@example.org: Confirm")
    before = list(written)
    console.open("Portal: x", "MQTT: y")
    console.say("later")

    assert before == []
    assert written == ["Portal: x", "MQTT: y", "portal       Mail to a@example.org: Confirm", "later"]


def test_a_reload_waits_for_the_bridge_and_changes_share_one() -> None:
    """Never between a broker's start and the bridge's first connection; then at once; then after a pause."""
    rule = ReloadRule()
    rule.broker_starts(4)

    at_start = rule.is_due(5, now=10.0)
    rule.bridge_connected()
    unchanged, changed = rule.is_due(4, now=10.0), rule.is_due(5, now=10.0)
    rule.reloaded(5, now=10.0)
    soon, later = rule.is_due(6, now=10.1), rule.is_due(6, now=10.0 + DEBOUNCE_S)
    rule.broker_starts(6)
    restarted = rule.is_due(7, now=100.0)

    assert (at_start, unchanged, changed) == (False, False, True)
    assert (soon, later, restarted) == (False, True, False)
    assert not ReloadRule(bridge_was_here=True).is_due(None, now=0.0)


def test_make_that_handles_an_interrupt_is_noticed() -> None:
    """The second bit of the blocked signals is SIGINT."""
    assert interrupted("Name:\tmake\nSigBlk:\t0000000000000002\nSigIgn:\t0\n")
    assert not interrupted("Name:\tmake\nSigBlk:\t0000000000010000\n")
    assert not interrupted("")


def test_a_parent_that_only_descends_from_make_is_not_watched() -> None:
    """A test run below ``make test`` blocks signals whenever it starts a program; that is no interrupt."""
    watching = (
        "import asyncio\nfrom standalone.parent import watch_make\nasyncio.run(watch_make(lambda: print('stop')))"
    )

    done = subprocess.run(
        [sys.executable, "-c", watching],
        env=os.environ | {"MAKELEVEL": "1"},
        capture_output=True,
        timeout=30,
        check=True,
    )

    assert done.stdout == b""


def test_without_root_the_broker_runs_as_who_started_it(tmp_path: Path) -> None:
    """Nothing to switch to, nothing to say."""
    user = choose_user(tmp_path, is_root=False)

    assert (user.start_as, user.note) == (None, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_as_root_a_folder_that_mosquitto_cannot_reach_is_noticed(tmp_path: Path) -> None:
    """Measured: the broker would die at the password file. It stays root and says why."""
    hidden = tmp_path / "hidden"
    (hidden / "broker").mkdir(parents=True)
    hidden.chmod(0o700)

    user = choose_user(hidden / "broker", is_root=True)

    assert (user.name, user.start_as) == ("root", None)
    assert "runs as root" in user.note


def test_endings_are_told_in_words() -> None:
    """A status or a signal's name."""
    assert ending(3) == "ended with status 3"
    assert ending(-9) == "was ended by SIGKILL"
