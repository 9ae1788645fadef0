"""F21: the provisioner dies at every boundary there is, making places and erasing them; the next one ends the work.

A boundary is before and after each request to the store, and after each commit. They are not listed: the process is
killed at the first, then at the second, and so on until it comes through alive. The steps it died in are the sagas'
own, so a new step has its kills at once, and one that is never reached fails here. On a real InfluxDB it is every fifth
boundary, and every one where SEEDS asks for the long form.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from portal.provisioner import erased_rows, erasure, placing, saga
from portal.provisioner.differences import Flaw
from portal.provisioner.erasure import InverterErasure, OwnerErasure
from portal.provisioner.repairs import Repairs
from portal.provisioner.saga import InverterStep, OwnerStep
from schema.models import PlacementState
from schema.timeseries.management import StoreManager
from tests.estate import Estate, Held, InInflux
from tests.mortality import Killed, Mortality
from tests.store_set_ups import STORES, StoreSetUp, opened

pytestmark = pytest.mark.integration
CONVERGED_WITHIN = timedelta(minutes=1)


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoreSetUp]:
    """Each store in turn."""
    async with opened(request.param, request, tmp_path) as one:
        yield one


class Steps:
    """The steps as they are taken; at a death, the one that was under way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.current: Any = None
        self.died_in: set[Any] = set()

    def told_by(self, module: ModuleType, name: str) -> None:
        """The function answers with the next step, or with none."""
        ask = getattr(module, name)

        def asked(*arguments: Any, **named: Any) -> Any:
            step = ask(*arguments, **named)
            self.current = step or self.current
            return step

        self._patch.setattr(module, name, asked)

    def entered_by(self, where: ModuleType | type, name: str, step_of: Callable[..., Any]) -> None:
        """To call the function with such arguments is the step."""
        call = getattr(where, name)

        async def called(*arguments: Any, **named: Any) -> Any:
            self.current = step_of(*arguments)
            return await call(*arguments, **named)

        self._patch.setattr(where, name, called)

    def died(self) -> None:
        """Note where."""
        self.died_in.add(self.current)


def _stride(place: Estate) -> int:
    """How many boundaries on from one kill to the next."""
    real = place.store.manager is not None and place.store.fake is None
    return 5 if real and "SEEDS" not in os.environ else 1


async def _dying(
    place: Estate, steps: Steps, prepare: Callable[[], Awaitable[Held]], work: Callable[[Any], Awaitable[None]]
) -> AsyncIterator[Held]:
    """An inverter for each boundary at which the work on it was killed; the last one is that of a whole life."""
    for dies_at in count(1, _stride(place)):
        held = await prepare()
        try:
            await work(place.provisioner(Mortality(dies_at, steps.died)))
        except Killed:
            yield held
            continue
        yield held
        return


async def test_places_are_made_by_whoever_comes_after(place: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a minute: one organisation, one bucket, three tokens, all of them in the rows, and it can be written."""
    steps = Steps(monkeypatch)
    steps.entered_by(placing, "used_buckets", lambda *_: OwnerStep.SERVER)
    for name in ("next_owner_step", "next_inverter_step"):
        steps.told_by(saga, name)
    lives = 0

    async def prepare() -> Held:
        return await place.inverter(await place.owner())

    async def work(provisioner: Any) -> None:
        await provisioner.turn()

    async for held in _dying(place, steps, prepare, work):
        lives += 1
        began = place.now
        await place.settle(place.provisioner(), turns=1)

        home, row = await place.rows(held)
        assert home is not None
        assert row is not None
        assert (home.state, row.state) == (PlacementState.READY, PlacementState.READY)
        assert (home.last_error, row.last_error) == ("", "")
        assert place.now - began <= CONVERGED_WITHIN
        await place.write(held, 412.0)
        assert await place.newest(held) == 412.0
        if place.store.manager is not None:
            tokens = [home.read_authorization_id, row.bridge_authorization_id, row.external_authorization_id]
            assert await place.in_influx(held) == InInflux([home.org_id], [row.bucket_id], sorted(tokens))

    if place.store.manager is not None and _stride(place) == 1:
        assert steps.died_in == {*OwnerStep, *InverterStep}
        assert lives >= 23


async def test_what_leaves_is_erased_by_whoever_comes_after(place: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a minute of the bridge's word nothing is left of inverter and owner, in the store as in the rows."""
    steps = Steps(monkeypatch)
    steps.entered_by(erased_rows, "begin_inverter", lambda *_: InverterErasure.BEGIN)
    steps.entered_by(erased_rows, "begin_owner", lambda *_: OwnerErasure.BEGIN)
    for name in ("next_owner_step", "next_inverter_step"):
        steps.told_by(erasure, name)
    lives = 0

    async def prepare() -> Held:
        owner_id = await place.owner()
        held = await place.inverter(owner_id)
        await place.provisioner().turn()
        await place.write(held, 412.0)
        await place.delete(held)
        await place.abandon(owner_id)
        return held

    async def work(provisioner: Any) -> None:
        for _ in range(3):
            await provisioner.turn()
            await place.bridge_drops()
            place.now += timedelta(seconds=2)

    async for held in _dying(place, steps, prepare, work):
        lives += 1
        began = place.now
        provisioner = place.provisioner()
        for _ in range(3):
            await provisioner.turn()
            await place.bridge_drops()
            place.now += timedelta(seconds=10)

        assert await place.rows(held) == (None, None)
        assert place.now - began <= CONVERGED_WITHIN
        assert await place.newest(held) is None
        if place.store.manager is not None:
            assert await place.in_influx(held) == InInflux([], [], [])

    expected: set[Any] = {*InverterErasure, *OwnerErasure}
    if place.store.manager is None:
        expected -= {step for step in expected if step.value in ("bridge_writer", "external_writer", "bucket")}
        expected -= {OwnerErasure.READER, OwnerErasure.ORGANISATION}
    if _stride(place) == 1:
        # Before the first step a server is asked whether it is set up.
        assert steps.died_in - {None} == expected


async def _broken(place: Estate, manager: StoreManager) -> list[Held]:
    """Three inverters of two owners: what is wrong with one must not hide what is wrong with another."""
    first, second = await place.settled(), await place.settled()
    third = await place.inverter(second.owner_id)
    await place.provisioner().turn()
    (lost, _), (home, box) = await place.rows(first), await place.rows(second)
    _, other = await place.rows(third)
    assert lost is not None
    assert home is not None
    assert box is not None
    assert other is not None
    await manager.delete_organisation(lost.org_id)
    await manager.rename_organisation(home.org_id, f"renamed-{home.org_id}")
    await manager.delete_authorization(home.read_authorization_id)
    await manager.delete_bucket(box.bucket_id)
    await manager.rename_bucket(other.bucket_id, "renamed")
    await manager.delete_authorization(other.bridge_authorization_id)
    text = saga.write_description(third.inverter_id, "external")
    await manager.create_token(home.org_id, text, bucket_id=other.bucket_id, write=True)
    return [first, second, third]


async def test_what_is_mended_is_mended_by_whoever_comes_after(place: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that can be wrong at once, and a reconciler that dies in the midst of it: one of each in the end."""
    manager = place.store.manager
    if manager is None:
        pytest.skip("the embedded store has nothing to reconcile")
    steps = Steps(monkeypatch)
    steps.entered_by(Repairs, "mend", lambda _, difference: difference.flaw)

    for dies_at in count(1, _stride(place)):
        broken = await _broken(place, manager)
        survived = True
        try:
            await place.reconciler(Mortality(dies_at, steps.died)).sweep()
        except Killed:
            survived = False
        for _ in range(2):
            await place.reconciler().sweep()
            await place.provisioner().turn()

        assert await place.reconciler().sweep() == 0
        for held in broken:
            await place.write(held, 5.0)
            assert await place.newest(held) == 5.0
        found = await place.in_influx(*broken)
        assert (len(found.organisations), len(found.buckets), len(found.tokens)) == (2, 3, 8)
        if survived:
            break

    if _stride(place) == 1:
        # Before the first repair everything is listed.
        assert steps.died_in - {None} == {*Flaw}
