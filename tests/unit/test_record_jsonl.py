"""Decision records in JSON lines: set aside when large, and never half written."""

from __future__ import annotations

import asyncio
import json
import resource
from pathlib import Path

import pytest

from router.core.ports import SinkDeps
from router.record.sinks import jsonl
from tests.fakes.outcomes import outcome

pytestmark = pytest.mark.anyio


def open_sink(folder: Path, **options: object) -> jsonl.JsonLines:
    return jsonl.build(jsonl.Config.model_validate(options), SinkDeps(folder=folder, policy=""))


async def until_written(sink: jsonl.JsonLines) -> None:
    async with asyncio.timeout(30):
        while sink.state().waiting:
            await asyncio.sleep(0.005)


def set_aside(folder: Path) -> list[Path]:
    return sorted(folder.glob("decisions-*.jsonl"))


def ids(*files: Path) -> list[str]:
    return [json.loads(line)["decision_id"] for file in files for line in file.read_text().splitlines()]


async def test_a_large_file_is_set_aside_and_nothing_is_lost(tmp_path: Path) -> None:
    sink = open_sink(tmp_path, max_file_bytes=4096)
    for number in range(40):
        sink.write(outcome(number))
        if number % 10 == 9:
            await until_written(sink)
    await sink.aclose()
    aside = set_aside(tmp_path)
    assert len(aside) >= 2
    assert ids(*aside, tmp_path / jsonl.FILE) == [outcome(number).decision_id for number in range(40)]


async def test_a_file_that_somebody_moved_away_stops_no_records(tmp_path: Path) -> None:
    sink = open_sink(tmp_path, max_file_bytes=4096)
    moved = tmp_path / "moved"
    for number in range(40):
        sink.write(outcome(number))
        if number % 10 == 9:
            await until_written(sink)
        if number == 9:
            (tmp_path / jsonl.FILE).rename(moved)
    await sink.aclose()
    assert sink.state().trouble == ""
    assert ids(moved, *set_aside(tmp_path), tmp_path / jsonl.FILE) == [
        outcome(number).decision_id for number in range(40)
    ]


async def test_only_so_many_old_files_are_kept(tmp_path: Path) -> None:
    sink = open_sink(tmp_path, max_file_bytes=4096, keep_files=1)
    for number in range(60):
        sink.write(outcome(number))
        if number % 10 == 9:
            await until_written(sink)
    await sink.aclose()
    assert len(set_aside(tmp_path)) == 1


async def test_a_full_disk_leaves_no_half_line_and_loses_nothing(tmp_path: Path) -> None:
    sink = open_sink(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, hard))
    try:
        for number in range(20):
            sink.write(outcome(number))
        async with asyncio.timeout(30):
            while not sink.state().trouble:
                await asyncio.sleep(0.005)
        assert ids(tmp_path / jsonl.FILE) == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await until_written(sink)
    await sink.aclose()
    assert sink.state().lost == 0
    assert len(ids(tmp_path / jsonl.FILE)) == 20
