"""`python -m tests.leaks`: the whole campaign, its table, and a summary in JSON. Exit 0 only if nothing came out."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import uvloop

from tests.leaks.campaign import Campaign, Result
from tests.leaks.faults import FAULTS


def table(result: Result) -> str:
    """Draw what happened under each fault."""
    lines = [f"{'fault':46} {'requests':>8} {'happened':>8} {'leaks':>6}"]
    for fault in FAULTS:
        counts = result.of(fault.name)
        lines.append(f"{fault.name:46} {counts.requests:8} {counts.fired:8} {counts.leaks:6}")
    return "\n".join(lines)


def report(result: Result) -> str:
    """Sum a campaign up."""
    found = Counter((one.where, one.kind, one.field) for one in result.leaks)
    return "\n".join(
        [
            table(result),
            f"outcomes: {dict(sorted(result.outcomes.items(), key=lambda item: -item[1]))}",
            f"leaks: {len(result.leaks)} {found.most_common(40)}",
            *(
                f"  {one.where}, {one.field}, {one.fault}, {one.key}: {one.canary!r} in {one.excerpt}"
                for one in result.leaks[:20]
            ),
            f"problems: {len(result.problems)}",
            *(f"  {line}" for line in result.problems[:20]),
            f"never happened: {result.never_fired or 'none'}; of parts that aren't there: {result.impossible or 'none'}",
            f"{result.requests} requests, {result.with_canary} with a canary, {result.at_clouds} received by clouds "
            f"({result.masked} masked) in {result.elapsed_s:.0f} s, seed {result.seed}",
            f"canaries out: {len(result.leaks)}; 95 % upper bound of the rate if 0: {result.bound:.2e}",
        ]
    )


def main() -> int:
    """Run, report, write the summary."""
    parser = argparse.ArgumentParser(prog="python -m tests.leaks", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=int(datetime.now(UTC).timestamp()))
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder), options.requests, options.seed, lambda line: print(line, flush=True))
        result = uvloop.run(campaign.run())
    print(report(result))
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%S")
    path = options.out / f"leaks-{stamp}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1))
    print(f"written: {path}")
    return 1 if result.leaks or result.problems or result.never_fired else 0


if __name__ == "__main__":
    sys.exit(main())
