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
from pathlib import Path

import msgspec

from bench.callers import ADAPTERS, BASE_SHARE, COLDEST, SLOTS, TOKENS, TRAFFIC, Caller, Steps, draw
from bench.drops import Drops, drops
from bench.drops import table as table_of_drops
from bench.gateway import say
from bench.lab import Lab, lab, listing, write_adapter
from local_inference.ports import SPARE_SLOTS

RESULTS = Path(__file__).parent / "results"
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


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, and its conditions."""

    date: str
    cores: int
    load_before: float
    seconds: float
    cells: list[Cell]
    overload: Overload | None
    drops: Drops | None


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
                    steps = Steps(one.engine_url, one.engine_key)
                    into.append(await closed_loop(caller, steps, traffic, at_once, seconds, rng))
                    await caller.close()
            cells.append(cell)
            say(row(cell))
    return cells


async def overload(running: Lab, *, seconds: float) -> Overload:
    """Find the capacity with a closed loop of 64, then offer twice as much, evenly spread over time at random."""
    names = {name: name for name in await listing(running.url)} | {"base": "base"}
    rng = random.Random(7)
    caller = Caller(running.url, None, names, rng)
    arm = await closed_loop(caller, Steps(running.engine_url, running.engine_key), "zipf", 64, seconds / 2, rng)
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
    if report.drops is not None:
        lines += table_of_drops(report.drops)
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
                # Callers get the spare slot there, too.
                lab(
                    alone,
                    engine | {"max_loras": SLOTS - SPARE_SLOTS, "extra_args": ["--scheduler-cls", STOCK]},
                ) as stock,
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
