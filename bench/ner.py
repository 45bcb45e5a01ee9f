"""Measures the finding of names, organisations, places and addresses: recall and precision by overlap, and CPU time.

    .venv/bin/python bench/ner.py [--misses N] [DATA.jsonl[.gz] | MARKED.txt ...]

A data file has one object per line: `text` and `spans` of {start, end, label}, and `source`. A marked file has one
text per line, as in tests/fixtures/names.txt: `[P:Anna Kowalska] lives at [A:ul. Krucza 5]`; `# name` begins a set.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from router.config.schema import PrivacyConfig
from router.privacy.detector import Detector

LABELS = {"PERSON": "PERSON", "ADDRESS": "STREET_ADDRESS", "LOCATION": "LOCATION", "ORG": "ORGANIZATION"}
MARKS = {"P": "PERSON", "A": "STREET_ADDRESS", "L": "LOCATION", "O": "ORGANIZATION"}
MARK = re.compile(r"\[([PALO]):([^\]]+)\]")


class Gold(NamedTuple):
    """A text and what is in it, as (entity, start, end)."""

    source: str
    text: str
    spans: list[tuple[str, int, int]]


def marked(line: str, source: str) -> Gold:
    """Read a marked line; `\\n` in it is a line end."""
    line, text, done, spans = line.replace("\\n", "\n"), "", 0, list[tuple[str, int, int]]()
    for match in MARK.finditer(line):
        text += line[done : match.start()]
        spans.append((MARKS[match[1]], len(text), len(text) + len(match[2])))
        text, done = text + match[2], match.end()
    return Gold(source, text + line[done:], spans)


def read(path: Path) -> Iterator[Gold]:
    """Yield the texts of a data file or a marked one."""
    source = path.stem
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        for line in filter(str.strip, lines):
            if path.suffix == ".txt":
                if line.startswith("# "):
                    source = line[2:].strip()
                else:
                    yield marked(line.rstrip("\n"), source)
                continue
            row = json.loads(line)
            spans = [(LABELS.get(s["label"], ""), s["start"], s["end"]) for s in row["spans"]]
            yield Gold(row.get("source", source), row["text"], spans)


def overlap(span: tuple[str, int, int], others: list[tuple[str, int, int]]) -> bool:
    """Say whether a span of the same kind shares a character with it."""
    return any(kind == span[0] and start < span[2] and span[1] < end for kind, start, end in others)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=[Path("tests/fixtures/names.txt")])
    parser.add_argument("--misses", default="", help="entity whose misses and false alarms are shown")
    arguments = parser.parse_args()
    detector = Detector(PrivacyConfig())
    golds = [gold for path in arguments.files for gold in read(path)]
    counts: Counter[tuple[str, str, str]] = Counter()
    for gold in golds:
        found = [(m.entity, m.start, m.end) for m in detector.detect([("", gold.text)], [])[1]]
        for span in gold.spans:
            hit = overlap(span, found)
            counts.update([(gold.source, span[0], "gold"), (gold.source, span[0], "hit" if hit else "missed")])
            if not hit and span[0] == arguments.misses:
                print("MISSED", repr(gold.text[span[1] : span[2]]), "in", repr(gold.text[:150]))
        for span in found:
            right = overlap(span, gold.spans)
            counts.update([(gold.source, span[0], "found"), (gold.source, span[0], "right" if right else "wrong")])
            if not right and span[0] == arguments.misses:
                print("FALSE ", repr(gold.text[span[1] : span[2]]), "in", repr(gold.text[:150]))
    for source, entity in sorted({(s, e) for s, e, _ in counts if e in MARKS.values()}):
        gold, hit, found, right = (counts[source, entity, what] for what in ("gold", "hit", "found", "right"))
        recall, precision = hit / max(gold, 1), right / max(found, 1)
        print(f"{source:24} {entity:15} recall {recall:6.1%} of {gold:4}  precision {precision:6.1%} of {found:4}")
    speed([gold.text for gold in golds])


def speed(texts: list[str]) -> None:
    """Print the tagger's CPU time per 1,000 tokens of 4 characters, words never seen before and seen."""
    from router.privacy.ner.model import Tagger

    tagger, tokens = Tagger(), sum(map(len, texts)) / 4000
    for name in ("cold", "warm"):
        start = time.process_time()
        for text in texts:
            tagger.tag(text)
        print(f"tagger, {name}: {(time.process_time() - start) * 1000 / tokens:.2f} ms CPU per 1,000 tokens")


if __name__ == "__main__":
    main()
