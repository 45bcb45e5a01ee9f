"""Reads labelled prompts from a folder, and splits them: by row, or so that tests are of sources never seen."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from bench.sona.world import VERSION
from router.core.adapters import AdapterCard, AdapterInfo


class Trial(NamedTuple):
    """One draw."""

    name: str
    adapters: tuple[AdapterInfo, ...]
    inside: tuple[tuple[str, str], ...]
    outside: tuple[str, ...]


def trials(
    folder: Path, cards: dict[str, AdapterCard], *, examples: int, seeds: int, tests: int = 60, first: int = 0
) -> Iterator[Trial]:
    """Yield draws of every `*.jsonl` and `*.jsonl.gz`, with seeds from `first` on.

    A row has `prompt`, `adapter` or `label` (null = none fits), and perhaps `source`, or `split` (train, val or test).
    """
    for path in sorted(folder.glob("*.jsonl*")):
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        rows = [json.loads(line) for line in content.splitlines() if line.strip()]
        name = path.name.partition(".")[0]
        for seed in range(first, first + seeds):
            if any("split" in row for row in rows):
                yield _by_split(f"{name}, by split", rows, cards, Random(seed), examples)
            if any("source" in row for row in rows):
                yield _by_source(f"{name}, known sources", rows, cards, Random(seed), examples, tests, unseen=False)
                yield _by_source(f"{name}, unseen sources", rows, cards, Random(seed), examples, tests, unseen=True)


def described_cards(path: Path) -> dict[str, AdapterCard]:
    """Read descriptions and keywords of adapters: `{"name": {"description": "...", "keywords": [...]}}`."""
    return {
        name.replace("_", "-"): AdapterCard(description=card["description"], keywords=tuple(card.get("keywords", ())))
        for name, card in json.loads(path.read_text(encoding="utf-8")).items()
    }


def _by_split(
    name: str, rows: list[dict[str, str]], cards: dict[str, AdapterCard], rng: Random, examples: int
) -> Trial:
    pools: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row["split"] == "train" and _label(row):
            pools[_label(row)].append(row["prompt"])
    shown = {label: rng.sample(pool, min(examples, len(pool))) for label, pool in sorted(pools.items())}
    held = [row for row in rows if row["split"] != "train"]
    inside = [(row["prompt"], _label(row)) for row in held if _label(row)]
    return Trial(name, _adapters(shown, cards), tuple(inside), tuple(row["prompt"] for row in rows if not _label(row)))


def _by_source(
    name: str,
    rows: list[dict[str, str]],
    cards: dict[str, AdapterCard],
    rng: Random,
    examples: int,
    tests: int,
    *,
    unseen: bool,
) -> Trial:
    pools: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        pools[_label(row)][row["source"]].append(row["prompt"])
    outside = [prompt for pool in pools.pop("", {}).values() for prompt in pool]
    shown: dict[str, list[str]] = {}
    inside: list[tuple[str, str]] = []
    for label, sources in sorted(pools.items()):
        used = rng.sample(sorted(sources), 1) if unseen else sorted(sources)
        pool = [prompt for source in used for prompt in sources[source]]
        rng.shuffle(pool)
        shown[label] = pool[:examples]
        held = [p for source in sorted(sources) if source not in used for p in sources[source]]
        held = held if unseen else pool[examples:]
        rng.shuffle(held)
        inside.extend((prompt, label) for prompt in held[:tests])
    return Trial(name, _adapters(shown, cards), tuple(inside), tuple(outside))


def _label(row: dict[str, str]) -> str:
    """The adapter's name as a folder may have it; empty = none fits."""
    return (row.get("adapter") or row.get("label") or "").replace("_", "-")


def _adapters(shown: dict[str, list[str]], cards: dict[str, AdapterCard]) -> tuple[AdapterInfo, ...]:
    made: list[AdapterInfo] = []
    for name, prompts in shown.items():
        card = cards.get(name, AdapterCard())
        card = AdapterCard(description=card.description, keywords=card.keywords, examples=tuple(prompts))
        made.append(AdapterInfo(name=name, version=VERSION, state="ready", card=card))
    return tuple(made)
