"""``python -m bridge.probe [ready|live]``: asks the bridge of this host how it is; status 0 when it is well.

For a container's health check. It reads ``METRICS_HOST`` and ``METRICS_PORT`` and imports nothing of the bridge.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

TIMEOUT_S = 4.0


def main(arguments: list[str]) -> int:
    """Status 0 for 200, 1 for anything else or no answer, 2 where nothing can be asked."""
    question = arguments[0] if arguments else "ready"
    port = os.environ.get("METRICS_PORT", "")
    if question not in {"ready", "live"} or not port.isdecimal() or port == "0":
        sys.stderr.write("usage: METRICS_PORT=9464 python -m bridge.probe [ready|live]\n")
        return 2
    host = os.environ.get("METRICS_HOST", "")
    # An address that stands for all of them is none that could be asked.
    connection = HTTPConnection(host if host not in {"", "0.0.0.0", "::"} else "127.0.0.1", int(port), TIMEOUT_S)  # noqa: S104
    try:
        connection.request("GET", f"/health/{question}")
        answer = connection.getresponse()
        sys.stdout.write(answer.read().decode(errors="replace"))
    except (OSError, HTTPException) as fault:
        sys.stdout.write(f"no answer: {fault}\n")
        return 1
    finally:
        connection.close()
    return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
