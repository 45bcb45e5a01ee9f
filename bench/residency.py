"""Which eviction policy costs least: FIFO, LRU, LFU, GDSF, the live one and Belady's, replayed over the same traces.

Costs are milliseconds of loading. A trace is a sequence of adapter numbers; all are made from seeds, so a run can be
repeated to the digit; costs are summed over the seeds, since one trace favours one policy or the other by chance.
Belady's policy looks into the future: what is wanted latest, weighed by its cost, goes first.

Loading ahead of need is replayed too: in some gaps between uses the adapter that is worth most outside takes the place of
the one that is worth least inside.
"""

from __future__ import annotations

import argparse
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import Protocol

import msgspec

from local_inference.eviction import DecayedUse, victim, worth

RESULTS = Path(__file__).parent / "results"
ADAPTERS, USES = 128, 20_000
SLOTS = (2, 4, 8, 16, 32, 64)
SEEDS = (1, 2, 3)
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

    def __init__(self, trace: Trace, costs: Costs) -> None:
        del trace, costs

    def used(self, adapter: int, at: int) -> None: ...
    def loaded(self, adapter: int) -> None: ...

    def evict(self, among: dict[int, None], at: int) -> int:
        return next(iter(among))


class Lru(Fifo):
    """Who wasn't used for longest goes; vLLM's policy."""

    def __init__(self, trace: Trace, costs: Costs) -> None:
        self._last: dict[int, int] = {}

    def used(self, adapter: int, at: int) -> None:
        self._last[adapter] = at

    def evict(self, among: dict[int, None], at: int) -> int:
        return min(among, key=self._last.__getitem__)


class Lfu(Fifo):
    """Who was used least often, ever, goes."""

    def __init__(self, trace: Trace, costs: Costs) -> None:
        self._uses = Counter[int]()

    def used(self, adapter: int, at: int) -> None:
        self._uses[adapter] += 1

    def evict(self, among: dict[int, None], at: int) -> int:
        return min(among, key=self._uses.__getitem__)


class Gdsf(Fifo):
    """Uses times cost, above a level that rises with every eviction; as published."""

    def __init__(self, trace: Trace, costs: Costs) -> None:
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
    """What the engine host does: cost times decayed uses."""

    def __init__(self, trace: Trace, costs: Costs) -> None:
        self._use = DecayedUse()
        self._costs = {str(adapter): cost for adapter, cost in enumerate(costs)}

    def used(self, adapter: int, at: int) -> None:
        self._use.used(str(adapter))

    def evict(self, among: dict[int, None], at: int) -> int:
        chosen = victim(map(str, among), self._use, self._costs)
        assert chosen is not None
        return int(chosen)

    def ahead(self, inside: dict[int, None], outside: Iterable[int], latest: int) -> tuple[int, int] | None:
        """Name who could come in ahead of need, and for whom; not for the one that was just used."""
        known = [str(one) for one in outside if self._use.rate(str(one))]
        least = victim((str(one) for one in inside if one != latest), self._use, self._costs)
        best = max(known, key=lambda one: worth(one, self._use, self._costs), default=None)
        if best is None or least is None:
            return None
        is_better = worth(best, self._use, self._costs) > worth(least, self._use, self._costs)
        return (int(best), int(least)) if is_better else None


class Belady(Fifo):
    """Knows the future."""

    def __init__(self, trace: Trace, costs: Costs) -> None:
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


POLICIES: dict[str, Callable[[Trace, Costs], Policy]] = {
    "FIFO": Fifo,
    "LRU": Lru,
    "LFU": Lfu,
    "GDSF": Gdsf,
    "live": Live,
    "Belady": Belady,
}


def replay(trace: Trace, slots: int, costs: Costs, make: Callable[[Trace, Costs], Policy]) -> float:
    """Sum the cost of all loads, in ms."""
    policy, inside, total_ms = make(trace, costs), dict[int, None](), 0.0
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
    rng, policy, inside = random.Random(seed), Live(trace, costs), dict[int, None]()
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


def zipf(rng: random.Random, exponent: float, uses: int, order: Sequence[int]) -> list[int]:
    """Draw adapters by their place in an order: the first is wanted most."""
    weights = list(accumulate(1 / (place + 1) ** exponent for place in range(len(order))))
    return rng.choices(order, cum_weights=weights, k=uses)


def traces(seed: int = 1, adapters: int = ADAPTERS, uses: int = USES) -> dict[str, list[int]]:
    """Make the traces."""
    rng = random.Random(seed)
    everyone = list(range(adapters))
    made = {
        "uniform": rng.choices(everyone, k=uses),
        "zipf 0.8": zipf(rng, 0.8, uses, everyone),
        "zipf 1.1": zipf(rng, 1.1, uses, everyone),
        "two hot": [rng.randrange(2) if rng.random() < 0.94 else rng.randrange(2, adapters) for _ in range(uses)],
        "loop": [at % adapters for at in range(uses)],
    }
    scanned: list[int] = []
    for _ in range(10):
        scanned += [*zipf(rng, 1.0, uses // 10 - adapters, everyone), *everyone]
    made["scan"] = scanned
    order, drifting = everyone.copy(), list[int]()
    for _ in range(10):
        drifting += zipf(rng, 1.0, uses // 10, order)
        for _ in range(adapters // 6):
            one, other = rng.randrange(adapters), rng.randrange(adapters)
            order[one], order[other] = order[other], order[one]
    made["drifting"] = drifting
    bursts: list[int] = []
    for adapter in zipf(rng, 0.9, uses, everyone):
        bursts += [adapter] * (rng.randint(5, 40) if rng.random() < 0.05 else 1)
    made["bursts"] = list(islice(bursts, uses))
    return made


def costs_of(kind: str, seed: int = 5, adapters: int = ADAPTERS) -> list[float]:
    """Make what each adapter costs to load: all the same, or spread as ranks from 8 to 64 and their targets spread it."""
    rng = random.Random(seed)
    return [30.0 if kind == "equal" else math.exp(rng.gauss(math.log(30.0), 0.8)) for _ in range(adapters)]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What each policy cost on one trace, in parts of what LRU cost."""

    trace: str
    costs: str
    slots: int
    ratio: dict[str, float]


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
                totals = {policy: sum(replay(*run, make) for run in runs) for policy, make in POLICIES.items()}
                ratio = {policy: round(total / totals["LRU"], 3) for policy, total in totals.items()}
                rows.append(Row(trace=name, costs=kind, slots=slots, ratio=ratio))
                if slots in AHEAD_SLOTS:
                    alone = replay(*runs[0], Live)
                    waited, other = (round(ms / alone, 3) for ms in replay_ahead(*runs[0]))
                    ahead.append(Ahead(trace=name, costs=kind, slots=slots, waited=waited, ahead=other))
    return Report(uses=uses, seeds=seeds, gaps=GAPS, rows=rows, ahead=ahead)


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw cost over slots, a panel a trace, where matplotlib is installed."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        return
    names = list(dict.fromkeys(row.trace for row in rows))
    figure, axes = pyplot.subplots(4, 4, figsize=(15, 12), sharex=True, sharey=True, layout="constrained")
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
    lines = ["| costs | trace | slots | " + " | ".join(POLICIES) + " |", "|---" * (3 + len(POLICIES)) + "|"]
    for row in rows:
        cells = " | ".join(f"{row.ratio[policy]:.2f}" for policy in POLICIES)
        lines.append(f"| {row.costs} | {row.trace} | {row.slots} | {cells} |")
    lines += ["", "| costs | trace | slots | loads still waited for | loads ahead of need |", "|---" * 5 + "|"]
    lines += [
        f"| {one.costs} | {one.trace} | {one.slots} | {one.waited:.2f} | {one.ahead:.2f} |" for one in report.ahead
    ]
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.residency", description=__doc__)
    parser.add_argument("--uses", type=int, default=USES, help="length of each trace")
    report = measure(parser.parse_args().uses)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "residency.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    draw(report.rows, RESULTS / "residency.png")
    print(table(report))


if __name__ == "__main__":
    main()
