"""Which of several engine hosts gets a request: where its adapter is in reach soonest, all waits added up.

Each host keeps an engine, a store and a queue of its own, so that one may fail without the others; what stands here is
only the choice. The router, not a host, makes it: it sees all hosts, and a host that died couldn't.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from urllib.parse import quote

import msgspec

from router.core.adapters import AdapterInfo, AdapterListing
from router.core.clock import monotonic_s
from router.core.errors import AdapterNotFound, AdapterNotReady, Overloaded, RouterError, SlotsExhausted
from router.core.errors import UpstreamUnavailable as Unavailable
from router.core.ports import ignored
from router.core.types import Cleared
from router.providers._http import Answer, Egress

WAIT_HEADER = "x-engine-wait-ms"
"""How long the next request would wait at a host; on its answers."""
TENANT_HEADER = "x-router-tenant"
"""Whose request it is, percent-encoded: some adapters are for some tenants, and turns go round them."""
_ELSEWHERE = (Unavailable, Overloaded, SlotsExhausted, AdapterNotReady, AdapterNotFound)
"""Refusals after which another host is asked: nothing was answered yet."""
_PAUSE_S = 2.0
"""A host that couldn't be reached is asked last for so long."""
_UNKNOWN_MS = 200.0
"""Reckoned for a load whose time isn't known."""
_TURN_MS = 50.0
"""Reckoned for each request that this router has at a host: what keeps equal hosts equally busy."""


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one host with regard to one request."""

    wait_ms: float
    in_flight: int
    move_ms: float | None
    """What bringing the adapter onto the device takes; None = this host doesn't have it."""
    down: bool = False


def ranked(hosts: Sequence[Reach]) -> tuple[int, ...]:
    """Order hosts by when they could begin; those without the adapter after those with it, those down last."""

    def cost(index: int) -> tuple[bool, bool, float, int]:
        one = hosts[index]
        return one.down, one.move_ms is None, one.wait_ms + one.in_flight * _TURN_MS + (one.move_ms or 0.0), index

    return tuple(sorted(range(len(hosts)), key=cost))


def move_ms(info: AdapterInfo | None) -> float | None:
    """Reckon what bringing an adapter onto a host's device takes."""
    if info is None or info.state != "ready":
        return None
    if info.residency == "device":
        return 0.0
    known = info.activate_ms if info.residency == "host" else info.load_ms
    return _UNKNOWN_MS if known is None else known


class _Host:
    """One host and what is known of it."""

    def __init__(self, egress: Egress) -> None:
        self.egress = egress
        self.adapters: Mapping[str, AdapterInfo] = {}
        self.wait_ms = 0.0
        self.in_flight = 0
        self.down_until_s = 0.0

    def reach(self, adapter: str | None, now_s: float) -> Reach:
        move = 0.0 if adapter is None else move_ms(self.adapters.get(adapter))
        return Reach(wait_ms=self.wait_ms, in_flight=self.in_flight, move_ms=move, down=now_s < self.down_until_s)

    @contextmanager
    def busy(self) -> Generator[None]:
        """Count a request as long as it lasts."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def answered(self, adapter: str | None, wait_ms: str | None) -> None:
        """Note that it answers, its queue, and that the adapter is on its device until its next list says more."""
        self.down_until_s = 0.0
        with suppress(ValueError):
            self.wait_ms = float(wait_ms or 0.0)
        info = self.adapters.get(adapter) if adapter else None
        if info is not None and info.residency != "device":
            self.adapters = {**self.adapters, info.id: msgspec.structs.replace(info, residency="device")}

    def refused(self, error: RouterError) -> None:
        """Note why it doesn't answer."""
        if isinstance(error, Unavailable):
            self.down_until_s = monotonic_s() + _PAUSE_S
        elif error.retry_after_s is not None:
            self.wait_ms = error.retry_after_s * 1000


class Replicas:
    """The way to all engine hosts, asked like one `Egress`; each send passes the check of the chosen host's own."""

    def __init__(self, egresses: Sequence[Egress]) -> None:
        self._hosts = tuple(map(_Host, egresses))

    @asynccontextmanager
    async def post(
        self,
        path: str,
        body: bytes,
        cleared: Cleared,
        headers: Mapping[str, str] | None = None,
        heard: Callable[[Mapping[str, str]], None] = ignored,
    ) -> AsyncGenerator[Answer]:
        """See `Egress.post`. Where a host refuses before it answers, the next one is asked.

        Raises:
            RouterError: no host answers; the error of the one that was asked first.
        """
        adapter = cleared.target.adapter
        headers = {TENANT_HEADER: quote(cleared.tenant, safe=""), **(headers or {})}
        first: RouterError | None = None
        now_s = monotonic_s()
        for index in ranked([host.reach(adapter, now_s) for host in self._hosts]):
            host = self._hosts[index]
            async with AsyncExitStack() as stack:
                stack.enter_context(host.busy())
                try:
                    response = await stack.enter_async_context(host.egress.post(path, body, cleared, headers, heard))
                except _ELSEWHERE as error:
                    host.refused(error)
                    first = first or error
                    continue
                host.answered(adapter, response.headers.get(WAIT_HEADER))
                yield response
                return
        assert first is not None, "there is at least one host"
        raise first

    def listed(self, index: int, listing: AdapterListing) -> None:
        """Take over what one host lists."""
        self._hosts[index].adapters = {info.id: info for info in listing.data}

    async def reachable(self, timeout_s: float) -> bool:
        """Say whether any host answers at all."""
        return any(await asyncio.gather(*(host.egress.reachable(timeout_s) for host in self._hosts)))

    async def aclose(self) -> None:
        """Close all connections."""
        for host in self._hosts:
            await host.egress.aclose()


def merged(listings: Sequence[AdapterListing], revision: int) -> AdapterListing:
    """Make one list of several hosts': of each version the entry that can do most, wherever it is."""
    best: dict[str, AdapterInfo] = {}
    for info in (info for listing in listings for info in listing.data):
        known = best.get(info.id)
        if known is None or _ability(info) > _ability(known):
            best[info.id] = info
    ordered = sorted(best.values(), key=lambda info: (info.name, info.state, not info.current, info.version))
    return AdapterListing(revision=revision, base_model=listings[0].base_model, data=tuple(ordered))


def _ability(info: AdapterInfo) -> tuple[bool, bool, bool, int]:
    return (
        info.state == "ready",
        info.current,
        info.state != "quarantined",
        ("disk", "host", "device").index(info.residency),
    )
