"""Callers that load an engine host, and the engine's own count of its steps; what the scheduling benchmarks share."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import timedelta
from itertools import accumulate

import httpx
import msgspec
import numpy as np
from pyreqwest.client import Client, ClientBuilder

ADAPTERS, SLOTS, TOKENS = 8, 2, 32
BASE_SHARE = 0.15
TRAFFIC = {
    "uniform": [1.0] * ADAPTERS,
    "zipf": [1 / (rank + 1) ** 1.1 for rank in range(ADAPTERS)],
    "two-hot": [47.0, 47.0, *([1.0] * (ADAPTERS - 2))],
}
"""Weights of the adapters."""
COLDEST = {
    "uniform": frozenset({"lab7"}),
    "zipf": frozenset({"lab7"}),
    "two-hot": frozenset({"lab2", "lab3", "lab4", "lab5", "lab6", "lab7"}),
}
"""Whose waits are looked at: the least asked for; where all are alike, one of them."""


class Steps:
    """How many steps vLLM has computed, by time; its own counter, looked at four times a second."""

    def __init__(self, engine_url: str, engine_key: str) -> None:
        self._url = f"{engine_url}/metrics"
        self._headers = {"authorization": f"Bearer {engine_key}"}
        self._seen: list[tuple[float, float, float]] = []

    async def watch(self) -> None:
        """Look until cancelled."""
        async with httpx.AsyncClient(trust_env=False, headers=self._headers) as client:
            while True:
                text = (await client.get(self._url)).text
                self._seen.append((time.perf_counter(), _value(text, _STEPS), _value(text, _GENERATED)))
                await asyncio.sleep(0.25)

    def between(self, start_s: float, end_s: float) -> float:
        """Count the steps between two moments."""
        return self._at(end_s, 1) - self._at(start_s, 1)

    def tokens_per_step(self, start_s: float, end_s: float) -> float:
        return (self._at(end_s, 2) - self._at(start_s, 2)) / max(1.0, self.between(start_s, end_s))

    def _at(self, when_s: float, column: int) -> float:
        return float(np.interp(when_s, [one[0] for one in self._seen], [one[column] for one in self._seen]))


_STEPS, _GENERATED = "vllm:iteration_tokens_total_count", "vllm:generation_tokens_total"


def _value(text: str, name: str) -> float:
    return float(next(line for line in text.splitlines() if line.startswith(name)).rpartition(" ")[2])


class Caller:
    """Sends requests to one address and notes what came of them."""

    def __init__(
        self,
        url: str,
        key: str | None,
        names: dict[str, str],
        rng: random.Random,
        coldest: frozenset[str] = frozenset(),
    ) -> None:
        builder = ClientBuilder().no_proxy().timeout(timedelta(seconds=120)).pool_max_idle_per_host(256)
        if key:
            builder = builder.default_headers({"authorization": f"Bearer {key}"})
        self._client: Client = builder.build()
        self._url = f"{url}/v1/completions"
        self._names = names
        self._rng = rng
        self._coldest = coldest
        self.answers: list[tuple[str, float, float, float, int]] = []
        """(adapter, when it ended, seconds to the first byte, seconds in all, status)."""
        self.hints: list[str | None] = []
        """Retry-After of those that were refused."""

    async def ask(self, adapter: str) -> int:
        """Send one request, read its answer, note both; return the status."""
        stream = adapter in self._coldest
        body = {
            "model": self._names[adapter],
            "prompt": f"{self._rng.random()} tell me about the bridge across the river",
            "max_tokens": TOKENS,
            "ignore_eos": True,
            "stream": stream,
        }
        request = self._client.post(self._url).header("content-type", "application/json")
        request = request.body_bytes(msgspec.json.encode(body)).streamed_read_buffer_limit(0)
        started_s = time.perf_counter()
        async with request.build_streamed() as response:
            reader = response.body_reader
            await reader.read_chunk()
            first_s = time.perf_counter() - started_s
            while await reader.read_chunk() is not None:
                pass
            if response.status == 503:
                self.hints.append(response.get_header("retry-after"))
            ended_s = time.perf_counter()
            self.answers.append((adapter, ended_s, first_s, ended_s - started_s, response.status))
            return response.status

    async def close(self) -> None:
        await self._client.close()


def draw(traffic: str, rng: random.Random) -> str:
    """Choose whom the next request is for."""
    if rng.random() < BASE_SHARE:
        return "base"
    weights = list(accumulate(TRAFFIC[traffic]))
    return f"lab{rng.choices(range(ADAPTERS), cum_weights=weights)[0]}"
