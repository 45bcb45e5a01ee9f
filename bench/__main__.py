"""`make bench`: measures all, prints tables last, writes JSON under `bench/results/`."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import os
import platform
import tempfile
from pathlib import Path

import msgspec

from bench.adapters import Engine, hot_loads
from bench.gateway import Memory, Row, ScanRow, added_latency, scan_times

RESULTS = Path(__file__).parent / "results"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run and its conditions."""

    date: str
    machine: str
    cores: int
    load_before: float
    seconds: float
    latency: list[Row]
    memory: Memory
    scan: list[ScanRow]
    engine: Engine | None


async def run(seconds: float, *, engine: bool) -> Report:
    """Measure everything, one thing at a time."""
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        latency, memory = await added_latency(folder, seconds=seconds, at_once=(1, 16, 64))
        scan = await scan_times(folder)
        measured = await hot_loads(folder) if engine else None
    return Report(
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        machine=f"{platform.machine()} {platform.system()}, Python {platform.python_version()}",
        cores=os.cpu_count() or 0,
        load_before=round(load_before, 2),
        seconds=seconds,
        latency=latency,
        memory=memory,
        scan=scan,
        engine=measured,
    )


def table(report: Report) -> str:
    """The report as Markdown."""
    lines = [
        f"{report.date}, {report.cores} cores, {report.machine}; load before: {report.load_before}; "
        f"{report.seconds:g} s each; callers, cloud and router share the cores",
        "",
        "| call | answer | at a time | requests/s | p50 ms | p99 ms | added p50 | added p99 | failed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in report.latency:
        one = row.result
        kind = "streamed" if row.stream else "whole"
        lines.append(
            f"| {row.target} | {kind} | {one.at_once} | {one.per_s:,.0f} | {one.p50_ms:.2f} | {one.p99_ms:.2f} "
            f"| {row.added_p50_ms:.2f} | {row.added_p99_ms:.2f} | {one.failed} |"
        )
    memory = report.memory
    lines += ["", f"Memory: router {memory.router_mb} MB, scan processes {memory.scan_processes_mb} MB", ""]
    lines += ["| prompt, words | scan p50 ms |", "|---|---|"]
    lines += [f"| {row.words:,} | {row.p50_ms:.2f} |" for row in report.scan]
    if report.engine is not None:
        lines += ["", f"Engine host with vLLM: ready after {report.engine.start_s} s", ""]
        lines += ["| adapter | hot load ms | copied to ready, s |", "|---|---|---|"]
        lines += [f"| {one.adapter} | {one.load_ms:.1f} | {one.ready_s:.2f} |" for one in report.engine.loads]
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the router.")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each load lasts")
    parser.add_argument("--no-engine", action="store_true", help="leave vLLM out")
    arguments = parser.parse_args()
    report = asyncio.run(run(arguments.seconds, engine=not arguments.no_engine))
    RESULTS.mkdir(exist_ok=True)
    name = report.date.replace(":", "").replace("+0000", "")
    (RESULTS / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2))
    text = table(report)
    (RESULTS / "latest.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
