"""Places: no more attempts than a deployment takes, a short queue that is fair, and on to the next who finds none."""

from __future__ import annotations

import asyncio
import random

import pytest

from router.config.schema import DeploymentConfig, ModelConfig
from router.core.errors import DeploymentBusy
from router.execution.slots import Limit, Slots, limits
from tests.fakes.execution import WORD, Run, ScriptedProvider, plan, step
from tests.fakes.values import target

pytestmark = pytest.mark.anyio

PLACE = "a/m"


def slots(concurrency: int = 1, queue: int = 100, queue_s: float = 5.0) -> Slots:
    return Slots({PLACE: Limit(concurrency=concurrency, queue=queue, queue_s=queue_s)})


async def hold(places: Slots, tenant: str, log: list[str], name: str, for_s: float = 0.0) -> None:
    if not places.take(PLACE):
        await places.wait(PLACE, tenant, 60)
    try:
        log.append(name)
        await asyncio.sleep(for_s)
    finally:
        places.give(PLACE)


async def test_tenants_take_turns_and_each_one_s_requests_go_in_order() -> None:
    places, log = slots(), list[str]()
    assert places.take(PLACE)
    tasks = [
        asyncio.create_task(hold(places, tenant, log, f"{tenant}{number}"))
        for tenant, count in (("x", 4), ("y", 2), ("z", 1))
        for number in range(count)
    ]
    await asyncio.sleep(0)
    assert places.queued(PLACE) == 7
    assert places.in_flight(PLACE) == 1
    places.give(PLACE)
    await asyncio.gather(*tasks)
    assert log == ["x0", "y0", "z0", "x1", "y1", "x2", "x3"]
    assert (places.in_flight(PLACE), places.queued(PLACE)) == (0, 0)


async def test_nobody_passes_those_who_wait() -> None:
    places, log = slots(), list[str]()
    assert places.take(PLACE)
    waiting = asyncio.create_task(hold(places, "x", log, "first"))
    await asyncio.sleep(0)
    places.give(PLACE)
    assert not places.take(PLACE), "the place is the waiting one's already"
    await waiting


async def test_a_full_queue_and_a_long_wait_are_said_with_when_to_come_back() -> None:
    places = slots(queue=1, queue_s=0.05)
    assert places.take(PLACE)
    late = asyncio.create_task(places.wait(PLACE, "x", 60))
    await asyncio.sleep(0)
    with pytest.raises(DeploymentBusy, match="1 attempts under way, 1 waiting") as caught:
        await places.wait(PLACE, "y", 60)
    assert caught.value.retry_after_s == 0.05
    with pytest.raises(DeploymentBusy, match="no place got free"):
        await late
    assert places.queued(PLACE) == 0


async def test_places_are_neither_lost_nor_made_whoever_leaves_when() -> None:
    dice = random.Random(7)
    places, log = slots(concurrency=3, queue_s=0.02), list[str]()
    tasks = [asyncio.create_task(hold(places, dice.choice("xyz"), log, "", dice.random() / 100)) for _ in range(300)]
    for task in dice.sample(tasks, 100):
        await asyncio.sleep(0)
        assert places.in_flight(PLACE) <= 3
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    ends = (DeploymentBusy, asyncio.CancelledError, type(None))
    assert all(isinstance(one, ends) for one in results)
    assert log
    assert (places.in_flight(PLACE), places.queued(PLACE)) == (0, 0)


async def test_who_finds_no_place_goes_on_to_the_next_target_and_the_wait_is_noted() -> None:
    full, spare = ScriptedProvider([0.1, WORD]), ScriptedProvider([WORD])
    run = Run(("a", full), ("b", spare), slots=slots(queue_s=0.03))
    wanted = plan(step(target("a/m")), step(target("b/m")))
    await asyncio.gather(run(wanted), run(wanted))
    assert (len(full.sent), len(spare.sent)) == (1, 1)
    busy = next(one for one in run.notes.attempts if one.error_code == "deployment_busy")
    assert busy.queue_ms >= 25
    assert not busy.sent
    assert run.health.health("a/m").error_ratio == 0
    assert run.executor.slots.in_flight("a/m") == 0


async def test_without_another_target_it_is_a_503_with_retry_after() -> None:
    run = Run(("a", ScriptedProvider([0.1, WORD])), slots=slots(queue=0))
    first = asyncio.create_task(run(plan(step(target("a/m"), retries=1))))
    await asyncio.sleep(0.01)
    with pytest.raises(DeploymentBusy) as caught:
        await run(plan(step(target("a/m"), retries=1)))
    assert (caught.value.http_status, caught.value.retry_after_s) == (503, 5.0)
    await first


async def test_who_waits_gets_the_place_of_one_that_ended_however_it_ended() -> None:
    run = Run(("a", ScriptedProvider([60.0, WORD], [WORD])), slots=slots())
    leaving = asyncio.create_task(run(plan(step(target("a/m")))))
    await asyncio.sleep(0.01)
    waiting = asyncio.create_task(run(plan(step(target("a/m")))))
    await asyncio.sleep(0.01)
    leaving.cancel()
    await waiting
    assert run.codes == ["client_closed", None]
    assert run.notes.attempts[1].queue_ms > 0


async def test_what_has_no_limit_is_counted_all_the_same() -> None:
    places = Slots()
    assert all(places.take("x") for _ in range(1000))
    assert places.in_flight("x") == 1000
    places.give("x")
    assert (places.in_flight("x"), places.queued("x"), places.in_flight("y")) == (999, 0, 0)


def test_a_deployment_that_stands_in_several_groups_has_the_least_of_their_limits() -> None:
    def group(concurrency: int | None) -> ModelConfig:
        return ModelConfig(deployments=(DeploymentConfig(provider="a", model="m", concurrency=concurrency, queue=3),))

    found = limits({"x": group(8), "y": group(2), "z": group(None)})
    assert found == {"a/m": Limit(concurrency=2, queue=3, queue_s=2.0)}
    assert limits({"z": group(None)}) == {}
