"""Every command that the documents tell a person to type is run by a test, and every file they point to is there."""

import re
from pathlib import Path

import pytest
import yaml

from schema.influx_servers import written_down
from tests.compose_file import services

pytestmark = pytest.mark.unit
ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    "README.md",
    "docs/running.md",
    "docs/keys.md",
    "docs/front.md",
    "docs/collectors.md",
    "docs/decisions.md",
    "docs/performance.md",
    "docs/translating.md",
    "docs/monitoring.md",
    "docs/capacity.md",
    "CHANGELOG.md",
)

# Command → the test that runs it, as file::function. Docker's own commands need an engine, which no test has: what they
# would start is run as processes instead.
RUN_BY = {
    "make demo": "tests/end_to_end/test_make.py::test_the_demo_prints_a_log_in",
    "make up": "tests/end_to_end/test_make.py::test_a_fresh_clone_on_a_bare_machine_answers_and_stops",
    "make up PORTAL_PORT=9000 MQTT_PORT=2883 DATA_DIR=/srv/deye-hard": (
        "tests/end_to_end/test_make.py::test_ports_and_data_may_be_given_on_the_command_line"
    ),
    "make up METRICS_PORT=9464": (
        "tests/end_to_end/test_make.py::test_whoever_watches_is_answered_on_the_port_he_chose"
    ),
    "curl -fsS http://127.0.0.1:9464/health/ready": (
        "tests/end_to_end/test_make.py::test_whoever_watches_is_answered_on_the_port_he_chose"
    ),
    "METRICS_PORT=9464 .venv/bin/python -m bridge.probe ready": (
        "tests/end_to_end/test_make.py::test_whoever_watches_is_answered_on_the_port_he_chose"
    ),
    "docker compose exec bridge python -m bridge.probe ready": (
        "tests/end_to_end/test_compose_processes.py::test_the_bridges_health_check_tells_whether_it_is_ready"
    ),
    **dict.fromkeys(
        [".venv/bin/python -m portal.collect_words fr", ".venv/bin/python -m portal.collect_words"],
        "tests/unit/portal/test_catalogues.py"
        "::test_the_translators_command_keeps_what_is_there_and_begins_a_new_language",
    ),
    "BRIDGE_DATABASE_PASSWORD=… DATABASE_URL=postgresql://deye:…@host/deye .venv/bin/python -m schema migrate": (
        "tests/integration/test_bridge_role.py::test_migrate_makes_the_role_where_its_password_is_given"
    ),
    **dict.fromkeys(
        re.findall(r"```sh\n(curl .*)\n```", (ROOT / "docs" / "collectors.md").read_text()),
        "tests/integration/test_collector_walk.py"
        "::test_a_collector_asks_writes_and_tells_with_the_commands_of_the_document",
    ),
    "make secrets": "tests/end_to_end/test_make.py::test_secrets_need_no_environment",
    "make test": ".ci/run::make test",
    ".venv/bin/python -m standalone admin ada@example.org": (
        "tests/end_to_end/test_make.py::test_an_administrator_is_made_on_the_data_of_this_computer"
    ),
    ".venv/bin/python -m benchmarks.bridge": (
        "tests/end_to_end/test_benchmarks.py::test_the_bridges_benchmark_measures_every_kind_of_work"
    ),
    ".venv/bin/python -m benchmarks.pages": (
        "tests/end_to_end/test_benchmarks.py::test_the_pages_benchmark_measures_every_page"
    ),
    "docker compose up --build": (
        "tests/end_to_end/test_compose_processes.py"
        "::test_an_owner_sees_watts_that_went_through_broker_bridge_and_influxdb"
    ),
    "nft -f mosquitto/firewall.nft": (
        "tests/faults/test_broker_floods.py::test_the_firewall_file_lets_three_addresses_have_few_of_5000_connections"
    ),
    "docker compose run --rm --no-deps provisioner python -m portal.provisioner.clear_retained": (
        "tests/integration/test_broker_retained.py::test_retained_messages_go_and_those_that_wait_stay"
    ),
    **dict.fromkeys(
        [
            ".venv/bin/python -m bridge.letters list",
            ".venv/bin/python -m bridge.letters list --reason unknown_login --limit 200",
            ".venv/bin/python -m bridge.letters show 3f2a91c4",
            ".venv/bin/python -m bridge.letters replay --reason unknown_login",
            ".venv/bin/python -m bridge.letters purge --login ABCDEFGHJK",
            ".venv/bin/python -m bridge.letters requests",
            "docker compose exec portal python -m bridge.letters list",
        ],
        "tests/integration/test_letters_command.py::test_the_documented_commands_do_what_the_document_says",
    ),
    **dict.fromkeys(
        [
            ".venv/bin/python -m portal.audit_log verify",
            ".venv/bin/python -m portal.audit_log verify --head 3f2a…",
            ".venv/bin/python -m portal.audit_log show --most 200",
        ],
        "tests/integration/test_audit_log.py::test_the_command_says_which_entry_was_changed_removed_or_added",
    ),
    **dict.fromkeys(
        [
            ".venv/bin/python -m standalone provisioner orphans",
            ".venv/bin/python -m standalone provisioner orphans remove 0a1b2c3d4e5f6071",
            "docker compose exec provisioner python -m portal.provisioner orphans",
        ],
        "tests/integration/test_orphans.py::test_the_documented_commands_do_what_the_document_says",
    ),
    **dict.fromkeys(
        [
            ".venv/bin/python -m standalone provisioner server accept http://localhost:8086",
            "docker compose exec provisioner python -m portal.provisioner server accept http://influxdb:8086",
        ],
        "tests/integration/test_same_server.py::test_a_person_says_that_the_new_server_is_meant",
    ),
    **dict.fromkeys(
        [
            ".venv/bin/python -m standalone new-key",
            ".venv/bin/python -m standalone provisioner reseal",
            ".venv/bin/python -m standalone provisioner reseal --give-up-lost",
            "python3 -m standalone new-key .env",
            "docker compose exec provisioner python -m portal.provisioner reseal",
        ],
        "tests/integration/test_key_at_start.py::test_the_documented_commands_do_what_the_document_says",
    ),
    "docker compose up -d": (
        "tests/end_to_end/test_compose_processes.py"
        "::test_an_owner_sees_watts_that_went_through_broker_bridge_and_influxdb"
    ),
    **dict.fromkeys(
        [
            "docker compose exec provisioner python -m portal.provisioner move",
            "docker compose exec provisioner python -m portal.provisioner move alice@example.org",
            "docker compose exec provisioner python -m portal.provisioner move alice@example.org http://influxdb2:8086",
            "docker compose exec provisioner python -m portal.provisioner move alice@example.org --cancel",
            "docker compose exec provisioner python -m portal.provisioner move alice@example.org --clean",
        ],
        "tests/integration/test_move_command.py::test_the_documented_commands_do_what_the_document_says",
    ),
    "docker compose -f compose.yaml -f docs/front/compose.yaml up -d": (
        "tests/integration/test_front.py::test_the_containers_of_the_front_fit_to_the_others"
    ),
    "docker compose run --rm portal python -m portal create-admin ada@example.org": (
        "tests/end_to_end/test_make.py::test_an_administrator_is_made_on_the_data_of_this_computer"
    ),
}


def _commands() -> set[str]:
    """Each line of the documents' shell blocks."""
    blocks = [
        block for name in DOCUMENTS for block in re.findall(r"```sh\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)
    ]
    return {line.strip() for block in blocks for line in block.splitlines() if line.strip()}


def test_every_command_of_the_documents_is_run_by_a_test() -> None:
    """A new command needs a test, and a test whose command is gone needs a look."""
    assert _commands() == set(RUN_BY)


@pytest.mark.parametrize("command", RUN_BY)
def test_the_test_that_runs_a_command_is_there(command: str) -> None:
    """Renaming it must not leave the list behind."""
    file, _, name = RUN_BY[command].partition("::")

    assert re.search(rf"(def {name}\(|\b{name}\b)", (ROOT / file).read_text())


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_a_document_points_to_is_there(document: str) -> None:
    """Relative links only; addresses on the web are not looked up."""
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / document).read_text())

    assert [link for link in links if not ((ROOT / document).parent / link).exists()] == []


def test_the_servers_of_the_capacity_document_are_written_as_they_are_read() -> None:
    """Whoever pastes both blocks has a second server like the first, with a volume of its own."""
    document = (ROOT / "docs/capacity.md").read_text()
    line = re.search(r"^INFLUX_SERVERS='(.*)'$", document, re.MULTILINE)
    block = re.search(r"```yaml\n(.*?)```", document, re.DOTALL)
    assert line is not None
    assert block is not None

    (server,), added = written_down(line[1], None), yaml.safe_load(block[1])
    service = added["services"]["influxdb2"]
    first = services()[service["extends"]["service"]]
    assert (server.url, server.open, server.memory_mb) == ("http://influxdb2:8086", True, 4096)
    assert [one.split(":") for one in service["volumes"]] == [["influxdb2", first["volumes"][0].split(":")[1]]]
    assert (list(added["volumes"]), first["ulimits"]["nofile"]) == (["influxdb2"], server.open_files)


def test_every_target_of_make_says_what_it_does() -> None:
    """``make help`` names them all."""
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None

    assert set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE)) == set(phony[1].split())


def test_no_tracked_document_or_script_names_a_path_of_this_machine() -> None:
    """What works only here does not belong into the repository."""
    places = [*DOCUMENTS, "Makefile", "compose.yaml", "Dockerfile", "standalone/bare_machine.sh", ".ci/run"]

    assert [name for name in places if re.search(r"/(work|root|home)/", (ROOT / name).read_text())] == []
