"""``python -m portal.provisioner``: runs until stopped; ``--once`` does one full pass and exits."""

import argparse
import asyncio
import signal
import sys

import structlog

from portal.provisioner.app import Provisioner, open_provisioner
from portal.provisioner.broker_folder import AnotherProvisioner, BrokerFolder
from portal.provisioner.password_file import LoginsWouldVanish
from schema import logs
from schema.settings import ProvisionerSettings, SettingsInvalid, load

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
    folder = BrokerFolder(settings.broker_dir)
    with folder.held():
        async with open_provisioner(settings, folder, accept_vanished=accept_vanished) as provisioner:
            if once:
                await provisioner.once()
                return
            _log.info("provisioner.ready", store=settings.store.value)
            await _until_stopped(provisioner)
    _log.info("provisioner.stopped")


def main() -> int:
    """Exit status 0 when stopped or done, 1 with one sentence where it cannot work."""
    parser = argparse.ArgumentParser(
        prog="python -m portal.provisioner",
        description="Keeps the broker's password file and InfluxDB as the database says.",
    )
    parser.add_argument("--once", action="store_true", help="do one full pass and exit")
    parser.add_argument(
        "--accept-vanished", action="store_true", help="logins unknown to the database may leave the password file"
    )
    chosen = parser.parse_args()
    try:
        settings = load(ProvisionerSettings)
        logs.configure(settings.log_format, hidden=settings.secrets())
        asyncio.run(_work(settings, once=chosen.once, accept_vanished=chosen.accept_vanished))
    except (SettingsInvalid, AnotherProvisioner, LoginsWouldVanish) as fault:
        print(fault, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
