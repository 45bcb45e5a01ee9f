"""Checks an audit log offline: chain, sequence, signatures and end; and answers whether anything restricted left.

Streams: memory doesn't grow with the log. Reads files only.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from router.record import audit
from router.record.audit import Gap, Head, Kind, Tried

_MAX_LISTED = 50
"""Problems and offenders beyond this number are counted, not listed."""

_WINDOW = 4096
"""Records whose hashes are kept, to find the one that the head names."""

_HEAD_WAIT_S = 0.3
"""The head follows the log within this time while a router writes."""

_SENSITIVE = ("restricted", "confidential", "unscanned")


class Problem(msgspec.Struct, frozen=True):
    """One place where the log isn't what the router wrote."""

    file: str
    line: int
    seq: int
    """The record it is about; as far as it can be told."""
    what: str


class Offender(msgspec.Struct, frozen=True):
    """A sensitive request that was sent to a cloud as it was."""

    file: str
    line: int
    seq: int
    time: float
    decision_id: str
    sensitivity: str
    rule: str
    targets: tuple[str, ...]


class Tally(msgspec.Struct):
    """Requests of one sensitivity, and what was sent to clouds for them."""

    requests: int = 0
    cloud_masked: int = 0
    """Attempts."""
    cloud_clear: int = 0
    """Attempts."""


class Report(msgspec.Struct):
    """All that was found."""

    folder: str
    key: str
    """Fingerprint of the key that all was checked with."""
    own_key: bool
    """Whether that key lay beside the log: then it proves nothing against those who can write there."""
    log: str = ""
    records: int = 0
    decisions: int = 0
    files: int = 0
    first_time: float | None = None
    last_time: float | None = None
    problems: list[Problem] = []
    problem_count: int = 0
    notices: list[str] = []
    """What the router itself noted: crashes it recovered from, times when it could not write."""
    lost: int = 0
    """Decisions without a record, by the router's own count."""
    growing: bool = False
    """Whether a router wrote on while this was read."""
    sensitivity: dict[str, Tally] = {}
    offenders: list[Offender] = []
    offender_count: int = 0

    @property
    def intact(self) -> bool:
        """Whether the log is what the router wrote, whole."""
        return self.problem_count == 0


class _Seen(msgspec.Struct):
    """What checking needs of a line."""

    kind: Kind
    seq: int
    prev: str
    time: float
    decision_id: str = ""
    sensitivity: str | None = None
    rule: str = ""
    attempts: tuple[Tried, ...] = ()


class _Said(msgspec.Struct):
    """What a signed line may say besides."""

    log: str = ""
    file: int = 0
    key: str = ""
    reason: str = ""
    lost: int = 0
    refused: int = 0
    unsigned: int = 0
    dropped_bytes: int = 0


class _Item(NamedTuple):
    file: str
    line: int
    raw: bytes
    hash: str
    seen: _Seen | None
    whole: bool
    """Whether it ends with a line feed."""


def verify(folder: Path, key: Ed25519PublicKey, *, own_key: bool, known: Head | None = None) -> Report:
    """Check the log in `folder`; `known` is a head that was noted earlier and must lie on the chain.

    Raises:
        OSError: it can't be read.
    """
    report = Report(folder=str(folder), key=audit.fingerprint(key), own_key=own_key)
    begun = _head(folder, key)
    checker = _Checker(report, key, [head for head in (begun, known) if head is not None])
    files = audit.log_files(folder)
    report.files = len(files)
    for expected, (number, path) in enumerate(files, 1):
        if number != expected:
            checker.problem(path.name, 0, 0, f"file {audit.file_name(expected)} is missing")
            break
    if files and (other := _other_key(files[0][1], report.key)):
        what = f"signed with the key {other}, not with {report.key}, the one it is checked with"
        checker.problem(files[0][1].name, 1, 1, what)
        return report
    waiting: _Item | None = None
    for item in _items(path for _, path in files):
        if waiting is not None:
            checker.take(waiting, item)
        waiting = item
    _finish(folder, key, checker, waiting, begun)
    return report


def _other_key(path: Path, key: str) -> str:
    """The key that a file says it was signed with, where that isn't `key`."""
    with path.open("rb") as file:
        try:
            said = msgspec.json.decode(file.readline(), type=_Said).key
        except (msgspec.DecodeError, ValueError, RecursionError):
            return ""
    return said if re.fullmatch(r"[0-9a-f]{32}", said) and said != key else ""


def _finish(folder: Path, key: Ed25519PublicKey, checker: _Checker, last: _Item | None, begun: Head | None) -> None:
    """Check the end, with patience for a router that writes on."""
    now = _head(folder, key)
    if now is not None and last is not None and _is_ahead(last, now):
        time.sleep(_HEAD_WAIT_S)
        now = _head(folder, key)
    growing = now is not None and begun is not None and now.seq > begun.seq
    if last is not None and (last.whole or not growing):
        checker.take(last, None)
    checker.end(now, growing)


def _is_ahead(last: _Item, head: Head) -> bool:
    """Whether the log may be further than its head, as it is for a moment at every write."""
    return not last.whole or (last.seen is not None and last.seen.seq > head.seq)


def _items(paths: Iterator[Path]) -> Iterator[_Item]:
    decode = msgspec.json.Decoder(_Seen).decode
    hash_of = audit.hash_of
    for path in paths:
        name = path.name
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                raw = line.removesuffix(b"\n")
                try:
                    seen = decode(raw)
                except (msgspec.DecodeError, ValueError, RecursionError):
                    seen = None
                yield _Item(name, number, raw, hash_of(raw), seen, len(raw) < len(line))


def _head(folder: Path, key: Ed25519PublicKey) -> Head | None:
    try:
        return audit.read_head((folder / audit.HEAD_FILE).read_bytes().removesuffix(b"\n"), key)
    except FileNotFoundError:
        return None


class _Checker:
    """Follows the chain line by line. Knows one line ahead, to tell an altered line from its neighbours."""

    def __init__(self, report: Report, key: Ed25519PublicKey, heads: list[Head]) -> None:
        self._report, self._key = report, key
        self._anchors = {head.seq: head.hash for head in heads}
        self._recent: deque[_Item] = deque(maxlen=_WINDOW)
        self._last: _Item | None = None
        self._seq = 0
        """Number of the line before, as it should be."""
        self._max_seq = self._signed_seq = 0
        self._hash = ""
        self._excused = False
        """The line before was found wrong, so that the next can't fit to it."""

    def problem(self, file: str, line: int, seq: int, what: str) -> None:
        """Note one."""
        self._report.problem_count += 1
        if len(self._report.problems) < _MAX_LISTED:
            self._report.problems.append(Problem(file, line, seq, what))

    def take(self, item: _Item, ahead: _Item | None) -> None:
        """Check a line against the one before; `ahead` is the one after it."""
        self._report.records += 1
        if item.seen is None or not item.whole:
            self._unreadable(item)
        else:
            self._placed(item, item.seen, ahead)
        self._last, self._hash = item, item.hash
        self._recent.append(item)

    def _unreadable(self, item: _Item) -> None:
        again = self._last is not None and (self._last.seen is None or not self._last.whole)
        if not again:
            self._seq += 1
            what = "altered: this is no record" if item.whole else "cut off in the middle of the line"
            self.problem(item.file, item.line, self._seq, what)
        self._excused = True

    def _placed(self, item: _Item, seen: _Seen, ahead: _Item | None) -> None:
        if seen.kind is not Kind.DECISION and not self._signed(item, seen):
            return
        expected, excused, self._excused = self._seq + 1, self._excused, False
        linked = seen.prev == self._hash
        if seen.seq != expected:
            self._misplaced(item, seen, ahead, expected, linked)
        else:
            self._seq = expected
            if not linked and not excused:
                self._unlinked(item, ahead)
        self._max_seq = max(self._max_seq, self._seq)
        anchor = self._anchors.get(self._seq) if self._anchors else None
        if anchor is not None and anchor != item.hash and not self._excused:
            self.problem(item.file, item.line, self._seq, "altered: a signed head names another record here")
        if not self._excused:
            self._count(item, seen)

    def _unlinked(self, item: _Item, ahead: _Item | None) -> None:
        """The number fits, the hash doesn't: this line was altered, or the one before."""
        confirmed = ahead is not None and ahead.seen is not None and ahead.seen.prev == item.hash
        if ahead is None:
            confirmed = item.hash in self._anchors.values()
        last = self._last
        if confirmed and last is not None:
            since = f" (or all records since the signature of {self._signed_seq})" if last.seen else ""
            what = f"altered{since}: the next record doesn't follow it"
            self.problem(last.file, last.line, self._seq - 1, what)
        elif self._seq == 1 and last is None:
            self.problem(item.file, item.line, 1, "altered: it doesn't begin this log")
        else:
            self._excused = True
            self.problem(item.file, item.line, self._seq, "altered: neither its neighbour before nor after fits")

    def _misplaced(self, item: _Item, seen: _Seen, ahead: _Item | None, expected: int, linked: bool) -> None:
        followed = ahead is not None and ahead.seen is not None and ahead.seen.seq == expected + 1
        if (linked or followed) and seen.kind is Kind.DECISION:
            self._seq, self._excused = expected, True
            self.problem(item.file, item.line, expected, f"altered: it says it is record {seen.seq}")
            return
        first = max(expected, self._max_seq + 1)
        if seen.seq < expected:
            self.problem(item.file, item.line, seen.seq, f"out of order or repeated: record {expected} belongs here")
        elif first < seen.seq:
            which = f"record {first} is" if first == seen.seq - 1 else f"records {first} to {seen.seq - 1} are"
            self.problem(item.file, item.line, first, f"{which} missing before record {seen.seq}")
        self._seq = seen.seq

    def _signed(self, item: _Item, seen: _Seen) -> bool:
        """Check a signed line, and take in what it says."""
        said = msgspec.json.decode(item.raw, type=_Said) if audit.is_signed(item.raw, self._key) else None
        if said is None:
            self._seq += 1
            self._excused = True
            since = f"or records since {self._signed_seq}" if self._signed_seq else "or all"
            self.problem(
                item.file, item.line, self._seq, f"its signature doesn't fit: this record {since} were rewritten"
            )
            return False
        self._signed_seq = seen.seq
        if seen.kind is Kind.OPEN:
            self._opened(item, said)
        elif seen.kind is Kind.GAP:
            self._gap(item, seen, said)
        elif seen.kind is Kind.RECOVERED:
            cut = f", {said.dropped_bytes} bytes of an incomplete line were cut off" if said.dropped_bytes else ""
            self._notice(item, f"recovered after a stop without notice: {said.unsigned} records weren't signed{cut}")
        return True

    def _opened(self, item: _Item, said: _Said) -> None:
        self._report.log = self._report.log or said.log
        if self._last is None:
            self._hash = audit.genesis(said.log).hash
        if said.log != self._report.log:
            self.problem(item.file, item.line, self._seq + 1, f"this file is of another log, {said.log}")
        if item.line != 1 or audit.file_name(said.file) != item.file:
            self.problem(item.file, item.line, self._seq + 1, f"this is the beginning of {audit.file_name(said.file)}")

    def _gap(self, item: _Item, seen: _Seen, said: _Said) -> None:
        self._report.lost += said.lost
        if said.reason == Gap.UNWRITABLE:
            self._notice(item, f"could not be written for a while: {said.lost} records lost, {said.refused} refused")
        else:
            self.problem(item.file, item.line, seen.seq, f"the router found this when it started: {said.reason}")

    def _notice(self, item: _Item, what: str) -> None:
        if len(self._report.notices) < _MAX_LISTED:
            self._report.notices.append(f"{item.file}:{item.line}: {what}")

    def _count(self, item: _Item, seen: _Seen) -> None:
        report = self._report
        report.first_time = seen.time if report.first_time is None else min(report.first_time, seen.time)
        report.last_time = seen.time if report.last_time is None else max(report.last_time, seen.time)
        if seen.kind is not Kind.DECISION:
            return
        report.decisions += 1
        level = seen.sensitivity or "unscanned"
        tally = report.sensitivity.get(level)
        if tally is None:
            tally = report.sensitivity[level] = Tally()
        tally.requests += 1
        clear: list[str] = []
        for attempt in seen.attempts:
            if attempt.sent and attempt.locality != "local":
                if attempt.masked:
                    tally.cloud_masked += 1
                else:
                    clear.append(attempt.target)
        tally.cloud_clear += len(clear)
        if clear and level in _SENSITIVE:
            report.offender_count += 1
            if len(report.offenders) < _MAX_LISTED:
                report.offenders.append(
                    Offender(
                        item.file, item.line, self._seq, seen.time, seen.decision_id, level, seen.rule, tuple(clear)
                    )
                )

    def end(self, head: Head | None, growing: bool) -> None:
        """Compare the end with the head file."""
        last, report = self._last, self._report
        report.growing = growing
        file, line = (last.file, last.line) if last is not None else (audit.file_name(1), 0)
        if head is None:
            what = "the head file is missing or not signed with this key: the end can't be checked"
            self.problem(audit.HEAD_FILE, 1, self._max_seq, what)
            return
        if report.log and head.log != report.log:
            self.problem(audit.HEAD_FILE, 1, head.seq, f"the head file is of another log, {head.log}")
            return
        missing = max([seq for seq in self._anchors if seq > self._max_seq], default=0)
        if missing or (head.seq > self._max_seq and not growing):
            upto = max(missing, 0 if growing else head.seq)
            self.problem(file, line, self._max_seq + 1, f"records {self._max_seq + 1} to {upto} are missing at the end")
        elif head.seq < self._max_seq:
            what = f"records {head.seq + 1} to {self._max_seq} come after the signed end: the router was killed and not"
            self.problem(file, line, head.seq + 1, f"{what} started since, or they were added")
        self._compare(head)

    def _compare(self, head: Head) -> None:
        for item in self._recent:
            if item.seen is not None and item.seen.seq == head.seq and item.hash != head.hash:
                known = any(one.file == item.file and one.line == item.line for one in self._report.problems)
                if not known:
                    self.problem(item.file, item.line, head.seq, "altered: the head file names another record here")
