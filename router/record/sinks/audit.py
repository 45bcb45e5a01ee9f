"""Writes the audit log: hash-chained, signed, recovered after a crash, and refused to a second process.

Every batch goes to the disk before the head file names its last record, so the head is never ahead of the log.
"""

from __future__ import annotations

import fcntl
import logging
import os
import random
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from router.core import clock
from router.core.errors import ConfigError, RecordUnavailable
from router.core.ports import SinkDeps, SinkState
from router.core.types import JsonObject, Outcome
from router.record import audit
from router.record.audit import Gap, Head, Kind, Position
from router.record.audit_resume import Resumed, resume
from router.record.files import Appender, write_whole
from router.record.outbox import Outbox

_log = logging.getLogger(__name__)


class Config(BaseModel):
    """Options of `kind: audit`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    key: SecretStr | None = None
    """Private key in PEM; None = `audit.key` beside the log, made at the first start."""
    required: bool = False
    """Whether requests are refused while the log can't be written."""
    max_file_bytes: int = Field(default=268_435_456, ge=4096)
    max_file_age_s: float = Field(default=86_400, gt=0)
    checkpoint_records: int = Field(default=256, ge=1)
    checkpoint_s: float = Field(default=60, gt=0)

    @field_validator("key")
    @classmethod
    def _is_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            audit.private_key(value.get_secret_value().encode())
        return value


class AuditLog:
    """The sink. One process writes a log; all writing happens in the outbox' thread."""

    def __init__(self, config: Config, deps: SinkDeps) -> None:
        """Take the folder, recover what a crash left, and write the first record.

        Raises:
            ConfigError: another process writes here, the key is another one, or the log is required and damaged.
            OSError: the folder can't be written.
        """
        self._config, self._policy = config, deps.policy
        self._folder = deps.folder / audit.FOLDER
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _lock(self._folder)
        try:
            self._key = _key(config, self._folder)
            self._begin(resume(self._folder, self._key.public_key()))
        except BaseException:
            os.close(self._lock)
            raise
        self._outbox = Outbox(
            "the audit log", self._append, tick=self._tick, close=self._close, required=config.required
        )

    def write(self, outcome: Outcome) -> None:
        """See `core.ports.Sink`. A request that this log itself turned away is only counted."""
        if outcome.error_code == RecordUnavailable.code:
            self._refused += 1
        else:
            self._outbox.put(outcome)

    def state(self) -> SinkState:
        """See `core.ports.Sink`."""
        return self._outbox.state()

    async def aclose(self) -> None:
        """Write what waits and the closing record."""
        await self._outbox.aclose()

    def _begin(self, found: Resumed) -> None:
        if found.gap is not None:
            _log.error("audit log %s: %s at record %d", self._folder, found.gap.value, found.position.seq)
            if self._config.required:
                message = (
                    f"the audit log is not whole ({found.gap.value}): run `sona-router audit verify {self._folder}`"
                )
                raise ConfigError(f"{message}, then move the folder away to begin a new log")
        self._log_id = found.log or f"{random.SystemRandom().getrandbits(128):032x}"
        self._position = found.position if found.log else audit.genesis(self._log_id)
        self._number = max(1, found.file)
        self._file = Appender(self._folder / audit.file_name(self._number))
        self._signed_seq, self._signed_s = self._position.seq, clock.monotonic_s()
        self._head_due = False
        self._failed_unix_s: float | None = None
        self._refused = 0
        self._declared = (0, 0)
        lines = self._lines()
        if found.log:
            lines.sign(found.kind, {"log": self._log_id, "policy": self._policy, **found.facts})
        self._commit(lines)
        self._write_head()

    def _append(self, batch: Sequence[Outcome]) -> None:
        """Write a batch wholly or not at all; see `Outbox`."""
        if self._head_due:
            self._write_head()
        if self._file.is_due(self._config.max_file_bytes, self._config.max_file_age_s):
            self._rotate()
        lines = self._lines()
        self._declare(lines)
        for outcome in batch:
            lines.add(audit.decision_line(outcome, lines.position, self._policy))
            if lines.position.seq - lines.signed_seq >= self._config.checkpoint_records:
                lines.sign(Kind.CHECKPOINT, {})
        self._commit(lines)
        try:
            self._write_head()
        except OSError as error:  # the batch is written and must not be written again; `_tick` tries and reports
            _log.error("the audit log's head can't be written: %s", error.strerror)

    def _tick(self) -> None:
        lines = self._lines()
        self._declare(lines)
        unsigned = self._position.seq > self._signed_seq
        if unsigned and clock.monotonic_s() - self._signed_s >= self._config.checkpoint_s:
            lines.sign(Kind.CHECKPOINT, {})
        if lines.written:
            self._commit(lines)
        if self._head_due:
            self._write_head()

    def _close(self) -> None:
        try:
            lines = self._lines()
            self._declare(lines)
            lines.sign(Kind.CLOSE, {})
            self._commit(lines)
            self._write_head()
        finally:
            self._file.close()
            os.close(self._lock)

    def _rotate(self) -> None:
        lines = self._lines()
        lines.sign(Kind.CHECKPOINT, {})
        self._commit(lines)
        full, self._file = self._file, Appender(self._folder / audit.file_name(self._number + 1))
        full.close()
        self._number += 1

    def _lines(self) -> _Lines:
        """Begin some lines behind what is written; a new file begins with its own."""
        lines = _Lines(self._position, self._signed_seq, self._key)
        if self._file.size_bytes == 0:
            key = audit.fingerprint(self._key.public_key())
            facts: JsonObject = {"version": audit.VERSION, "log": self._log_id, "file": self._number}
            lines.sign(Kind.OPEN, {**facts, "key": key, "policy": self._policy})
        return lines

    def _declare(self, lines: _Lines) -> None:
        """Say that the log could not be written for a while, and what that cost."""
        lost, refused = now = (self._outbox.lost, self._refused)
        if self._failed_unix_s is None and now == self._declared:
            return
        since = self._failed_unix_s if self._failed_unix_s is not None else clock.unix_s()
        facts: JsonObject = {"reason": Gap.UNWRITABLE.value, "since": since}
        lines.sign(Kind.GAP, {**facts, "lost": lost - self._declared[0], "refused": refused - self._declared[1]})
        lines.declares = now

    def _commit(self, lines: _Lines) -> None:
        """Append lines and move on, or leave all as it was.

        Raises:
            OSError: nothing was written.
        """
        try:
            self._file.append(b"".join(line + b"\n" for line in lines.written), sync=True)
        except OSError:
            if self._failed_unix_s is None:
                self._failed_unix_s = clock.unix_s()
            raise
        self._position, self._head_due = lines.position, True
        if lines.signed_seq > self._signed_seq:
            self._signed_seq, self._signed_s = lines.signed_seq, clock.monotonic_s()
        if lines.declares is not None:
            self._declared, self._failed_unix_s = lines.declares, None

    def _write_head(self) -> None:
        position = self._position
        head = Head(log=self._log_id, file=self._number, seq=position.seq, hash=position.hash, time=clock.unix_s())
        write_whole(self._folder / audit.HEAD_FILE, audit.head_line(head, self._key) + b"\n")
        self._head_due = False


class _Lines:
    """Lines that are to be written together, behind a position."""

    def __init__(self, position: Position, signed_seq: int, key: Ed25519PrivateKey) -> None:
        self.written: list[bytes] = []
        self.position, self.signed_seq = position, signed_seq
        self.declares: tuple[int, int] | None = None
        """Lost and refused requests in all, once these lines are written."""
        self._key = key

    def add(self, line: bytes) -> None:
        """Append a line that was made for `position`."""
        self.written.append(line)
        self.position = audit.after(line, self.position)

    def sign(self, kind: Kind, facts: JsonObject) -> None:
        """Append a signed line."""
        self.add(audit.signed_line(kind, self.position, clock.unix_s(), self._key, facts))
        self.signed_seq = self.position.seq


def _lock(folder: Path) -> int:
    """Take the folder for this process, until the file is closed or the process ends."""
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise ConfigError(
            f"another process writes the audit log {folder}; give this one its own 'record.path'"
        ) from None
    return file


def _key(config: Config, folder: Path) -> Ed25519PrivateKey:
    """Take the key from the configuration, or the one beside the log; write its public half for those who verify."""
    path = folder / audit.KEY_FILE
    if config.key is not None:
        pem = config.key.get_secret_value().encode()
    elif path.exists():
        pem = path.read_bytes()
    elif audit.log_files(folder):
        raise ConfigError(
            f"the audit log {folder} has records but no {audit.KEY_FILE}; put it back, or move the folder away"
        )
    else:
        pem = audit.new_private_key()
        write_whole(path, pem, mode=0o600)
    try:
        key = audit.private_key(pem)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    public, path = audit.public_pem(key.public_key()), folder / audit.PUBLIC_FILE
    if path.exists() and path.read_bytes() != public:
        raise ConfigError(f"the audit log {folder} was signed with another key; give that one, or move the folder away")
    write_whole(path, public, mode=0o644)
    return key


def build(config: Config, deps: SinkDeps) -> AuditLog:
    """Build the sink."""
    return AuditLog(config, deps)
