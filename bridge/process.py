"""The bridge as a process: signals, the lease, and what its exit status says."""

import asyncio
import os
import signal

import structlog

from bridge.app import Bridge
from bridge.clock import Clock
from bridge.counters import Counters
from bridge.edges.connection import TakenOver
from bridge.edges.frozen import WatchfulSelector, loop_with
from bridge.edges.lease import EXIT_LEASE_LOST, LeaseLost, only_bridge
from bridge.edges.pages import watched
from bridge.edges.watch import Watch
from schema import sealed_rows
from schema.sealing import AesSealer
from schema.settings import BridgeSettings

_log = structlog.get_logger(__name__)


def run(settings: BridgeSettings) -> int:
    """One bridge from lease to farewell; the exit status: 0 after a clean stop, 3 when another one is active.

    Raises ``KeyDoesNotOpen``.
    """
    _refuse_wrong_key(settings)
    selector = WatchfulSelector()
    with asyncio.Runner(loop_factory=lambda: loop_with(selector)) as runner:
        return runner.run(_run(settings, selector))


def _refuse_wrong_key(settings: BridgeSettings) -> None:
    """Raises ``KeyDoesNotOpen``. Asked in a child: opening a token takes 8 MB, and a bridge may be idle for long.

    A database that is away is no reason to wait: sealed tokens are in the snapshot too, and come up as they are.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            sealer = AesSealer(*settings.token_keys)
            asyncio.run(sealed_rows.check(settings.database_url, sealer, [sealed_rows.BRIDGE_TOKENS]))
        except sealed_rows.KeyDoesNotOpen as fault:
            os.write(writing, str(fault).encode())
        except BaseException:  # noqa: BLE001  # a child of fork must not go on as its parent
            _log.exception("key.not_checked")
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        complaint = answer.read()
    os.waitpid(child, 0)
    if complaint:
        raise sealed_rows.KeyDoesNotOpen(complaint)


async def _run(settings: BridgeSettings, selector: WatchfulSelector) -> int:
    clock, stopping = Clock(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    counters = Counters()
    async with (
        watched(Watch(settings, counters, clock), settings) as watch,
        only_bridge(settings, clock, stopping, selector) as lease,
    ):
        if lease is None:
            return 0
        bridge = Bridge(settings, clock, counters, stopping, watch, lease=lease)
        try:
            async with bridge.open():
                await bridge.serve()
        except* TakenOver as fault:
            lease.taken_over()
            _log.error("bridge.taken_over", detail=str(fault.exceptions[0]))  # its place says nothing
            return_code = EXIT_LEASE_LOST
        except* LeaseLost as fault:
            _log.error("bridge.lease_lost", detail=str(fault.exceptions[0]))  # nor does this one's
            return_code = EXIT_LEASE_LOST
        else:
            return_code = 0
    return return_code
