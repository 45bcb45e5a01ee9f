"""Measures the scan: milliseconds by prompt size beside stock Presidio, hostile inputs, and hits by data file.

    .venv/bin/python bench/scan.py [--json FILE] [--misses N] [DATA.jsonl[.gz] ...]

A data file has one object per line: `text` (or OpenAI `messages`), `spans` of {label} or `expected`, and `source`.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from router.config.schema import PrivacyConfig
from router.core.types import ScanReport, Sensitivity
from router.privacy.scanner import Scanner

WORDS = (
    "please explain how the committee compared three proposals for a new bridge across the river and why the second "
    "design was cheaper to build although it needed more steel than the others according to the engineers report "
).split()
STRICT = frozenset(
    "CREDIT_CARD PHONE EMAIL IBAN SSN DRIVER_LICENSE PASSPORT MEDICAL_RECORD BANK_ACCOUNT NATIONAL_ID TAX_ID SECRET".split()
)
HOSTILE = {
    "10,000 dots": "." * 10_000,
    "10,000 emoji": "🙂" * 10_000,
    "10,000 brackets": "[" * 10_000,
    "10,000 letters": "a" * 10_000,
    "10,000 digits": "4" * 10_000,
    "10,000 at signs": "a@" * 5_000,
    "10,000 dashes": "1-" * 5_000,
    "capitalised words": "Aa " * 3_333,
    "names": "Maria Lopez " * 833,
    "dates as CSV": "2021-03-04,2021-03-05\n" * 455,
    "phone numbers": "+44 20 7946 0958, " * 555,
    "integers": json.dumps(list(range(1_000_000, 1_001_111))),
    "harmless text": " ".join(WORDS * 60)[:10_000],
}


def read(path: Path) -> list[dict[str, Any]]:
    """Load a data file."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        return [json.loads(line) for line in lines]


def body(text: str) -> dict[str, Any]:
    """Wrap a prompt in a request."""
    return {"model": "auto", "messages": [{"role": "user", "content": text}]}


async def timed(scanner: Scanner, text: str, repeat: int) -> list[float]:
    """Return the milliseconds of each scan."""
    times: list[float] = []
    for _ in range(repeat):
        start = time.perf_counter()
        report = await scanner.scan(body(text))
        times.append((time.perf_counter() - start) * 1000)
        assert not report.reason, report.reason
    return times


def stock(text: str, repeat: int) -> list[float]:
    """Time Presidio as it comes, on a blank pipeline with every recognizer it switches on, score 0.4 and above."""
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine

    class Blank(SpacyNlpEngine):
        def __init__(self) -> None:
            super().__init__(ner_model_configuration=NerModelConfiguration())
            self.nlp = {"en": spacy.blank("en")}

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers()
    engine = AnalyzerEngine(registry=registry, nlp_engine=Blank())
    times: list[float] = []
    for _ in range(repeat + 1):
        start = time.perf_counter()
        engine.analyze(text, "en", score_threshold=0.4)
        times.append((time.perf_counter() - start) * 1000)
    return times[1:]


async def speed(scanner: Scanner) -> list[dict[str, Any]]:
    """Milliseconds by prompt size, ours and stock Presidio's, then scans per second."""
    rows: list[dict[str, Any]] = []
    for tokens in (30, 100, 1_000, 4_000):
        text = " ".join((WORDS * (tokens // len(WORDS) + 1))[: int(tokens * 0.8)]) + " Is Maria Lopez right?"
        ours = await timed(scanner, text, 300 if tokens < 1000 else 40)
        theirs = stock(text, 20 if tokens < 1000 else 3)
        rows.append({
            "tokens": tokens, "ours_p50_ms": round(statistics.median(ours), 2),
            "ours_p99_ms": round(sorted(ours)[int(len(ours) * 0.99)], 2),
            "stock_p50_ms": round(statistics.median(theirs), 2),
        })  # fmt: skip
        print(rows[-1])
    text = " ".join(WORDS * 2)
    start, done = time.perf_counter(), 0

    async def client() -> None:
        nonlocal done
        while time.perf_counter() - start < 3:
            await scanner.scan(body(text))
            done += 1

    await asyncio.gather(*(client() for _ in range(16)))
    rows.append({"scans_per_s": round(done / (time.perf_counter() - start))})
    print(rows[-1])
    return rows


async def hostile(scanner: Scanner) -> list[dict[str, Any]]:
    """Milliseconds of inputs of 10,000 characters that are made to be slow."""
    rows: list[dict[str, Any]] = []
    for name, text in HOSTILE.items():
        times = await timed(scanner, text, 3)
        rows.append({"input": name, "ms": round(min(times), 1)})
        print(rows[-1])
    return rows


async def quality(scanner: Scanner, path: Path, misses: int) -> list[dict[str, Any]]:
    """Share of rows counted as sensitive, by source and by whether they should be."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    shown = 0
    for row in read(path):
        request = {"messages": row["messages"]} if "messages" in row else body(row["text"])
        report = await scanner.scan(request)
        flagged = report.sensitivity >= Sensitivity.CONFIDENTIAL
        labels = {span["label"] for span in row.get("spans", [])}
        expected = row.get("expected", bool(labels & STRICT))
        kind = "sensitive" if expected else "names and places only" if labels else "ordinary"
        for source in {"all", row.get("category", "all")}:
            counts[source, kind][0] += flagged
            counts[source, kind][1] += 1
        if flagged != expected and kind != "names and places only" and shown < misses:
            shown += 1
            print("  ", "MISS" if expected else "FALSE", _describe(report), json.dumps(request["messages"])[:300])
    rows = [
        {"file": path.name, "source": source, "rows": kind, "flagged": hits, "of": total}
        for (source, kind), (hits, total) in sorted(counts.items())
    ]
    for row in rows:
        print(f"{row['file']:32} {row['source']:36} {row['rows']:24} {row['flagged']:5}/{row['of']}")
    return rows


def _describe(report: ScanReport) -> str:
    found = [f"{finding.entity}/{finding.recognizer}" for finding in report.findings]
    return f"{report.sensitivity.name} {report.reason} {found[:6]}"


async def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--misses", type=int, default=0)
    parser.add_argument("--quality-only", action="store_true")
    parser.add_argument("data", nargs="*", type=Path)
    arguments = parser.parse_args()
    sys.modules.update(dict.fromkeys(("torch", "transformers", "stanza")))  # type: ignore[arg-type]
    scanner = Scanner(PrivacyConfig.model_validate({"scan": {"deadline_ms": 20_000}}))
    start = time.perf_counter()
    await scanner.start()
    result: dict[str, Any] = {"start_s": round(time.perf_counter() - start, 1)}
    try:
        if not arguments.quality_only:
            result |= {"speed": await speed(scanner), "hostile": await hostile(scanner)}
        result["quality"] = [await quality(scanner, path, arguments.misses) for path in arguments.data]
    finally:
        await scanner.aclose()
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    asyncio.run(main())
