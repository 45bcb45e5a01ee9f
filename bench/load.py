"""A closed-loop load generator: so many callers, each sending its next request when the last one is answered."""

from __future__ import annotations

import asyncio
import statistics
import time
from datetime import timedelta

import msgspec
from pyreqwest.client import Client, ClientBuilder


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What the callers saw."""

    at_once: int
    requests: int
    failed: int
    per_s: float
    p50_ms: float
    p99_ms: float


def body(model: str, tokens: int, *, stream: bool) -> bytes:
    """A request whose prompt has about so many tokens of ordinary English."""
    words = "the quick brown fox jumps over a lazy dog while seven wise owls watch from an old oak tree".split()
    text = " ".join(words[index % len(words)] for index in range(tokens))
    request = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}
    return msgspec.json.encode(request)


async def closed_loop(url: str, data: bytes, *, at_once: int, seconds: float) -> Result:
    """Send the same request over and over; latencies are of whole answers."""
    client = ClientBuilder().no_proxy().timeout(timedelta(seconds=30)).pool_max_idle_per_host(at_once).build()
    async with client:
        await asyncio.gather(*(_ask(client, url, data) for _ in range(at_once)))
        times: list[float] = []
        failures: list[int] = []
        end = time.perf_counter() + seconds

        async def caller() -> None:
            while time.perf_counter() < end:
                started = time.perf_counter()
                status = await _ask(client, url, data)
                times.append(time.perf_counter() - started)
                if status != 200:
                    failures.append(status)

        started = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(at_once)))
        elapsed = time.perf_counter() - started
    cuts = statistics.quantiles(times, n=100) if len(times) > 1 else [times[0]] * 99
    return Result(
        at_once=at_once,
        requests=len(times),
        failed=len(failures),
        per_s=round(len(times) / elapsed, 1),
        p50_ms=round(cuts[49] * 1000, 3),
        p99_ms=round(cuts[98] * 1000, 3),
    )


async def _ask(client: Client, url: str, data: bytes) -> int:
    request = client.post(url).header("content-type", "application/json").body_bytes(data).build()
    response = await request.send()
    await response.bytes()
    return response.status
