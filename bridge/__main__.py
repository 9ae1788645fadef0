"""``python -m bridge``: runs until SIGTERM or SIGINT. Status 0 after a clean stop, 3 when another bridge took over."""

import sys

# Where rich is installed, structlog imports it to draw tracebacks that our logs never draw: 4 MB. Whoever has structlog
# already would find half of rich.
if "structlog" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]  # that is how an import is refused

from bridge.process import run
from schema import logs
from schema.sealed_rows import KeyDoesNotOpen
from schema.settings import BridgeSettings, SettingsInvalid, load


def main() -> int:
    """The process's exit status."""
    try:
        settings = load(BridgeSettings)
    except SettingsInvalid as fault:
        print(f"bridge: {fault}", file=sys.stderr)
        return 2
    logs.configure(settings.log_format, hidden=settings.secrets())
    try:
        return run(settings)
    except KeyDoesNotOpen as fault:
        print(f"bridge: {fault}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
