"""Where a log goes on after a stop, and what is to be said of how it ended."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from router.core.errors import ConfigError
from router.core.types import JsonObject
from router.record import audit
from router.record.audit import Gap, Head, Kind, Position


class Resumed(msgspec.Struct, frozen=True, kw_only=True):
    """How a log was found at the start."""

    log: str = ""
    """Its id; empty = there is none yet."""
    file: int = 0
    """Number of the file to append to."""
    position: Position = Position(seq=0, hash="")
    kind: Kind = Kind.START
    """What the first new record is: START, RECOVERED or GAP."""
    gap: Gap | None = None
    facts: JsonObject = {}
    """What the first new record says besides."""


class _End(msgspec.Struct, kw_only=True):
    """The last lines of a log: those behind the one that the head names."""

    line: bytes = b""
    named: bytes = b""
    """The line that the head names."""
    behind: bytes = b""
    """The one after that."""
    unsigned: int | None = None
    """Records behind the head; None = the head's isn't there."""
    dropped_bytes: int = 0
    dropped_hash: str = ""


class _Line(msgspec.Struct):
    kind: str
    seq: int


class _Open(msgspec.Struct):
    log: str


def resume(folder: Path, key: Ed25519PublicKey) -> Resumed:
    """Find the end of the log; cut an incomplete last line off, which only a crash leaves.

    Raises:
        ConfigError: the log can't be told from something else.
    """
    head, gap = _head(folder / audit.HEAD_FILE, key)
    files = audit.log_files(folder)
    end = _End()
    while files and not end.line:
        _read_end(files[-1][1], head, end)
        if not end.line:  # made, but killed before its first line was whole
            files.pop()[1].unlink()
    if not files:
        return _from_nothing(head)
    if end.unsigned is None and len(files) > 1:  # a new file was begun, but the head still names the last one's end
        before = _End()
        _read_end(files[-2][1], head, before, cut=False)
        if before.unsigned is not None:
            end.unsigned = before.unsigned + _count(files[-1][1])
    if head is not None and end.unsigned is None:
        gap = Gap.RECORDS_MISSING
    elif _is_close(end.named) and end.behind and not audit.is_signed(end.behind, key):
        gap = Gap.RECORDS_ADDED
    return _resumed(files, head, gap, end)


def _is_close(line: bytes) -> bool:
    return bool(line) and msgspec.json.decode(line, type=_Line).kind == Kind.CLOSE


def _resumed(files: list[tuple[int, Path]], head: Head | None, gap: Gap | None, end: _End) -> Resumed:
    number, path = files[-1]
    try:
        with path.open("rb") as file:
            log = msgspec.json.decode(file.readline(), type=_Open).log
        last = msgspec.json.decode(end.line, type=_Line)
    except (msgspec.DecodeError, ValueError, RecursionError):
        last, log = _Line("", head.seq if head else 0), head.log if head else ""
    if not log:
        raise ConfigError(f"{path} isn't an audit log any more; move its folder away to begin a new one")
    position = Position(seq=max(last.seq, head.seq if head else 0), hash=audit.hash_of(end.line))
    kind = Kind.START
    facts: JsonObject = {}
    if gap is not None:
        kind = Kind.GAP
        facts = {"reason": gap.value, "head_seq": head.seq if head else None, "found_seq": last.seq}
    elif last.kind != Kind.CLOSE or end.unsigned or end.dropped_bytes:
        kind = Kind.RECOVERED
        assert head is not None
        facts = {"head_seq": head.seq, "head_hash": head.hash, "unsigned": end.unsigned}
        facts |= {"dropped_bytes": end.dropped_bytes, "dropped_hash": end.dropped_hash}
    return Resumed(log=log, file=number, position=position, kind=kind, gap=gap, facts=facts)


def _from_nothing(head: Head | None) -> Resumed:
    """Begin anew; if there was a log, as its continuation, so that its loss shows."""
    if head is None:
        return Resumed()
    facts: JsonObject = {"reason": Gap.RECORDS_MISSING.value, "head_seq": head.seq, "found_seq": 0}
    position = Position(seq=head.seq, hash=head.hash)
    return Resumed(
        log=head.log, file=head.file + 1, position=position, kind=Kind.GAP, gap=Gap.RECORDS_MISSING, facts=facts
    )


def _head(path: Path, key: Ed25519PublicKey) -> tuple[Head | None, Gap | None]:
    try:
        head = audit.read_head(path.read_bytes().removesuffix(b"\n"), key)
    except FileNotFoundError:
        return None, Gap.HEAD_MISSING
    return head, None if head is not None else Gap.HEAD_INVALID


def _read_end(path: Path, head: Head | None, end: _End, *, cut: bool = True) -> None:
    """Read a file to its last whole line into `end`; cut off what stands behind it."""
    whole = 0
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                if cut:
                    end.dropped_bytes, end.dropped_hash = len(line), audit.hash_of(line)
                break
            whole += len(line)
            end.line = line[:-1]
            if end.unsigned is not None:
                end.unsigned += 1
                end.behind = end.behind or end.line
            if head is not None and audit.hash_of(end.line) == head.hash:
                end.named, end.behind, end.unsigned = end.line, b"", 0
    if cut and end.dropped_bytes:
        os.truncate(path, whole)


def _count(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)
