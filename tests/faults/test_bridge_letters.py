"""A replay of dead letters is killed again and again: every original ends in the store once, or is still a letter."""

import random
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from schema.models import DeadLetterRequest, LetterAction, RequestState
from tests.bridge_process import BridgeProcess
from tests.bridge_set_up import Home, Publisher, home
from tests.broker import broker
from tests.letters_set_up import answered, ask, make_known, originals, points, shown, stranger
from tests.waiting import until

pytestmark = pytest.mark.faults
MESSAGES = 900


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Home]:
    """SQLite and the embedded store beside a broker."""
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server) as made:
            yield made


async def test_a_replay_that_is_killed_again_and_again_loses_nothing_and_stores_nothing_twice(place: Home) -> None:
    """Documents without a time of their own, so that a second point would be seen; one in nine is beyond repair."""
    seed = random.randrange(1_000_000)
    sys.stdout.write(f"seed {seed}\n")
    dice = random.Random(seed)
    paired, login = await place.pair(), stranger(place)
    running = BridgeProcess(place)
    await running.ready()
    async with Publisher(place.broker, login) as logger:
        sent = [
            logger.throw(f"deye/{login}/reading", "{" if number % 9 == 0 else {"ac_power": float(number)})
            for number in range(MESSAGES)
        ]
        await until(lambda: all(answer() for answer in sent))
    await shown(place, MESSAGES)
    await make_known(place, login, paired)

    request_id = await ask(place, LetterAction.REPLAY, login=login)
    interrupted = 0
    for longest_s in (0.0, 0.05, 0.2, 0.2):
        await until(lambda child=running: "letters.request" in child.said, limit_s=30.0)  # type: ignore[misc]  # bound
        moment = time.monotonic() + dice.uniform(0.0, longest_s)
        await until(lambda moment=moment: time.monotonic() >= moment)  # type: ignore[misc]  # moment is bound
        await running.kill()
        running = BridgeProcess(place)
        await running.ready()
        if await _finished(place, request_id):
            break
        interrupted += 1
    request = await answered(place, request_id, limit_s=60.0)
    await shown(place, MESSAGES // 9)
    running.terminate()
    await running.ended()

    stored = [watts for (watts,) in points(place, paired, "ac_power").values()]
    assert sorted(watts or 0.0 for watts in stored) == [float(number) for number in range(MESSAGES) if number % 9]
    assert [payload for _, payload in originals(place.settings.spool_path)] == [b"{"] * (MESSAGES // 9)
    assert (request.state, request.chosen, request.done) == (RequestState.DONE, MESSAGES, MESSAGES)
    assert request.again == MESSAGES // 9
    assert interrupted


async def _finished(place: Home, request_id: UUID) -> bool:
    async with place.sessions() as session:
        request = await session.get(DeadLetterRequest, request_id)
    return request is not None and request.finished_at is not None
