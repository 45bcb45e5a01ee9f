"""Whether any cloud can be reached: what says no, who is asked then, and how traffic comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from router.config.schema import OfflineConfig
from router.core.errors import (
    RouterError,
    UpstreamConnectTimeout,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from router.core.ports import Clocks
from router.core.types import Cleared, Delta, Dialect
from router.execution.health import HealthMonitor
from tests.fakes.clock import HandClock

pytestmark = pytest.mark.anyio

PROBE_S = 0.02


class Far:
    """A cloud that only ever says whether it is there."""

    dialects = frozenset({Dialect.CHAT})

    def __init__(self, *, up: bool = True) -> None:
        self.up = up
        self.fault: Exception | None = None
        self.probes = 0

    async def send(self, cleared: Cleared, clocks: Clocks) -> AsyncGenerator[Delta, None]:
        raise NotImplementedError
        yield Delta(payload=b"")

    async def reachable(self, timeout_s: float) -> bool:
        self.probes += 1
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault
        return self.up

    async def aclose(self) -> None:
        pass


class Net:
    """Two clouds, and a monitor whose probes may run."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.a, self.b = Far(), Far()
        self.clock = HandClock()
        self.monitor = HealthMonitor(
            offline=OfflineConfig(enabled=enabled, probe_s=PROBE_S),
            clouds={"a": self.a, "b": self.b},
            now_s=self.clock,
        )

    def fails(self, deployment: str, error: RouterError) -> None:
        self.monitor.begin(deployment, 5)
        self.monitor.failed(deployment, error)

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[None]:
        task = asyncio.create_task(self.monitor.watch())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def until(self, ratio: float) -> None:
        async with asyncio.timeout(5):
            while self.monitor.online_ratio != ratio:
                await asyncio.sleep(PROBE_S / 10)


@pytest.mark.parametrize("error", [UpstreamUnreachable("x"), UpstreamConnectTimeout("x")])
async def test_no_cloud_that_can_be_connected_to_means_offline(error: RouterError) -> None:
    net = Net()
    net.fails("a/m", error)
    assert net.monitor.online
    net.fails("b/m", error)
    assert not net.monitor.online


@pytest.mark.parametrize("error", [UpstreamUnavailable("x"), UpstreamProtocolError("x"), UpstreamTimeout("x")])
async def test_clouds_that_answer_badly_or_late_are_there(error: RouterError) -> None:
    net = Net()
    async with net.watched():
        for _ in range(20):
            net.fails("a/m", error)
            net.fails("b/m", error)
        await asyncio.sleep(2 * PROBE_S)
        assert net.monitor.online_ratio == 1


async def test_one_cloud_that_is_down_is_no_outage_of_the_network() -> None:
    net = Net()
    net.a.up = False
    async with net.watched():
        for _ in range(20):
            net.fails("a/m", UpstreamUnreachable("x"))
            await asyncio.sleep(0.002)
        assert net.monitor.online_ratio == 1
        assert net.b.probes == 1, "the other was asked at once, but not each time"
        net.clock.now_s += PROBE_S
        net.fails("a/m", UpstreamUnreachable("x"))
        await asyncio.sleep(0.002)
        assert net.b.probes == 2


async def test_the_first_failure_has_the_others_probed_so_that_no_further_request_is_needed() -> None:
    net = Net()
    net.a.up = net.b.up = False
    async with net.watched():
        net.fails("a/m", UpstreamUnreachable("x"))
        assert net.monitor.online
        await net.until(0.0)


async def test_silence_on_an_old_connection_has_the_clouds_probed_too() -> None:
    net = Net()
    net.a.up = net.b.up = False
    async with net.watched():
        net.fails("a/m", UpstreamTimeout("no first token"))
        await net.until(0.0)


async def test_an_old_failure_does_not_count_when_another_cloud_fails_later() -> None:
    net = Net()
    net.fails("a/m", UpstreamUnreachable("x"))
    net.clock.now_s += 60
    net.fails("b/m", UpstreamUnreachable("x"))
    assert net.monitor.online


async def test_any_answer_says_that_a_cloud_is_there() -> None:
    net = Net()
    net.fails("a/m", UpstreamUnreachable("x"))
    net.monitor.heard("a/m", {})
    net.fails("b/m", UpstreamUnreachable("x"))
    assert net.monitor.online


async def test_what_is_no_cloud_does_not_count() -> None:
    net = Net()
    for name in ("local", "counter/estimate", "c/m"):
        net.fails(name, UpstreamUnreachable("x"))
    net.fails("a/m", UpstreamUnreachable("x"))
    assert net.monitor.online
    net.monitor.heard("local", {})
    net.fails("b/m", UpstreamUnreachable("x"))
    assert not net.monitor.online


async def test_without_any_cloud_nothing_is_ever_probed_or_offline() -> None:
    monitor = HealthMonitor()
    monitor.failed("local", UpstreamUnreachable("x"))
    assert monitor.online


async def test_traffic_comes_back_by_steps_one_after_each_answered_probe() -> None:
    net = Net()
    net.a.up = net.b.up = False
    seen: list[float] = []
    async with net.watched():
        net.fails("a/m", UpstreamUnreachable("x"))
        await net.until(0.0)
        await asyncio.sleep(2 * PROBE_S)
        assert net.monitor.online_ratio == 0
        net.b.up = True
        async with asyncio.timeout(5):
            while net.monitor.online_ratio < 1:
                seen.append(net.monitor.online_ratio)
                await asyncio.sleep(PROBE_S / 10)
        probes = net.b.probes
        await asyncio.sleep(3 * PROBE_S)
        assert net.b.probes == probes, "once all is back, nothing is probed"
    assert list(dict.fromkeys(seen)) == [0, 0.1, 0.25, 0.5]


async def test_a_network_that_goes_again_while_traffic_comes_back_is_offline_at_once() -> None:
    net = Net()
    net.a.up = net.b.up = False
    async with net.watched():
        net.fails("a/m", UpstreamUnreachable("x"))
        await net.until(0.0)
        net.a.up = True
        await net.until(0.1)
        net.a.up = False
        net.fails("a/m", UpstreamUnreachable("x"))
        net.fails("b/m", UpstreamUnreachable("x"))
        assert net.monitor.online_ratio == 0


async def test_a_moment_of_nothing_that_the_first_probe_disproves_costs_no_steps() -> None:
    net = Net()
    async with net.watched():
        net.fails("a/m", UpstreamUnreachable("x"))
        net.fails("b/m", UpstreamUnreachable("x"))
        assert not net.monitor.online
        await asyncio.sleep(PROBE_S / 2)
        assert net.monitor.online_ratio == 1


async def test_it_can_be_turned_off() -> None:
    net = Net(enabled=False)
    net.fails("a/m", UpstreamUnreachable("x"))
    net.fails("b/m", UpstreamUnreachable("x"))
    assert net.monitor.online


async def test_a_probe_that_raises_is_no_answer_and_ends_no_watch() -> None:
    net = Net()
    net.a.fault, net.b.up = ZeroDivisionError("x"), False
    async with net.watched():
        net.fails("b/m", UpstreamUnreachable("x"))
        await net.until(0.0)
        net.b.up = True
        await net.until(1.0)
