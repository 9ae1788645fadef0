"""Floods for the broker: silent connections, and guesses at passwords, from addresses of this machine's loopback."""

import contextlib
import errno
import select
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.broker import connect_as

_ACCEPTED = b"\x20"


@contextlib.contextmanager
def silent_connections(port: int, count: int, sources: Sequence[str], *, patience_s: float = 5.0) -> Iterator[int]:
    """As many connections that say nothing, spread over ``sources``; yields how many came about within the time."""
    with contextlib.ExitStack() as stack:
        poll, waiting, established = select.poll(), {}, 0
        for number in range(count):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.bind((sources[number % len(sources)], 0))
            if one.connect_ex(("127.0.0.1", port)) in (0, errno.EINPROGRESS):
                poll.register(one, select.POLLOUT)
                waiting[one.fileno()] = one
        deadline = time.monotonic() + patience_s
        while waiting and time.monotonic() < deadline:
            for descriptor, _ in poll.poll(100):
                poll.unregister(descriptor)
                established += waiting.pop(descriptor).getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        yield established


def connect_times(port: int, name: str, secret: str, *, count: int, source: str) -> list[float]:
    """How long each of so many logins took, one after the other; infinite where the broker did not accept in 5 s."""
    return [_connect_time(port, name, secret, source) for _ in range(count)]


def _connect_time(port: int, name: str, secret: str, source: str) -> float:
    began = time.monotonic()
    try:
        answer = connect_as(port, name, secret, source=source)
    except OSError:
        return float("inf")
    accepted = answer[:1] == _ACCEPTED and answer[3] == 0
    return time.monotonic() - began if accepted else float("inf")


@dataclass(frozen=True, slots=True)
class Guessing:
    """``refused`` are wrong guesses that were answered; ``shut_out_s`` is the time from the fiftieth of them to the
    first one that met silence, None where that did not happen.
    """

    refused: int
    shut_out_s: float | None


def guess(port: int, name: str, *, source: str, seconds: float) -> Guessing:
    """Try wrong passwords as fast as they are answered, for so long or until nobody answers."""
    end, refused, fiftieth = time.monotonic() + seconds, 0, None
    while time.monotonic() < end:
        try:
            connect_as(port, name, f"wrong {refused}", source=source, timeout_s=2.5)
        except TimeoutError:
            # One lost packet would be sent again after a second: two and a half are a shut door.
            return Guessing(refused, time.monotonic() - 2.5 - fiftieth if fiftieth else None)
        except OSError:
            pass
        refused += 1
        if refused == 50:
            fiftieth = time.monotonic()
    return Guessing(refused, None)
