"""What the provisioner's commands for a person share: connections, a yes that was meant, and refusals in a sentence."""

import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from portal.provisioner.same_server import same_server
from schema.database import Sessions, create_engine_for, sessions_for
from schema.settings import ProvisionerSettings
from schema.timeseries import stores
from schema.timeseries.management import StoreManager


class CannotDo(Exception):
    """The command cannot be carried out; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The database, and a manager for each InfluxDB server that the settings name."""

    sessions: Sessions
    managers: dict[str, StoreManager]


@asynccontextmanager
async def opened(settings: ProvisionerSettings) -> AsyncIterator[Tools]:
    """As the provisioner has them; closed at the end. A server that is another one than before is not used."""
    engine = create_engine_for(settings.database_url)
    sessions = sessions_for(engine)
    try:
        async with AsyncExitStack() as closing:
            managers = {}
            for one in settings.servers:
                manager = stores.open_manager(one.url, one.operator_token.get_secret_value())
                closing.push_async_callback(manager.close)
                managers[one.url] = same_server(sessions, manager, server=one.url, clock=time.monotonic)
            yield Tools(sessions, managers)
    finally:
        await engine.dispose()


def said_yes(words: Sequence[str], *, meant: bool) -> None:
    """Whoever types it has read what goes. Raises ``CannotDo``; ``meant`` is the option that answers for a script."""
    print("\n".join(words))
    if meant:
        return
    if not sys.stdin.isatty():
        raise CannotDo("Nothing was changed: there is nobody to ask. Say --yes where that is meant.")
    if input("Type yes to go on: ").strip().lower() != "yes":
        raise CannotDo("Nothing was changed.")
