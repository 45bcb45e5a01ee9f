"""Measures the scan: milliseconds by prompt size beside stock Presidio, last turns, hostile bodies, hits by data file.

    .venv/bin/python bench/scan.py [--json FILE] [--misses N] [DATA.jsonl[.gz] ...]

A data file has one object per line: `text` (or OpenAI `messages`), `spans` of {label} or `expected`, and `source`.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gc
import gzip
import inspect
import json
import math
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from router.config.load import limit_threads
from router.config.schema import PrivacyConfig
from router.core.types import ScanReport, Sensitivity
from router.privacy.scanner import Scanner
from router.privacy.severity import DEFAULTS, QUALIFIER

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine

WORDS = (
    "please explain how the committee compared three proposals for a new bridge across the river and why the second "
    "design was cheaper to build although it needed more steel than the others according to the engineers report "
).split()
STRICT = frozenset(
    "CREDIT_CARD PHONE EMAIL IBAN SSN DRIVER_LICENSE PASSPORT MEDICAL_RECORD BANK_ACCOUNT NATIONAL_ID TAX_ID SECRET".split()
)
NAMES = "Maria London contract meeting budget Tuesday".split()
MEGABYTE = 1_000_000
UNHURRIED = {"deadline_ms": 20_000, "cache_bytes": 0}
NAMELESS = {entity for entity, rule in DEFAULTS.items() if rule.on} - {
    "PERSON", "LOCATION", "ORGANIZATION", "STREET_ADDRESS", QUALIFIER,
}  # fmt: skip
"""What needs no tagger."""
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


@cache
def stock(*, every: bool) -> AnalyzerEngine:
    """Build Presidio on a blank pipeline, so without names: with the recognizers it switches on, or with every one it has.

    The second does the job of our patterns: numbers of all countries.
    """
    import presidio_analyzer.predefined_recognizers as predefined
    import spacy
    from presidio_analyzer import AnalyzerEngine, PatternRecognizer, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine

    class Blank(SpacyNlpEngine):
        def __init__(self) -> None:
            super().__init__(ner_model_configuration=NerModelConfiguration())
            self.nlp = {"en": spacy.blank("en")}

    registry = RecognizerRegistry()
    if every:
        for _, kind in inspect.getmembers(predefined, inspect.isclass):
            if issubclass(kind, PatternRecognizer) and kind is not PatternRecognizer:
                registry.add_recognizer(kind(supported_language="en"))
    else:
        registry.load_predefined_recognizers()
    return AnalyzerEngine(registry=registry, nlp_engine=Blank())


def timed_stock(text: str, repeat: int, *, every: bool) -> float:
    """Return the median milliseconds of stock Presidio, scores of 0.4 and above."""
    engine = stock(every=every)
    times: list[float] = []
    for _ in range(repeat + 1):
        start = time.perf_counter()
        engine.analyze(text, "en", score_threshold=0.4)
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times[1:])


def prompt(tokens: int) -> str:
    """Write an ordinary prompt of about this many tokens."""
    return " ".join((WORDS * (tokens // len(WORDS) + 1))[: int(tokens * 0.8)]) + " Is Maria Lopez right?"


async def speed(scanner: Scanner) -> list[dict[str, Any]]:
    """Milliseconds by prompt size, ours and stock Presidio's, then scans per second. Nothing is remembered.

    Like stands against like: without names, as stock Presidio is without a model; and with them, as we come.
    """
    rows: list[dict[str, Any]] = []
    nameless = Scanner(PrivacyConfig.model_validate({"scan": UNHURRIED, "only": sorted(NAMELESS)}))
    await nameless.start()
    for tokens in (30, 200, 1_000, 4_000, 32_000):
        text = prompt(tokens)
        ours, bare = [await timed(each, text, 400 if tokens < 4_000 else 40) for each in (scanner, nameless)]
        repeat = 20 if tokens < 1_000 else 3 if tokens < 32_000 else 1
        theirs = timed_stock(text, repeat, every=False)
        every = timed_stock(text, repeat, every=True) if tokens <= 1_000 else math.nan  # minutes, for long ones
        p50, bare_p50 = statistics.median(ours), statistics.median(bare)
        rows.append({
            "tokens": tokens, "p50_ms": round(p50, 3), "p99_ms": round(sorted(ours)[int(len(ours) * 0.99)], 2),
            "nameless_p50_ms": round(bare_p50, 3), "stock_p50_ms": round(theirs, 2), "every_stock_p50_ms": round(every, 2),
            "times_stock": round(theirs / p50, 1), "nameless_times_stock": round(theirs / bare_p50, 1),
            "nameless_times_every_stock": round(every / bare_p50, 1),
        })  # fmt: skip
        print(rows[-1])
    await nameless.aclose()
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


def tool(number: int, said: Callable[[int], str]) -> dict[str, Any]:
    """Describe a tool with six parameters."""
    parameters = {f"p{index}": {"type": "string", "description": said(10)} for index in range(6)}
    function = {
        "name": f"tool{number}",
        "description": said(30),
        "parameters": {"type": "object", "properties": parameters},
    }
    return {"type": "function", "function": function}


async def last_turn(scanner: Scanner) -> list[dict[str, Any]]:
    """Milliseconds of one new message of 200 tokens behind a history of 32,000, by messages and tools in it."""
    chance = random.Random(1)
    rows: list[dict[str, Any]] = []

    def said(tokens: int) -> str:
        return " ".join(chance.choices(WORDS * 4 + NAMES, k=int(tokens * 0.8)))

    for tokens, tools in ((32, 0), (200, 0), (200, 128), (1_000, 0), (32_000, 0)):
        history = [{"role": ("user", "assistant")[n % 2], "content": said(tokens)} for n in range(32_000 // tokens)]
        request: dict[str, Any] = {"model": "auto", "messages": history, "tools": [tool(n, said) for n in range(tools)]}
        start = time.perf_counter()
        findings = len((await scanner.scan(request)).findings)
        cold = time.perf_counter() - start
        times: list[float] = []
        for _ in range(100):
            history.append({"role": ("user", "assistant")[len(history) % 2], "content": said(200)})
            start = time.perf_counter()
            assert not (await scanner.scan(request)).reason
            times.append((time.perf_counter() - start) * 1000)
        rows.append({
            "message_tokens": tokens, "tools": tools, "findings": findings, "cold_ms": round(cold * 1000, 1),
            "last_turn_p50_ms": round(statistics.median(times), 2), "last_turn_p99_ms": round(sorted(times)[98], 2),
        })  # fmt: skip
        print(rows[-1])
    return rows


async def hostile(scanner: Scanner) -> list[dict[str, Any]]:
    """Milliseconds of inputs of 10,000 characters that are made to be slow."""
    rows: list[dict[str, Any]] = []
    for name, text in HOSTILE.items():
        reports = [await scanner.scan(body(text)) for _ in range(3)]
        fastest = min(report.elapsed_ms for report in reports)
        rows.append({"input": name, "ms": round(fastest, 1), "reason": reports[0].reason})
        print(rows[-1])
    return rows


def megabytes() -> dict[str, dict[str, Any]]:
    """Make bodies of a megabyte that are hard to walk, hash or read."""
    texts = {name: (text * (MEGABYTE // len(text.encode()) + 1))[:MEGABYTE] for name, text in HOSTILE.items()}
    bodies = {name.removeprefix("10,000 "): body(text) for name, text in texts.items()}
    noise = base64.b64encode(random.Random(1).randbytes(3 * MEGABYTE // 4)).decode()
    return bodies | {
        "base64": body(noise),
        "percent escapes": body("%41" * (MEGABYTE // 3)),
        "HTML entities": body("&#65;" * (MEGABYTE // 5)),
        "empty lists": {"x": [[] for _ in range(MEGABYTE // 3)]},
        "small strings": {"x": ["ab"] * (MEGABYTE // 5)},
        "integers in a list": {"x": list(range(MEGABYTE, MEGABYTE + MEGABYTE // 8))},
        "many keys": {f"k{number}": 1 for number in range(MEGABYTE // 10)},
        "long keys": {"k" * 1_000 + str(number): 1 for number in range(MEGABYTE // 1_010)},
        "small messages": {
            "messages": [{"role": "user", "content": "hello there, you"} for _ in range(MEGABYTE // 50)]
        },
        "many parts": {"messages": [body("")["messages"][0] | {"content": [{"type": "text", "text": "a1"}] * 20_000}]},
    }


async def stalls() -> list[dict[str, Any]]:
    """Verdict time of bodies of a megabyte at the default deadline, and the longest that the event loop stood still.

    The loop's own processor time between two ticks is what counts: other processes' don't.
    """
    scanner = Scanner(PrivacyConfig())
    await scanner.start()
    rows: list[dict[str, Any]] = []
    worst = 0.0

    async def tick() -> None:
        nonlocal worst
        last = time.thread_time()
        while True:
            await asyncio.sleep(0.0005)
            last, before = time.thread_time(), last
            worst = max(worst, last - before)

    ticker = asyncio.create_task(tick())
    for name, request in megabytes().items():
        gc.collect()
        gc.freeze()
        await asyncio.sleep(0.3)
        worst = 0.0
        report = await scanner.scan(request)
        await asyncio.sleep(0.002)
        rows.append({
            "body": name, "ms": round(report.elapsed_ms), "stall_ms": round(worst * 1000, 1), "status": report.status.value,
            "reason": report.reason,
        })  # fmt: skip
        print(rows[-1])
    ticker.cancel()
    await scanner.aclose()
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
    scanner = Scanner(PrivacyConfig.model_validate({"scan": UNHURRIED}))
    start = time.perf_counter()
    await scanner.start()
    result: dict[str, Any] = {"start_s": round(time.perf_counter() - start, 1)}
    try:
        if not arguments.quality_only:
            result |= {"speed": await speed(scanner), "hostile": await hostile(scanner)}
            remembering = Scanner(PrivacyConfig.model_validate({"scan": {"deadline_ms": 20_000}}))
            await remembering.start()
            result["last_turn"] = await last_turn(remembering)
            await remembering.aclose()
            result["megabytes"] = await stalls()
        result["quality"] = [await quality(scanner, path, arguments.misses) for path in arguments.data]
    finally:
        await scanner.aclose()
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    limit_threads()
    uvloop.run(main())  # the loop that serves
