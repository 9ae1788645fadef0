"""The step before anything runs: the database at its newest revision, the demo's account, the first password file.

A process of its own, so that the supervisor never loads a database driver and stays small.
"""

import asyncio
import sys


def main(*, demo: bool) -> int:
    """Exit status 0 when everything is in place, 1 with one sentence."""
    # Imported here: the supervisor imports this module's neighbours, not what this step needs.
    from portal.provisioner.app import open_provisioner  # noqa: PLC0415
    from portal.provisioner.broker_folder import AnotherProvisioner, BrokerFolder  # noqa: PLC0415
    from portal.provisioner.password_file import LoginsWouldVanish  # noqa: PLC0415
    from schema import logs, migrate, sealed_rows  # noqa: PLC0415
    from schema.database import create_engine_for  # noqa: PLC0415
    from schema.sealed_rows import KeyDoesNotOpen  # noqa: PLC0415
    from schema.sealing import AesSealer  # noqa: PLC0415
    from schema.settings import ProvisionerSettings, SettingsInvalid, load  # noqa: PLC0415

    async def work() -> None:
        settings = load(ProvisionerSettings)
        logs.configure(settings.log_format, hidden=settings.secrets())
        engine = create_engine_for(settings.database_url)
        await migrate.upgrade(engine)
        await engine.dispose()
        await sealed_rows.check(settings.database_url, AesSealer(*settings.token_keys))
        if demo:
            from standalone import demo_account  # noqa: PLC0415

            await demo_account.ensure(settings)
        folder = BrokerFolder(settings.broker_dir)
        with folder.held():
            async with open_provisioner(settings, folder) as provisioner:
                await provisioner.once()

    try:
        asyncio.run(work())
    except (SettingsInvalid, AnotherProvisioner, LoginsWouldVanish, KeyDoesNotOpen) as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0
