"""When a holder counts as frozen, and how a process notices that it has stood still itself."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.edges.frozen import FROZEN_S, WatchfulSelector
from bridge.edges.lock import FROZEN_AFTER_S, FileLock, Holder, Patience, end_frozen

pytestmark = pytest.mark.unit


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that nobody needs."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def _watched(*beats: tuple[float, int]) -> list[bool]:
    """What a patient standby thinks at these moments of a holder with these beats."""
    patience, holder = Patience(), Holder.this(0)
    return [patience.over(replace(holder, beat=beat), now) for now, beat in beats]


def test_a_holder_that_says_nothing_new_for_ten_seconds_is_frozen() -> None:
    """Not a moment earlier."""
    moments = [(second / 2, 7) for second in range(22)]

    assert _watched(*moments) == [second / 2 >= FROZEN_AFTER_S for second in range(22)]


def test_a_beating_holder_is_never_frozen() -> None:
    """However slowly it beats within the limit."""
    assert not any(_watched(*[(float(second), second // 9) for second in range(60)]))


def test_whoever_slept_himself_starts_to_wait_anew() -> None:
    """After a suspend both have stood still: nobody is killed for that."""
    assert _watched((0.0, 7), (4.0, 7), (300.0, 7), (304.0, 7), (308.0, 7)) == [False] * 5


def test_a_lock_names_its_holder_and_goes_with_him(tmp_path: Path) -> None:
    """The second one reads who holds it, and has it when the first has closed it."""
    first, second = FileLock(tmp_path), FileLock(tmp_path)

    taken = [first.take(), second.take()]
    holder = second.holder()
    first.beat()
    later = second.holder()
    first.close()

    assert taken == [True, False]
    assert holder is not None
    assert later is not None
    assert holder.pid == os.getpid()
    assert later.beat == holder.beat + 1
    assert second.take()
    second.close()


@pytest.mark.parametrize("content", [b"", b"not json", b"[]", b'{"pid": 1}', b"[1, 2]"])
def test_an_unreadable_lock_names_nobody(tmp_path: Path, content: bytes) -> None:
    """Nobody is killed then."""
    (tmp_path / "bridge.lock").write_bytes(content)
    lock = FileLock(tmp_path)

    assert lock.holder() is None
    lock.close()


def test_only_the_very_process_is_killed(sleeper: "subprocess.Popen[bytes]") -> None:
    """Not one that has got its number since, not one of another container or of an earlier run of the host."""
    this = Holder.this(0)
    started = Path(f"/proc/{sleeper.pid}/stat").read_text().rpartition(")")[2].split()[19]
    frozen = Holder(sleeper.pid, started, this.place, 1)

    assert not end_frozen(replace(frozen, started="1"))
    assert not end_frozen(replace(frozen, place="another place"))
    assert sleeper.poll() is None
    assert end_frozen(frozen)
    assert sleeper.wait(10) == -9
    assert not end_frozen(frozen)


class _Hands:
    """A clock whose hands are moved by the test, also while the selector waits."""

    def __init__(self, *times: float) -> None:
        self._times = list(times)

    def __call__(self) -> float:
        """The next time."""
        return self._times.pop(0)


@pytest.mark.parametrize(
    ("entered", "returned", "timeout", "told"),
    [
        (0.0, 0.5, 1.0, []),
        (0.0, 1.0 + FROZEN_S - 0.1, 1.0, []),
        (0.0, 1.0 + FROZEN_S + 1.0, 1.0, [FROZEN_S + 1.0]),
        (FROZEN_S + 2.0, FROZEN_S + 2.0, 0.0, [FROZEN_S + 2.0]),
        (0.0, 500.0, None, []),
    ],
)
def test_a_gap_is_told_before_the_loop_goes_on(
    entered: float, returned: float, timeout: float | None, told: list[float]
) -> None:
    """Whether the process stood still in its wait or in a callback; a wait without an end tells nothing."""
    gaps: list[float] = []
    selector = WatchfulSelector(_Hands(0.0, entered, returned))
    selector.on_gap = gaps.append
    read, write = os.pipe()
    os.write(write, b"x")
    selector.register(read, 1)

    selector.select(timeout)

    selector.close()
    os.close(read)
    os.close(write)
    assert gaps == told
