"""Whether any cloud can be reached at all: a breaker for the network itself, and the background probes that close it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

import msgspec
from msgspec.structs import replace

from router.core.errors import stack_of
from router.core.ports import Provider

_STEPS = (0.1, 0.25, 0.5, 1.0)
"""Shares of traffic that may leave again after an outage, one after each probe that is answered."""

_FRESH_S = 10.0
"""How long it counts that a cloud couldn't be connected to."""

_PROBE_TIMEOUT_S = 3.0

_log = logging.getLogger(__name__)


class Uplink(msgspec.Struct, frozen=True):
    """What is known of the way to the clouds."""

    failed_s: Mapping[str, float] = {}
    """When each cloud last couldn't be connected to, in monotonic time; those that answered since aren't named."""
    ratio: float = 1.0
    """Share of the traffic that may leave, 0..1; 0 = none: the network is down."""


def unreachable(uplink: Uplink, cloud: str, clouds: frozenset[str], now_s: float) -> Uplink:
    """A cloud can't be connected to; when that is so of all of them, the network is down."""
    failed_s = {**uplink.failed_s, cloud: now_s}
    fresh = {name for name, at_s in failed_s.items() if now_s - at_s <= _FRESH_S}
    return Uplink(failed_s, 0.0 if clouds <= fresh else uplink.ratio)


def reached(uplink: Uplink, cloud: str) -> Uplink:
    """A cloud answered, whatever it answered; if the network was down, a part of the traffic may leave again."""
    failed_s = {name: at_s for name, at_s in uplink.failed_s.items() if name != cloud}
    return Uplink(failed_s, uplink.ratio or _STEPS[0])


def stepped(uplink: Uplink) -> Uplink:
    """Let the next larger share leave."""
    return replace(uplink, ratio=next((ratio for ratio in _STEPS if ratio > uplink.ratio), 1.0))


class UplinkWatch:
    """Hears of attempts, probes the clouds where there is doubt. Lives on the event loop; no locks needed."""

    def __init__(self, clouds: Mapping[str, Provider], probe_s: float, now_s: Callable[[], float]) -> None:
        """`clouds` are those that count; without any, the network is never taken for down."""
        self._clouds = clouds
        self._names = frozenset(clouds)
        self._probe_s = probe_s
        self._now_s = now_s
        self._uplink = Uplink()
        self._doubt = asyncio.Event()
        self._next_check_s = float("-inf")

    @property
    def ratio(self) -> float:
        """Share of the traffic that may leave, 0..1."""
        return self._uplink.ratio

    def unreachable(self, cloud: str) -> None:
        """An attempt, or a probe, couldn't connect."""
        if cloud in self._names:
            self._become(unreachable(self._uplink, cloud, self._names, self._now_s()))
            self._suspect()

    def doubted(self, cloud: str) -> None:
        """An attempt got no answer in time: over a connection from before, an outage looks like that."""
        if cloud in self._names:
            self._suspect()

    def reached(self, cloud: str) -> None:
        """An answer came."""
        if self._uplink.failed_s and cloud in self._names:
            self._become(reached(self._uplink, cloud))

    async def run(self) -> None:
        """Probe all clouds at once when there is doubt, then every `probe_s` until all traffic may leave again."""
        while True:
            await self._doubt.wait()
            if await self._probe() and self._uplink.ratio < 1.0:
                self._become(replace(self._uplink, ratio=1.0))  # it was over before anybody waited for it
            while self._uplink.ratio < 1.0:
                await asyncio.sleep(self._probe_s)
                was_down = self._uplink.ratio == 0.0
                if await self._probe() and not was_down:
                    self._become(stepped(self._uplink))

    def _suspect(self) -> None:
        """Have the clouds probed at once, but not again and again while one of several stays down."""
        if self._uplink.ratio == 0.0 or self._now_s() >= self._next_check_s:
            self._doubt.set()

    async def _probe(self) -> bool:
        """Ask every cloud whether it is there; sends nothing of any request. Returns whether one is."""
        self._doubt.clear()
        self._next_check_s = self._now_s() + self._probe_s
        return any(await asyncio.gather(*(self._reaches(name, cloud) for name, cloud in self._clouds.items())))

    async def _reaches(self, name: str, cloud: Provider) -> bool:
        try:
            async with asyncio.timeout(2 * _PROBE_TIMEOUT_S):  # a provider's own clock may fail it
                is_there = await cloud.reachable(_PROBE_TIMEOUT_S)
        except TimeoutError:
            is_there = False
        except Exception as error:  # noqa: BLE001 or nothing would ever leave again
            _log.error("provider %s: its probe failed, and so it can't be reached\n%s", name, stack_of(error))
            is_there = False
        if is_there:
            self.reached(name)
            return True
        self._become(unreachable(self._uplink, name, self._names, self._now_s()))
        return False

    def _become(self, uplink: Uplink) -> None:
        before, self._uplink = self._uplink.ratio, uplink
        if before > 0.0 and uplink.ratio == 0.0:
            _log.error("no cloud can be connected to: the local engine, if there is one, answers until one can")
        elif before == 0.0 and uplink.ratio > 0.0:
            _log.warning("a cloud can be connected to again: traffic goes back there by steps")
