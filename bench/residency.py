"""Which eviction policy costs least: FIFO, LRU, LFU, GDSF, the live one and Belady's, replayed over the same traces.

Costs are milliseconds of loading. A trace is a sequence of adapter numbers; all are made from seeds, so a run can be
repeated to the digit. One trace favours one policy or the other by chance: told are the mean over the seeds of what a
policy cost in parts of what LRU cost, and the standard deviation. Belady's policy looks into the future: what is wanted
latest, weighed by its cost, goes first. Of loads that all cost the same none can do with fewer.

Loading ahead of need is replayed too: in some gaps between uses the adapter that is worth most outside takes the place of
the one that is worth least inside.
"""

from __future__ import annotations

import argparse
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Protocol

import msgspec

from bench.residency_traces import ADAPTERS, USES, costs_of, traces
from local_inference.eviction import Rehearsal, Uses, worth

RESULTS = Path(__file__).parent / "results"
SLOTS = (4, 16, 32, 64)
SEEDS = tuple(range(1, 21))
GAPS = 0.2
"""Part of the uses after which there is time for a load that nobody waits for."""
Trace = Sequence[int]
Costs = Sequence[float]


class Policy(Protocol):
    """Sees every use, hit or miss, and names who goes."""

    def used(self, adapter: int, at: int) -> None: ...
    def loaded(self, adapter: int) -> None: ...
    def evict(self, among: dict[int, None], at: int) -> int: ...


class Fifo:
    """Who came first goes."""

    def __init__(self, trace: Trace, slots: int, costs: Costs) -> None:
        del trace, slots, costs

    def used(self, adapter: int, at: int) -> None: ...
    def loaded(self, adapter: int) -> None: ...

    def evict(self, among: dict[int, None], at: int) -> int:
        return next(iter(among))


class Lru(Fifo):
    """Who wasn't used for longest goes; vLLM's policy."""

    def __init__(self, trace: Trace, slots: int, costs: Costs) -> None:
        self._last: dict[int, int] = {}

    def used(self, adapter: int, at: int) -> None:
        self._last[adapter] = at

    def evict(self, among: dict[int, None], at: int) -> int:
        return min(among, key=self._last.__getitem__)


class Lfu(Fifo):
    """Who was used least often, ever, goes."""

    def __init__(self, trace: Trace, slots: int, costs: Costs) -> None:
        self._uses = Counter[int]()

    def used(self, adapter: int, at: int) -> None:
        self._uses[adapter] += 1

    def evict(self, among: dict[int, None], at: int) -> int:
        return min(among, key=self._uses.__getitem__)


class Gdsf(Fifo):
    """Uses times cost, above a level that rises with every eviction; as published."""

    def __init__(self, trace: Trace, slots: int, costs: Costs) -> None:
        self._costs = costs
        self._uses = Counter[int]()
        self._worth: dict[int, float] = {}
        self._level = 0.0

    def used(self, adapter: int, at: int) -> None:
        self._uses[adapter] += 1
        if adapter in self._worth:
            self.loaded(adapter)

    def loaded(self, adapter: int) -> None:
        self._worth[adapter] = self._level + self._uses[adapter] * self._costs[adapter]

    def evict(self, among: dict[int, None], at: int) -> int:
        chosen = min(among, key=self._worth.__getitem__)
        self._level = self._worth.pop(chosen)
        return chosen


class Live(Fifo):
    """What the engine host does: the rule that would have cost least of late."""

    def __init__(self, trace: Trace, slots: int, costs: Costs) -> None:
        self._uses, self._rehearsal = Uses(), Rehearsal(slots)
        self._names = [str(adapter) for adapter in range(len(costs))]
        self._costs = dict(zip(self._names, costs, strict=True))

    def used(self, adapter: int, at: int) -> None:
        self._uses.used(self._names[adapter])
        self._rehearsal.used(self._names[adapter], self._uses, self._costs)

    def evict(self, among: dict[int, None], at: int) -> int:
        return int(self._rehearsal.rule([self._names[one] for one in among], self._uses, self._costs))

    def ahead(self, inside: dict[int, None], outside: Iterable[int], latest: int) -> tuple[int, int] | None:
        """Name who could come in ahead of need, and for whom; not for the one that was just used."""
        known = [self._names[one] for one in outside if self._uses.long.rate(self._names[one])]
        if not known or len(inside) < 2:
            return None
        least = str(self.evict({one: None for one in inside if one != latest}, 0))
        best = max(known, key=lambda one: worth(one, self._uses.long, self._costs))
        is_better = worth(best, self._uses.long, self._costs) > worth(least, self._uses.long, self._costs)
        return (int(best), int(least)) if is_better else None


class Belady(Fifo):
    """Knows the future."""

    def __init__(self, trace: Trace, slots: int, costs: Costs) -> None:
        self._costs = costs
        self._next: dict[int, float] = {}
        seen: dict[int, float] = {}
        self._after = [math.inf] * len(trace)
        for at in range(len(trace) - 1, -1, -1):
            self._after[at] = seen.get(trace[at], math.inf)
            seen[trace[at]] = at

    def used(self, adapter: int, at: int) -> None:
        self._next[adapter] = self._after[at]

    def evict(self, among: dict[int, None], at: int) -> int:
        return max(among, key=lambda one: (self._next[one] - at) / self._costs[one])


Make = Callable[[Trace, int, Costs], Policy]
POLICIES: dict[str, Make] = {
    "FIFO": Fifo,
    "LRU": Lru,
    "LFU": Lfu,
    "GDSF": Gdsf,
    "live": Live,
    "Belady": Belady,
}


def replay(trace: Trace, slots: int, costs: Costs, make: Make) -> float:
    """Sum the cost of all loads, in ms."""
    policy, inside, total_ms = make(trace, slots, costs), dict[int, None](), 0.0
    for at, adapter in enumerate(trace):
        policy.used(adapter, at)
        if adapter in inside:
            continue
        total_ms += costs[adapter]
        if len(inside) == slots:
            del inside[policy.evict(inside, at)]
        inside[adapter] = None
        policy.loaded(adapter)
    return total_ms


def replay_ahead(trace: Trace, slots: int, costs: Costs, seed: int = 9) -> tuple[float, float]:
    """Replay the live policy with loads ahead of need; sum the cost of the loads that are waited for, and of the others."""
    rng, policy, inside = random.Random(seed), Live(trace, slots, costs), dict[int, None]()
    waited_ms = ahead_ms = 0.0
    for at, adapter in enumerate(trace):
        policy.used(adapter, at)
        if adapter not in inside:
            waited_ms += costs[adapter]
            if len(inside) == slots:
                del inside[policy.evict(inside, at)]
            inside[adapter] = None
        if rng.random() < GAPS and len(inside) == slots:
            outside = (one for one in range(len(costs)) if one not in inside)
            if (swap := policy.ahead(inside, outside, adapter)) is not None:
                comes, goes = swap
                del inside[goes]
                inside[comes] = None
                ahead_ms += costs[comes]
    return waited_ms, ahead_ms


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What each policy cost on one trace, in parts of what LRU cost: the mean over the seeds."""

    trace: str
    costs: str
    slots: int
    ratio: dict[str, float]
    deviation: float
    """Of the live policy's, over the seeds."""


class Ahead(msgspec.Struct, frozen=True, kw_only=True):
    """What loading ahead of need changes, in parts of what the live policy's loads cost without it."""

    trace: str
    costs: str
    slots: int
    waited: float
    """Cost of the loads that are still waited for."""
    ahead: float
    """Cost of the others."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    uses: int
    seeds: tuple[int, ...]
    gaps: float
    rows: list[Row]
    ahead: list[Ahead]


def measure(uses: int = USES, seeds: tuple[int, ...] = SEEDS) -> Report:
    """Replay everything."""
    rows: list[Row] = []
    ahead: list[Ahead] = []
    made = [traces(seed, uses=uses) for seed in seeds]
    for kind in ("spread", "equal"):
        costs = [costs_of(kind, seed + 4) for seed in seeds]
        for name in made[0]:
            for slots in SLOTS:
                runs = [(one[name], slots, cost) for one, cost in zip(made, costs, strict=True)]
                rows.append(compare(name, kind, runs))
                if slots in AHEAD_SLOTS:
                    alone = replay(*runs[0], Live)
                    waited, other = (round(ms / alone, 3) for ms in replay_ahead(*runs[0]))
                    ahead.append(Ahead(trace=name, costs=kind, slots=slots, waited=waited, ahead=other))
    return Report(uses=uses, seeds=seeds, gaps=GAPS, rows=rows, ahead=ahead)


def compare(name: str, kind: str, runs: Sequence[tuple[Trace, int, Costs]]) -> Row:
    """Replay one trace's seeds with all policies."""
    totals = {policy: [replay(*run, make) for run in runs] for policy, make in POLICIES.items()}
    ratios = {
        policy: [ms / base for ms, base in zip(each, totals["LRU"], strict=True)] for policy, each in totals.items()
    }
    return Row(
        trace=name,
        costs=kind,
        slots=runs[0][1],
        ratio={policy: round(mean(each), 3) for policy, each in ratios.items()},
        deviation=round(stdev(ratios["live"]), 3) if len(runs) > 1 else 0.0,
    )


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw cost over slots, a panel a trace, where matplotlib is installed."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        return
    names = list(dict.fromkeys(row.trace for row in rows))
    figure, axes = pyplot.subplots(4, 6, figsize=(20, 12), sharex=True, sharey=True, layout="constrained")
    for index, (kind, name) in enumerate((kind, name) for kind in ("spread", "equal") for name in names):
        panel = axes.flat[index]
        shown = [row for row in rows if (row.costs, row.trace) == (kind, name)]
        for policy, style in STYLES.items():
            panel.plot([row.slots for row in shown], [row.ratio[policy] for row in shown], label=policy, **style)
        panel.set_title(f"{name}, {kind} costs", fontsize=11)
        panel.set_xscale("log", base=2)
        panel.set_xticks(SLOTS, [str(slots) for slots in SLOTS])
        panel.set_ylim(0.15, 1.12)
        panel.grid(alpha=0.3)
    figure.supxlabel(f"slots, of {ADAPTERS} adapters")
    figure.supylabel("cost of all loads, in parts of LRU's")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(STYLES), frameon=False, fontsize=12)
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


STYLES: dict[str, dict[str, object]] = {
    "LRU": {"color": "black", "linestyle": "--", "linewidth": 1.2},
    "LFU": {"color": "tab:orange", "linewidth": 1.2},
    "GDSF": {"color": "tab:green", "linewidth": 1.2},
    "live": {"color": "tab:blue", "linewidth": 2.6, "marker": "o", "markersize": 4},
    "Belady": {"color": "tab:gray", "linestyle": ":", "linewidth": 1.6},
}
"""FIFO is like LRU, and left out."""
AHEAD_SLOTS = (4, 16, 64)


def table(report: Report) -> str:
    """The report as Markdown."""
    rows = report.rows
    lines = ["| costs | trace | slots | " + " | ".join(POLICIES) + " | live's ± |", "|---" * (4 + len(POLICIES)) + "|"]
    for row in rows:
        cells = " | ".join(f"{row.ratio[policy]:.2f}" for policy in POLICIES)
        lines.append(f"| {row.costs} | {row.trace} | {row.slots} | {cells} | {row.deviation:.3f} |")
    lines += ["", "| costs | trace | slots | loads still waited for | loads ahead of need |", "|---" * 5 + "|"]
    lines += [
        f"| {one.costs} | {one.trace} | {one.slots} | {one.waited:.2f} | {one.ahead:.2f} |" for one in report.ahead
    ]
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.residency", description=__doc__)
    parser.add_argument("--uses", type=int, default=USES, help="length of each trace")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many of each")
    arguments = parser.parse_args()
    report = measure(arguments.uses, tuple(range(1, arguments.seeds + 1)))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "residency.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    draw(report.rows, RESULTS / "residency.png")
    print(table(report))


if __name__ == "__main__":
    main()
