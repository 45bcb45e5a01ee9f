"""The queue in front of vLLM against the same load sent straight to it; and what overload and drops under load do.

Each arm has a vLLM of its own, the direct one with its own scheduler; they take turns. Closed loop: so many callers, each with the next request when its last is
answered. The coldest adapter's requests are streamed, to see when their first token comes; all others are whole.

Beside seconds, waits are counted in steps of the engine, and its work in tokens a step: what else runs on the machine
makes steps longer and changes neither.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import accumulate
from pathlib import Path

import httpx
import msgspec
import numpy as np
from pyreqwest.client import Client, ClientBuilder

from bench.gateway import say
from bench.lab import Lab, lab, listing, write_adapter

RESULTS = Path(__file__).parent / "results"
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
STOCK = "vllm.v1.core.sched.scheduler.Scheduler"
BOUND_S = 10.0
"""The set bound of a wait: past it the host refuses."""


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """What the callers of one arm saw in one run."""

    tokens_per_s: float
    base_p50_s: float
    coldest_worst_s: float
    """Until the first token."""
    worst_s: float
    """Of any adapter's whole answer."""
    failed: int
    tokens_per_step: float
    coldest_worst_steps: float
    """As `coldest_worst_s`, in steps of the engine."""
    worst_steps: float


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One load, by both arms, all runs."""

    traffic: str
    at_once: int
    direct: list[Arm]
    queued: list[Arm]

    def ratio(self, of: Callable[[Arm], float]) -> float:
        """Median of the queue's runs over the median of the direct ones."""
        return statistics.median(map(of, self.queued)) / (statistics.median(map(of, self.direct)) or float("nan"))


class Overload(msgspec.Struct, frozen=True, kw_only=True):
    """Open loop at twice what the host can do."""

    capacity_per_s: float
    offered_per_s: float
    accepted: int
    accepted_p50_s: float
    accepted_p99_s: float
    bound_s: float
    refused: int
    refused_p99_ms: float
    without_retry_after: int
    failed: int
    host_mb_before: float
    host_mb_after: float


class Drops(msgspec.Struct, frozen=True, kw_only=True):
    """Large adapters dropped under load."""

    size_mib: float
    selectable_s: list[float]
    load_ms: list[float]
    requests: int
    failed: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, and its conditions."""

    date: str
    cores: int
    load_before: float
    seconds: float
    cells: list[Cell]
    overload: Overload | None
    drops: Drops | None


class Steps:
    """How many steps vLLM has computed, by time; its own counter, looked at four times a second."""

    def __init__(self, engine_url: str) -> None:
        self._url = f"{engine_url}/metrics"
        self._seen: list[tuple[float, float, float]] = []

    async def watch(self) -> None:
        """Look until cancelled."""
        async with httpx.AsyncClient(trust_env=False) as client:
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


async def closed_loop(
    caller: Caller, steps: Steps, traffic: str, at_once: int, seconds: float, rng: random.Random
) -> Arm:
    """Load for a while; the first second doesn't count."""
    watching = asyncio.create_task(steps.watch())
    start_s = time.perf_counter() + 1.0
    end_s = start_s + seconds

    async def loop() -> None:
        while time.perf_counter() < end_s:
            if await caller.ask(draw(traffic, rng)) == 503:
                await asyncio.sleep(1.0)  # as Retry-After says

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(loop())
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    counted = [one for one in caller.answers if start_s <= one[1] <= end_s and one[4] == 200]
    later = [one for one in caller.answers if one[1] >= start_s]  # who waited past the end waited nonetheless
    base = [whole for adapter, _, _, whole, _ in counted if adapter == "base"]
    coldest = [one for one in later if one[0] in COLDEST[traffic]]
    return Arm(
        tokens_per_s=round(len(counted) * TOKENS / seconds, 1),
        base_p50_s=round(statistics.median(base), 4),
        coldest_worst_s=round(max((one[2] for one in coldest), default=0.0), 3),
        worst_s=round(max(whole for adapter, _, _, whole, _ in later if adapter != "base"), 3),
        failed=sum(one[4] != 200 for one in caller.answers),
        tokens_per_step=round(steps.tokens_per_step(start_s, end_s), 2),
        coldest_worst_steps=round(max((_steps_until_first(one, steps) for one in coldest), default=0.0), 1),
        worst_steps=round(max(steps.between(one[1] - one[3], one[1]) for one in later if one[0] != "base"), 1),
    )


def _steps_until_first(answer: tuple[str, float, float, float, int], steps: Steps) -> float:
    _, ended_s, first_s, whole_s, _ = answer
    return steps.between(ended_s - whole_s, ended_s - whole_s + first_s)


async def compare(stock: Lab, running: Lab, *, runs: int, seconds: float) -> list[Cell]:
    """Measure every load, the arms in turn, each run in another order."""
    names = {name: f"{name}@{one['version']}" for name, one in (await listing(running.url)).items()}
    names["base"] = "local/base"
    cells: list[Cell] = []
    for traffic in TRAFFIC:
        for at_once in (16, 64):
            cell = Cell(traffic=traffic, at_once=at_once, direct=[], queued=[])
            for run in range(runs):
                arms = [(stock, cell.direct), (running, cell.queued)]
                for one, into in arms if run % 2 else reversed(arms):
                    rng = random.Random(run)
                    url, key = (stock.engine_url, stock.engine_key) if one is stock else (running.url, None)
                    caller = Caller(url, key, names, rng, COLDEST[traffic])
                    into.append(await closed_loop(caller, Steps(one.engine_url), traffic, at_once, seconds, rng))
                    await caller.close()
            cells.append(cell)
            say(row(cell))
    return cells


async def overload(running: Lab, *, seconds: float) -> Overload:
    """Find the capacity with a closed loop of 64, then offer twice as much, evenly spread over time at random."""
    names = {name: name for name in await listing(running.url)} | {"base": "base"}
    rng = random.Random(7)
    caller = Caller(running.url, None, names, rng)
    arm = await closed_loop(caller, Steps(running.engine_url), "zipf", 64, seconds / 2, rng)
    capacity = arm.tokens_per_s / TOKENS
    await caller.close()
    caller = Caller(running.url, None, names, rng)
    before_mb = running.host_mb()
    end_s = time.perf_counter() + seconds
    async with asyncio.TaskGroup() as group:
        while time.perf_counter() < end_s:
            group.create_task(caller.ask(draw("zipf", rng)))
            await asyncio.sleep(rng.expovariate(2 * capacity))
    after_mb = running.host_mb()
    await caller.close()
    accepted = sorted(whole for _, _, _, whole, status in caller.answers if status == 200)
    refused = sorted(whole for _, _, _, whole, status in caller.answers if status == 503)
    return Overload(
        capacity_per_s=round(capacity, 1),
        offered_per_s=round(len(caller.answers) / seconds, 1),
        accepted=len(accepted),
        accepted_p50_s=round(statistics.median(accepted), 2),
        accepted_p99_s=round(accepted[int(len(accepted) * 0.99)], 2),
        bound_s=OVERLOAD_WAIT_S,
        refused=len(refused),
        refused_p99_ms=round(refused[int(len(refused) * 0.99)] * 1000, 1) if refused else 0.0,
        without_retry_after=sum(hint is None for hint in caller.hints),
        failed=sum(status not in (200, 503) for *_, status in caller.answers),
        host_mb_before=round(before_mb, 1),
        host_mb_after=round(after_mb, 1),
    )


OVERLOAD_WAIT_S = 3.0


async def drops(running: Lab, folder: Path, *, count: int) -> Drops:
    """Drop adapters of 40 MB one after the other while 16 callers keep the engine busy."""
    names = {name: name for name in await listing(running.url)} | {"base": "base"}
    rng = random.Random(3)
    caller = Caller(running.url, None, names, rng)
    stop = asyncio.Event()

    async def loop() -> None:
        while not stop.is_set():
            await caller.ask(draw("zipf", rng))

    times: list[float] = []
    loads: list[float] = []
    size = 0.0
    async with asyncio.TaskGroup() as group:
        for _ in range(16):
            group.create_task(loop())
        await asyncio.sleep(2)
        for number in range(count):
            made = folder / "made" / f"big{number}"
            size = await asyncio.to_thread(write_adapter, made, rank=512, seed=100 + number)
            made.rename(running.adapters / made.name)
            dropped_s = time.perf_counter()
            while (one := (await listing(running.url)).get(made.name, {})).get("state") != "ready":
                await asyncio.sleep(0.02)
            times.append(round(time.perf_counter() - dropped_s, 2))
            loads.append(round(float(str(one["load_ms"])), 1))
        stop.set()
    await caller.close()
    failed = sum(status != 200 for *_, status in caller.answers)
    return Drops(
        size_mib=round(size, 1), selectable_s=times, load_ms=loads, requests=len(caller.answers), failed=failed
    )


def row(cell: Cell) -> str:
    """One line of the table."""
    direct = statistics.median(arm.tokens_per_s for arm in cell.direct)
    queued = statistics.median(arm.tokens_per_s for arm in cell.queued)
    coldest = statistics.median(arm.coldest_worst_s for arm in cell.queued)
    failed = sum(arm.failed for arm in (*cell.direct, *cell.queued))
    return (
        f"| {cell.traffic} | {cell.at_once} | {direct:,.0f} | {queued:,.0f} | {cell.ratio(lambda a: a.tokens_per_s):.2f} "
        f"| {statistics.median(arm.coldest_worst_s for arm in cell.direct):.2f} | {coldest:.2f} "
        f"| {cell.ratio(lambda a: a.coldest_worst_s):.2f} | {cell.ratio(lambda a: a.worst_s):.2f} "
        f"| {cell.ratio(lambda a: a.base_p50_s):.2f} | {cell.ratio(lambda a: a.tokens_per_step):.2f} "
        f"| {cell.ratio(lambda a: a.coldest_worst_steps):.2f} | {cell.ratio(lambda a: a.worst_steps):.2f} | {failed} |"
    )


def table(report: Report) -> str:
    """The report as Markdown."""
    runs = len(report.cells[0].direct) if report.cells else 0
    lines = [
        f"{report.date}, {report.cores} cores, load before {report.load_before}; {runs} runs of {report.seconds:g} s an "
        f"arm, medians; {ADAPTERS} adapters, {SLOTS} slots, {TOKENS} tokens an answer, {BASE_SHARE:.0%} base; bound "
        f"{BOUND_S:g} s",
        "",
        "| traffic | at a time | direct tokens/s | queued | ratio | coldest's worst wait, direct s | queued s | ratio "
        "| any adapter's worst answer, ratio | base p50 ratio | tokens a step, ratio | coldest's worst, steps, ratio "
        "| any worst, steps, ratio | failed |",
        "|---" * 14 + "|",
        *(row(cell) for cell in report.cells),
    ]
    if (one := report.overload) is not None:
        lines += [
            "",
            f"Offered {one.offered_per_s} requests/s at a capacity of {one.capacity_per_s}: {one.accepted} answered, p50 "
            f"{one.accepted_p50_s} s, p99 {one.accepted_p99_s} s (waits up to {one.bound_s:g} s); {one.refused} refused "
            f"with 503, p99 after {one.refused_p99_ms} ms, {one.without_retry_after} without Retry-After; {one.failed} "
            f"failed; host {one.host_mb_before} -> {one.host_mb_after} MB",
        ]
    if (drop := report.drops) is not None:
        lines += [
            "",
            f"{len(drop.selectable_s)} adapters of {drop.size_mib} MiB dropped under load: selectable after "
            f"{drop.selectable_s} s, loads {drop.load_ms} ms; {drop.failed} of {drop.requests} requests failed",
        ]
    return "\n".join(lines)


PARTS = ("turns", "overload", "drops")


async def measure(parts: Sequence[str], *, runs: int, seconds: float, count: int) -> Report:
    """Start vLLM for each part, and measure."""
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in range(ADAPTERS):
            modules = ("self_attn.q_proj", "self_attn.v_proj")
            write_adapter(folder / "adapters" / f"lab{seed}", rank=8, seed=seed, modules=modules)
        engine: dict[str, object] = {"max_loras": SLOTS, "max_cpu_loras": 16, "max_lora_rank": 8}
        cells: list[Cell] = []
        loaded: Overload | None = None
        dropped: Drops | None = None
        if "turns" in parts:
            say("starting vLLM")
            alone = folder / "stock"
            shutil.copytree(folder / "adapters", alone / "adapters")
            async with (
                lab(alone, engine | {"extra_args": ["--scheduler-cls", STOCK]}) as stock,
                lab(folder, engine, max_wait_s=BOUND_S) as running,
            ):
                cells = await compare(stock, running, runs=runs, seconds=seconds)
        if "overload" in parts:
            say("starting vLLM for overload")
            async with lab(folder, engine | {"max_num_seqs": 32}, max_wait_s=OVERLOAD_WAIT_S) as running:
                loaded = await overload(running, seconds=2 * seconds)
        if "drops" in parts:
            say("starting vLLM for large adapters")
            async with lab(folder, engine | {"max_lora_rank": 512}) as running:
                dropped = await drops(running, folder, count=count)
    return Report(
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        cores=os.cpu_count() or 0,
        load_before=round(load_before, 2),
        seconds=seconds,
        cells=cells,
        overload=loaded,
        drops=dropped,
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.scheduling", description=__doc__)
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"what to measure: {', '.join(PARTS)}; all by default")
    parser.add_argument("--runs", type=int, default=5, help="of each arm and load")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long each run lasts")
    parser.add_argument("--count", type=int, default=10, help="large adapters to drop under load")
    arguments = parser.parse_args()
    report = asyncio.run(
        measure(arguments.parts, runs=arguments.runs, seconds=arguments.seconds, count=arguments.count)
    )
    RESULTS.mkdir(exist_ok=True)
    name = report.date.replace(":", "").replace("+0000", "")
    (RESULTS / f"scheduling-{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2))
    print(table(report))


if __name__ == "__main__":
    main()
