"""The audit log: whatever is changed in it is found and named, and nothing that was taken is lost unseen."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from router.cli import app
from router.core.errors import ConfigError, RecordUnavailable
from router.core.ports import SinkDeps
from router.core.types import Attempt, Locality, Sensitivity
from router.record import audit, audit_report, outbox
from router.record.audit_verify import Problem, Report
from router.record.recorder import Recorder
from router.record.sinks import audit as sink
from tests.fakes.outcomes import outcome

ROOT = Path(__file__).parents[2]
SMALL = sink.Config(max_file_bytes=4096, checkpoint_records=5)
RECORDS = 40


def open_log(folder: Path, config: sink.Config = SMALL) -> sink.AuditLog:
    return sink.build(config, SinkDeps(folder=folder, policy="0123456789ab"))


async def until_written(log: sink.AuditLog) -> None:
    async with asyncio.timeout(30):
        while log.state().waiting:
            await asyncio.sleep(0.005)


async def write(folder: Path, numbers: range, config: sink.Config = SMALL) -> None:
    """Write a log in batches, so that it has several files, and close it."""
    log = open_log(folder, config)
    for number in numbers:
        log.write(outcome(number))
        if number % 10 == 9:
            await until_written(log)
    await log.aclose()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of several files that was closed in order."""
    folder = tmp_path_factory.mktemp("whole")
    asyncio.run(write(folder, range(RECORDS)))
    assert len(audit.log_files(folder / "audit")) >= 3
    return folder / "audit"


@contextmanager
def copy_of(log: Path) -> Iterator[Path]:
    copy = log.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(log, copy)
    yield copy


class Lines:
    """All lines of a log, and how to change them."""

    def __init__(self, log: Path) -> None:
        self.files = [path for _, path in audit.log_files(log)]
        self.all = [
            (path, number, line)
            for path in self.files
            for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1)
        ]

    def write(self, changed: list[tuple[Path, int, bytes]]) -> None:
        for path in self.files:
            path.write_bytes(b"".join(line for file, _, line in changed if file == path))


def check(log: Path, key: Path | None = None, head: Path | None = None) -> Report:
    return audit_report.check(log, key, head)


def places(report: Report) -> list[tuple[str, int]]:
    return [(one.file, one.line) for one in report.problems]


def named(report: Report, wanted: Callable[[Problem], bool]) -> bool:
    assert not report.intact
    return any(wanted(one) for one in report.problems)


many = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_a_log_that_nobody_touched_is_whole(whole: Path) -> None:
    report = check(whole)
    assert report.intact, report.problems
    assert report.decisions == RECORDS
    assert audit_report.exit_code(report) == audit_report.WHOLE
    assert "NO: no sensitive request went to a cloud" in audit_report.text(report)


@many
@given(data=st.data())
def test_any_changed_byte_is_found_and_its_record_named(whole: Path, data: st.DataObject) -> None:
    with copy_of(whole) as log:
        lines = Lines(log)
        index = data.draw(st.integers(0, len(lines.all) - 1))
        path, number, line = lines.all[index]
        at = data.draw(st.integers(0, len(line) - 1))
        changed = bytearray(line)
        changed[at] ^= data.draw(st.integers(1, 255))
        lines.all[index] = (path, number, bytes(changed))
        lines.write(lines.all)
        report = check(log)
        assert named(report, lambda one: (one.file, one.line, one.seq) == (path.name, number, index + 1)), (
            report.problems
        )
        assert len(report.problems) <= 3


@many
@given(data=st.data())
def test_any_changed_byte_of_the_head_is_found(whole: Path, data: st.DataObject) -> None:
    with copy_of(whole) as log:
        head = bytearray((log / audit.HEAD_FILE).read_bytes())
        head[data.draw(st.integers(0, len(head) - 2))] ^= data.draw(st.integers(1, 255))
        (log / audit.HEAD_FILE).write_bytes(head)
        assert named(check(log), lambda one: one.file == audit.HEAD_FILE)


@many
@given(data=st.data())
def test_dropped_records_are_named(whole: Path, data: st.DataObject) -> None:
    with copy_of(whole) as log:
        lines = Lines(log)
        first = data.draw(st.integers(0, len(lines.all) - 1))
        count = data.draw(st.integers(1, min(4, len(lines.all) - first)))
        lines.write(lines.all[:first] + lines.all[first + count :])
        report = check(log)
        assert named(report, lambda one: one.seq == first + 1 and "missing" in one.what), report.problems


@many
@given(data=st.data())
def test_records_that_changed_places_are_named(whole: Path, data: st.DataObject) -> None:
    with copy_of(whole) as log:
        lines = Lines(log)
        one, two = sorted(data.draw(st.sets(st.integers(0, len(lines.all) - 1), min_size=2, max_size=2)))
        texts = [line for _, _, line in lines.all]
        texts[one], texts[two] = texts[two], texts[one]
        lines.write([(path, number, text) for (path, number, _), text in zip(lines.all, texts, strict=True)])
        report = check(log)
        path, number, _ = lines.all[one]
        assert named(report, lambda found: (found.file, found.line) == (path.name, number)), report.problems


@many
@given(data=st.data())
def test_a_record_that_stands_again_is_named(whole: Path, data: st.DataObject) -> None:
    with copy_of(whole) as log:
        lines = Lines(log)
        one = data.draw(st.integers(0, len(lines.all) - 1))
        where = data.draw(st.integers(one, len(lines.all) - 1))
        path = lines.all[where][0]
        lines.write([*lines.all[: where + 1], (path, 0, lines.all[one][2]), *lines.all[where + 1 :]])
        report = check(log)
        assert named(report, lambda found: found.seq == one + 1 and "repeated" in found.what), report.problems


@many
@given(data=st.data())
def test_an_inserted_record_is_found_where_it_stands(whole: Path, data: st.DataObject) -> None:
    """Made as the router would, but for the signatures that come after it."""
    with copy_of(whole) as log:
        lines = Lines(log)
        where = data.draw(st.integers(0, len(lines.all) - 1))
        path, _, line = lines.all[where]
        before = audit.Position(seq=where + 1, hash=audit.hash_of(line[:-1]))
        forged = audit.decision_line(outcome(999), before, "0123456789ab")
        lines.write([*lines.all[: where + 1], (path, 0, forged + b"\n"), *lines.all[where + 1 :]])
        report = check(log)
        assert named(report, lambda found: found.seq in (where + 2, where + 1)), report.problems


@settings(many, max_examples=30)
@given(data=st.data())
def test_a_file_that_was_cut_off_anywhere_is_found(whole: Path, data: st.DataObject) -> None:
    with copy_of(whole) as log:
        lines = Lines(log)
        path = data.draw(st.sampled_from(lines.files))
        text = path.read_bytes()
        left = data.draw(st.integers(0, len(text) - 1))
        path.write_bytes(text[:left])
        start = next(index for index, (file, _, _) in enumerate(lines.all) if file == path)
        first_hurt = start + text[:left].count(b"\n") + 1
        assert named(check(log), lambda found: found.seq == first_hurt), check(log).problems


def test_a_file_that_is_gone_is_named(whole: Path) -> None:
    for index in range(len(audit.log_files(whole))):
        with copy_of(whole) as log:
            lines = Lines(log)
            lines.files[index].unlink()
            first = next(at for at, (file, _, _) in enumerate(lines.all, 1) if file == lines.files[index])
            assert named(check(log), lambda found, first=first: found.seq == first and "missing" in found.what)


def test_files_that_changed_names_are_named(whole: Path) -> None:
    with copy_of(whole) as log:
        one, two = (path for _, path in audit.log_files(log)[:2])
        text = one.read_bytes()
        one.write_bytes(two.read_bytes())
        two.write_bytes(text)
        report = check(log)
        assert {(one.name, 1), (two.name, 1)} <= set(places(report))


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"\x00",
        b"[]",
        b"{}",
        b'{"kind":"checkpoint","prev":"","seq":5,"signature":"\xc3\xa9","time":1}',
        b'{"kind":"checkpoint","prev":"","seq":5,"signature":7,"time":1}',
        b'{"kind":"decision","prev":"","seq":' + b"9" * 400 + b',"time":1}',
        b'{"a":' + b"[" * 100_000,
        b'{"attempts":"none","kind":"decision","prev":"","seq":5,"time":1}',
        b"\xff\xfe" * 1000,
    ],
    ids=range(10),
)
def test_no_line_is_too_strange_to_be_named(whole: Path, hostile: bytes) -> None:
    for at in (0, 4, -1):
        with copy_of(whole) as log:
            lines = Lines(log)
            path, number, _ = lines.all[at]
            lines.all[at] = (path, number, hostile + b"\n")
            lines.write(lines.all)
            assert (path.name, number) in places(check(log))
            asyncio.run(write_behind(log))
            assert not check(log).intact


async def write_behind(log: Path) -> None:
    """Start a router on what is left of a log; it may refuse."""
    folder = log.parent / "started"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(log, folder / "audit")
    with suppress(ConfigError):
        await write(folder, range(3))
    shutil.rmtree(log)
    shutil.copytree(folder / "audit", log)


def forge(log: Path, number: int, change: Callable[[dict[str, object]], None]) -> None:
    """Change a record and make all behind it fit, but for the signatures: what an intruder without the key can do."""
    lines = Lines(log)
    position, changed = audit.genesis(json.loads(lines.all[0][2])["log"]), list[tuple[Path, int, bytes]]()
    for path, line_number, line in lines.all:
        record = json.loads(line)
        record["prev"] = position.hash
        if record["seq"] == number:
            change(record)
        new = msgspec.json.encode(record, order="sorted")
        position = audit.after(new, position)
        changed.append((path, line_number, new + b"\n"))
    lines.write(changed)


def test_a_record_that_was_changed_with_all_hashes_behind_it_is_found_by_the_next_signature(whole: Path) -> None:
    with copy_of(whole) as log:
        forge(log, 3, lambda record: record.update(sensitivity="public"))
        report = check(log)
        first = report.problems[0]
        assert "signature" in first.what
        assert 3 < first.seq <= 3 + SMALL.checkpoint_records + 1


def test_a_log_that_was_signed_anew_with_another_key_is_found_by_the_true_one(whole: Path, tmp_path: Path) -> None:
    asyncio.run(write(tmp_path, range(RECORDS)))
    assert check(tmp_path / "audit").intact, "it is a log as good as any, to those who trust its own key"
    report = check(tmp_path / "audit", key=whole / audit.PUBLIC_FILE)
    assert named(report, lambda one: "signed with the key" in one.what)


def test_a_log_that_was_set_back_is_found_by_an_earlier_head(tmp_path: Path) -> None:
    asyncio.run(write(tmp_path, range(10)))
    log = tmp_path / "audit"
    with copy_of(log) as backup:
        asyncio.run(write(tmp_path, range(10, 20)))
        later = tmp_path / "later.head"
        shutil.copy(log / audit.HEAD_FILE, later)
        assert check(log, head=backup / audit.HEAD_FILE).intact
        assert check(backup).intact, "nothing in it says that it was longer"
        assert named(check(backup, head=later), lambda one: "missing at the end" in one.what)


# -- the answer


def test_a_sensitive_request_that_went_to_a_cloud_as_it_was_is_listed(tmp_path: Path) -> None:
    cloud = Attempt(target="openai/gpt-4o-mini", locality=Locality.ANY, elapsed_ms=1, error_code="upstream_timeout")
    local = Attempt(target="local/base", locality=Locality.LOCAL, elapsed_ms=1)
    masked = msgspec.structs.replace(cloud, masked=True)
    refused = msgspec.structs.replace(cloud, sent=False)
    cases = [(cloud, local), (masked, local), (refused, local), (local,)]

    async def run() -> None:
        log = open_log(tmp_path)
        for number, attempts in enumerate(cases):
            log.write(outcome(number, sensitivity=Sensitivity.RESTRICTED, rule_id="mine", attempts=attempts))
        log.write(outcome(9, sensitivity=None, attempts=(cloud,)))
        await log.aclose()

    asyncio.run(run())
    report = check(tmp_path / "audit")
    assert report.intact
    assert [(one.line, one.sensitivity, one.rule) for one in report.offenders] == [
        (2, "restricted", "mine"),
        (6, "unscanned", outcome(9).rule_id),
    ]
    assert report.sensitivity["restricted"].cloud_masked == 1
    assert audit_report.exit_code(report) == audit_report.LEFT
    assert "YES: 2 sensitive requests" in audit_report.text(report)


def test_no_name_that_a_caller_gave_its_request_is_kept(tmp_path: Path) -> None:
    async def run() -> None:
        log = open_log(tmp_path)
        log.write(outcome(1, request_id="ssn-536-22-8726"))
        await log.aclose()

    asyncio.run(run())
    text = (tmp_path / "audit" / audit.file_name(1)).read_text()
    assert "536-22-8726" not in text
    assert f"sha256:{audit.hash_of(b'ssn-536-22-8726')[:32]}" in text


# -- crashes


WRITER = """
import asyncio, sys
from pathlib import Path
from tests.unit.test_record_audit import open_log, until_written
from tests.fakes.outcomes import outcome

async def main():
    log = open_log(Path(sys.argv[1]))
    number = 0
    while True:
        log.write(outcome(number))
        number += 1
        await asyncio.sleep(0.001)
        if number == 50:
            await until_written(log)
            print("writing", flush=True)

asyncio.run(main())
"""


def killed_writer(folder: Path) -> None:
    """Let a process write a log and kill it on the way."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_a_log_whose_writer_was_killed_goes_on_and_says_so(tmp_path: Path) -> None:
    for _ in range(2):
        killed_writer(tmp_path)
    asyncio.run(write(tmp_path, range(100, 105)))
    report = check(tmp_path / "audit")
    assert report.intact, report.problems
    assert [notice for notice in report.notices if "recovered after a stop without notice" in notice] == report.notices
    assert len(report.notices) == 2


@pytest.mark.parametrize("cut", [1, 40, 300])
def test_half_a_line_is_cut_off_and_said(tmp_path: Path, cut: int) -> None:
    killed_writer(tmp_path)
    log = tmp_path / "audit"
    path = audit.log_files(log)[-1][1]
    position = audit.Position(seq=10**6, hash="0" * 64)
    half = audit.decision_line(outcome(1), position, "p")[:cut]
    with path.open("ab") as file:
        file.write(half)
    assert named(check(log), lambda one: "cut off in the middle" in one.what)
    asyncio.run(write(tmp_path, range(5)))
    report = check(log)
    assert report.intact, report.problems
    assert f"{cut} bytes of an incomplete line were cut off" in report.notices[-1]


def test_records_taken_from_the_end_before_a_start_are_said_for_good(tmp_path: Path) -> None:
    asyncio.run(write(tmp_path, range(5)))
    path = tmp_path / "audit" / audit.file_name(1)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-2]))
    asyncio.run(write(tmp_path, range(5, 10)))
    report = check(tmp_path / "audit")
    first = len(lines) - 1
    assert named(report, lambda one: one.seq == first and "missing" in one.what), report.problems
    assert named(report, lambda one: "records_missing" in one.what)


@pytest.mark.parametrize("gone", ["head", "head and end", "files"])
def test_a_log_that_lost_its_head_or_all_its_files_never_looks_whole_again(tmp_path: Path, gone: str) -> None:
    asyncio.run(write(tmp_path, range(5)))
    log = tmp_path / "audit"
    if gone == "files":
        (log / audit.file_name(1)).unlink()
    else:
        (log / audit.HEAD_FILE).unlink()
    if gone == "head and end":
        path = log / audit.file_name(1)
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    asyncio.run(write(tmp_path, range(5)))
    assert not check(log).intact


def test_records_added_behind_a_closed_log_are_said_for_good(tmp_path: Path) -> None:
    asyncio.run(write(tmp_path, range(5)))
    log = tmp_path / "audit"
    path = log / audit.file_name(1)
    lines = path.read_bytes().splitlines()
    position = audit.Position(seq=len(lines), hash=audit.hash_of(lines[-1]))
    with path.open("ab") as file:
        file.write(audit.decision_line(outcome(999), position, "0123456789ab") + b"\n")
    assert named(check(log), lambda one: one.line == len(lines) + 1 and "signed end" in one.what)
    asyncio.run(write(tmp_path, range(5)))
    assert named(check(log), lambda one: "records_added" in one.what)


def test_a_log_can_be_checked_while_it_is_written(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        for _ in range(15):
            report = check(tmp_path / "audit")
            assert report.intact, report.problems
        process.kill()


def test_a_required_log_that_isnt_whole_stops_the_start(tmp_path: Path) -> None:
    asyncio.run(write(tmp_path, range(5)))
    (tmp_path / "audit" / audit.HEAD_FILE).unlink()
    with pytest.raises(ConfigError, match="not whole"):
        open_log(tmp_path, sink.Config(required=True))


def test_a_crash_between_two_files_is_recovered(tmp_path: Path) -> None:
    asyncio.run(write(tmp_path, range(5)))
    (tmp_path / "audit" / audit.file_name(2)).write_bytes(b"")
    asyncio.run(write(tmp_path, range(5)))
    assert check(tmp_path / "audit").intact


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    async def run() -> None:
        log = open_log(tmp_path)
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        other = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert "another process writes the audit log" in other.stderr
        log.write(outcome(1))
        await log.aclose()

    asyncio.run(run())
    assert check(tmp_path / "audit").intact


# -- a full disk


@contextmanager
def full_disk(folder: Path, left_bytes: int) -> Generator[None]:
    """Let no file of this process grow further than `left_bytes` beyond the log: the kernel cuts a write short."""
    size = sum(path.stat().st_size for _, path in audit.log_files(folder / "audit"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + left_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.anyio
@pytest.mark.parametrize("left_bytes", [0, 100, 1000])
async def test_a_full_disk_loses_nothing_and_is_said_in_the_log(tmp_path: Path, left_bytes: int) -> None:
    log = open_log(tmp_path, sink.Config(required=True))
    recorder = Recorder({"audit": log})
    recorder.admit()
    with full_disk(tmp_path, left_bytes):
        for number in range(100):
            log.write(outcome(number))
        async with asyncio.timeout(30):
            while not log.state().trouble:
                await asyncio.sleep(0.005)
        with pytest.raises(RecordUnavailable):
            recorder.admit()
        log.write(outcome(0, error_code=RecordUnavailable.code))
    await until_written(log)
    async with asyncio.timeout(30):
        while log.state().trouble:
            await asyncio.sleep(0.005)
    recorder.admit()
    await log.aclose()
    report = check(tmp_path / "audit")
    assert report.intact, report.problems
    assert report.decisions == 100
    assert "0 records lost, 1 refused" in report.notices[0]


@pytest.mark.anyio
async def test_what_no_longer_fits_into_memory_is_counted(tmp_path: Path) -> None:
    log, one = open_log(tmp_path, sink.Config()), outcome(1)
    with full_disk(tmp_path, 0):
        for _ in range(outbox.MAX_WAITING + 50):
            log.write(one)
        assert log.state().trouble
    await until_written(log)
    await log.aclose()
    report = check(tmp_path / "audit")
    assert report.intact
    assert report.lost == 50
    assert audit_report.exit_code(report) == audit_report.WHOLE
    assert "UNKNOWN: no record says so, but 50 decisions have no record" in audit_report.text(report)


# -- keys and the command line


def test_the_key_is_for_the_owner_alone_and_its_public_half_for_all(tmp_path: Path) -> None:
    asyncio.run(write(tmp_path, range(1)))
    log = tmp_path / "audit"
    assert (log / audit.KEY_FILE).stat().st_mode & 0o777 == 0o600
    shown = CliRunner().invoke(app, ["audit", "key", str(log)])
    key = audit.private_key((log / audit.KEY_FILE).read_bytes())
    assert shown.output.encode() == audit.public_pem(key.public_key())


@pytest.mark.parametrize("change", ["another key", "no key"])
def test_a_log_goes_on_with_its_own_key_only(tmp_path: Path, change: str) -> None:
    asyncio.run(write(tmp_path, range(1)))
    path = tmp_path / "audit" / audit.KEY_FILE
    if change == "no key":
        path.unlink()
    else:
        path.write_bytes(audit.new_private_key())
    with pytest.raises(ConfigError, match=r"another key|put it back"):
        open_log(tmp_path)


def test_a_key_that_is_none_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="not an Ed25519 private key") as caught:
        sink.Config.model_validate({"key": "hunter2hunter2"})
    assert "hunter2" not in re.sub(r"input_value=.*", "", str(caught.value))


def test_the_command_line_tells_whole_from_broken(whole: Path) -> None:
    run = CliRunner().invoke
    shown = run(app, ["audit", "verify", str(whole), "--key", str(whole / audit.PUBLIC_FILE)])
    assert shown.exit_code == 0
    assert "WHOLE" in shown.output
    with copy_of(whole) as log:
        path = audit.log_files(log)[0][1]
        path.write_bytes(path.read_bytes().replace(b"clinic", b"office", 1))
        shown = run(app, ["audit", "verify", str(log), "--json"])
        assert shown.exit_code == 1
        found = json.loads(shown.output)
        assert found["verdict"] == "broken"
        assert found["left"] == "unknown"
        assert found["problems"][0]["line"] == 2
    assert run(app, ["audit", "verify", os.devnull]).exit_code == 2
