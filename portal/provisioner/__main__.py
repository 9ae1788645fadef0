"""``python -m portal.provisioner``: runs until stopped; ``--once`` does one full pass and exits.

Its commands (``orphans``, ``move``, ``reseal``, ``server``) do what a person has named, also beside one that runs.
"""

import argparse
import asyncio
import signal
import sys

import structlog

from portal.provisioner import move_command, orphan_command, reseal_command, server_command
from portal.provisioner.app import Provisioner, open_provisioner
from portal.provisioner.broker_folder import AnotherProvisioner, BrokerFolder
from portal.provisioner.commands import CannotDo
from portal.provisioner.password_file import LoginsWouldVanish
from schema import logs, sealed_rows
from schema.database_faults import database_faults
from schema.sealed_rows import KeyDoesNotOpen
from schema.sealing import AesSealer
from schema.settings import ProvisionerSettings, SettingsInvalid, load
from schema.timeseries.port import StoreError

_log = structlog.get_logger(__name__)


async def _until_stopped(provisioner: Provisioner) -> None:
    """Run until SIGTERM or SIGINT; every step is committed on its own, so there is nothing to finish first."""
    running = asyncio.create_task(provisioner.run(), name="provisioner")
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    await asyncio.wait({running})
    if not running.cancelled():
        running.result()


async def _work(settings: ProvisionerSettings, *, once: bool, accept_vanished: bool) -> None:
    await sealed_rows.check(settings.database_url, AesSealer(*settings.token_keys))
    folder = BrokerFolder(settings.broker_dir)
    with folder.held():
        async with open_provisioner(settings, folder, accept_vanished=accept_vanished) as provisioner:
            if once:
                await provisioner.once()
                return
            _log.info("provisioner.ready", store=settings.store.value)
            await _until_stopped(provisioner)
    _log.info("provisioner.stopped")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m portal.provisioner",
        description="Keeps the broker's password file and InfluxDB as the database says.",
    )
    parser.add_argument("--once", action="store_true", help="do one full pass and exit")
    parser.add_argument(
        "--accept-vanished", action="store_true", help="logins unknown to the database may leave the password file"
    )
    parser.set_defaults(act=None)
    commands = parser.add_subparsers(title="commands for a person", metavar="COMMAND")
    orphan_command.add_to(commands)
    move_command.add_to(commands)
    reseal_command.add_to(commands)
    server_command.add_to(commands)
    return parser


async def _do(settings: ProvisionerSettings, chosen: argparse.Namespace) -> int:
    """A command's exit status."""
    try:
        status: int = await chosen.act(settings, chosen)
    except StoreError as fault:
        raise CannotDo(f"InfluxDB does not do it: {fault}") from fault
    except database_faults(settings.database_url) as fault:
        raise CannotDo(f"The database does not answer ({type(fault).__name__}). Did it migrate?") from fault
    return status


def main() -> int:
    """Exit status 0 when stopped or done, 1 with one sentence where it cannot work."""
    chosen = _parser().parse_args()
    try:
        settings = load(ProvisionerSettings)
        logs.configure(settings.log_format, hidden=settings.secrets())
        if chosen.act is not None:
            return asyncio.run(_do(settings, chosen))
        asyncio.run(_work(settings, once=chosen.once, accept_vanished=chosen.accept_vanished))
    except (SettingsInvalid, AnotherProvisioner, LoginsWouldVanish, CannotDo, KeyDoesNotOpen) as fault:
        print(fault, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        # A command that looks on: what it asked for goes on without it.
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
