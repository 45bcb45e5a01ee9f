"""A closed-loop load generator: so many callers, each sending its next request when the last one is answered."""

from __future__ import annotations

import asyncio
import itertools
import random
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


WORDS = (
    "please explain how the committee compared three proposals for a new bridge across the river and why the second "
    "design was cheaper to build although it needed more steel than the others according to the engineers report"
).split()
MARK = b"MARK"


def body(model: str, tokens: int, *, stream: bool) -> bytes:
    """A request whose prompt has about so many tokens of ordinary English; `fresh` makes each one new."""
    text = " ".join(WORDS[index % len(WORDS)] for index in range(tokens)) + " " + MARK.decode()
    request = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}
    return msgspec.json.encode(request)


def fresh(data: bytes, number: int) -> bytes:
    """Write other words into a request for each number, so that nobody can have seen it before."""
    words: list[str] = []
    while number:
        number, index = divmod(number, len(WORDS))
        words.append(WORDS[index])
    return data.replace(MARK, " ".join(words).encode())


async def closed_loop(url: str, data: bytes, *, at_once: int, seconds: float) -> Result:
    """Send requests of the same length, each of them new; latencies are of whole answers."""
    numbers = itertools.count(random.getrandbits(32))
    client = ClientBuilder().no_proxy().timeout(timedelta(seconds=30)).pool_max_idle_per_host(at_once).build()
    async with client:
        await asyncio.gather(*(_ask(client, url, fresh(data, next(numbers))) for _ in range(at_once)))
        times: list[float] = []
        failures: list[int] = []
        end = time.perf_counter() + seconds

        async def caller() -> None:
            while time.perf_counter() < end:
                started = time.perf_counter()
                status = await _ask(client, url, fresh(data, next(numbers)))
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
