"""``python -m bridge``: runs until SIGTERM or SIGINT. Status 0 after a clean stop, 3 when another bridge took over."""

import asyncio
import sys

from bridge.app import run
from schema import logs
from schema.settings import BridgeSettings, SettingsInvalid, load


def main() -> int:
    """The process's exit status."""
    try:
        settings = load(BridgeSettings)
    except SettingsInvalid as fault:
        print(f"bridge: {fault}", file=sys.stderr)
        return 2
    logs.configure(settings.log_format)
    return asyncio.run(run(settings))


if __name__ == "__main__":
    sys.exit(main())
