"""`python -m bench.sona`: how well adapters are chosen, beside simpler ways to choose. How fast: `bench.sona.speed`.

Made worlds of 10 to 5,000 adapters, and with `--data DIR` labelled prompts of your own (see `labelled`).
`--cards FILE` measures those once more with descriptions and keywords: `{"name": {"description": "...", "keywords":
[...]}}`, such as `bench/sona/cards12.json`.
Prints tables; writes JSON, and a plot of accuracy over coverage, under `bench/results/`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean

import numpy as np

from bench.sona.labelled import described_cards, trials
from bench.sona.methods import METHODS, CachedEmbedder
from bench.sona.metrics import answered, at_coverage, auroc, calibration_error, curve
from bench.sona.world import World, stuffed, world
from router.core.adapters import AdapterCard, AdapterInfo
from sona.embedder import load_embedder
from sona.selector import MIN_CONFIDENCE, Selector

RESULTS = Path(__file__).parents[1] / "results"
Row = dict[str, float]


def measure(
    choose: Callable[[str], tuple[str | None, float]],
    inside: Sequence[tuple[str, str]],
    outside: Sequence[str],
    serving: Mapping[str, frozenset[str]] | None = None,
) -> tuple[Row, list[tuple[float, float]]]:
    """Score one method on prompts that fit an adapter, or all that serve what it is for, and prompts that fit none."""
    start = time.perf_counter()
    picked = [choose(prompt) for prompt, _ in inside]
    others = [choose(prompt) for prompt in outside]
    each_us = (time.perf_counter() - start) / max(1, len(picked) + len(others)) * 1e6
    right = np.array([_serves(adapter, name, serving) for (adapter, _), (_, name) in zip(picked, inside, strict=True)])
    fits = np.array([one for _, one in picked])
    none = np.array([one for _, one in others])
    coverage, accuracy = answered(fits, right, MIN_CONFIDENCE)
    everything = np.concatenate([fits, none])
    row = {
        "top-1": float(right.mean()),
        "coverage": coverage,
        "right if answered": accuracy,
        "right at 85 %": at_coverage(fits, right, 0.85),
        "OOS AUROC": auroc(fits, none),
        "OOS answered": float((none >= MIN_CONFIDENCE).mean()),
        "ECE": calibration_error(everything, np.concatenate([right, np.zeros(len(none), dtype=np.bool_)])),
        "us": each_us,
    }
    return row, curve(fits, right)


def same_after_paraphrase(made: World, embedder: CachedEmbedder) -> float:
    """Share of pairs that get the same answer, none included, or two that both serve what is asked for."""
    selector = Selector(embedder)
    selector.update(made.adapters)
    same: list[bool] = []
    for one, other, name in made.paraphrases:
        first, second = ((selector.select(text).adapter or "").partition("@")[0] for text in (one, other))
        same.append(first == second or {first, second} <= made.serving[name])
    return mean(same)


def _serves(adapter: str | None, name: str, serving: Mapping[str, frozenset[str]] | None) -> bool:
    return adapter == name or (serving is not None and adapter in serving[name])


def wins_when_stuffed(adapters: tuple[AdapterInfo, ...], prompts: Sequence[str], embedder: CachedEmbedder) -> float:
    """Share of prompts that a card of all others' keywords wins; made for none of them, it should win none."""
    selector = Selector(embedder)
    selector.update([*adapters, stuffed(adapters)])
    return mean((selector.select(prompt).adapter or "").startswith("omnibus@") for prompt in prompts)


def table(title: str, rows: dict[str, Row]) -> str:
    """Format results as Markdown."""
    columns = list(next(iter(rows.values())))
    lines = [f"\n### {title}", f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        lines.append(f"| {name} | {' | '.join(f'{row[c]:.0f}' if c == 'us' else f'{row[c]:.3f}' for c in columns)} |")
    return "\n".join(lines)


def plot(title: str, curves: dict[str, list[tuple[float, float]]], path: Path) -> None:
    """Draw accuracy over coverage, where matplotlib is installed."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        return
    figure, axes = pyplot.subplots(figsize=(8, 5))
    for name, points in curves.items():
        style = {"linewidth": 2.5, "zorder": 3} if name == "SONA" else {"linewidth": 1.2, "alpha": 0.8}
        axes.plot([x for x, _ in points], [y for _, y in points], marker=".", label=name, **style)
    axes.set(
        title=title,
        xlabel="share of the prompts that are answered, the surest first",
        ylabel="share of these that get the right adapter",
        xlim=(0, 1),
        ylim=(-0.02, 1.02),
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1.02, 1))
    figure.savefig(path, bbox_inches="tight", dpi=120)
    pyplot.close(figure)


def _labelled(
    folder: Path, cards: dict[str, AdapterCard], cached: CachedEmbedder, told: str, *, examples: int, seeds: int
) -> dict[str, dict[str, Row]]:
    """Measure on labelled prompts; mean of the draws by collection and method."""
    results: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for trial in trials(folder, cards, examples=examples, seeds=seeds):
        if cards and not cards.keys() & {info.name for info in trial.adapters}:
            continue
        for name, method in METHODS.items():
            row, _ = measure(method(trial.adapters, cached), trial.inside, trial.outside)
            results[f"{trial.name}, {examples} examples, {told}"][name].append(row)
    means = {
        title: {name: {key: mean(row[key] for row in rows) for key in rows[0]} for name, rows in methods.items()}
        for title, methods in results.items()
    }
    for title, rows in means.items():
        print(table(title, rows), flush=True)
    return means


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.sona", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of labelled prompts, *.jsonl or *.jsonl.gz")
    parser.add_argument("--cards", type=Path, help="JSON of descriptions and keywords for the labelled adapters")
    parser.add_argument("--sizes", type=int, nargs="*", default=[10, 100, 1_000, 5_000])
    parser.add_argument("--examples", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=Path("var/sona"))
    arguments = parser.parse_args()

    cached = CachedEmbedder(load_embedder(arguments.cache))
    report: dict[str, object] = {"machine": platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    for size in arguments.sizes:
        # The embedding of 100,000 made-up examples alone takes minutes, and they hardly differ.
        shown = min(arguments.examples, 20 if size <= 100 else 4)
        for label, examples in (("cards alone", 0), (f"{shown} examples", shown)):
            made = world(size, examples=examples)
            rows: dict[str, Row] = {}
            curves: dict[str, list[tuple[float, float]]] = {}
            for name, method in METHODS.items():
                rows[name], curves[name] = measure(
                    method(made.adapters, cached), made.inside, made.outside, made.serving
                )
            title = f"{size} adapters, {label}"
            extra = {
                "same after paraphrase": same_after_paraphrase(made, cached),
                "right where no word names the task": measure(
                    METHODS["SONA"](made.adapters, cached), made.indirect, made.outside, made.serving
                )[0]["top-1"],
                "won by a stuffed card": wins_when_stuffed(
                    made.adapters, [*(p for p, _ in made.inside), *made.outside], cached
                ),
            }
            report[title] = {"methods": rows, "curves": curves, **extra}
            print(table(title, rows), *(f"{name}: {value:.3f}" for name, value in extra.items()), sep="\n", flush=True)
            if size == 100:
                RESULTS.mkdir(exist_ok=True)
                plot(title, curves, RESULTS / f"sona-coverage-{examples}.png")
    if arguments.data:
        cards = described_cards(arguments.cards) if arguments.cards else {}
        for told, known in (("names alone", {}), ("described", cards)) if cards else (("names alone", {}),):
            report |= _labelled(arguments.data, known, cached, told, examples=arguments.examples, seeds=arguments.seeds)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "sona.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
