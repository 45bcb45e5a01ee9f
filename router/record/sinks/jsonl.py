"""One JSON line a request in `decisions.jsonl`, written by a thread of its own so that no request waits."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from router.core import clock
from router.core.ports import SinkDeps, SinkState
from router.core.types import Outcome
from router.record.files import Appender
from router.record.outbox import Outbox

FILE = "decisions.jsonl"


class Config(BaseModel):
    """Options of `kind: jsonl`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    max_file_bytes: int = Field(default=268_435_456, ge=4096)
    max_file_age_s: float = Field(default=86_400, gt=0)
    keep_files: int | None = Field(default=None, ge=1)
    """Older files beyond this number are removed; None = none is."""


def _plain(value: object) -> object:
    return str(value)


class JsonLines:
    """The sink. A large or old file is set aside as `decisions-<time>.jsonl`."""

    def __init__(self, config: Config, folder: Path) -> None:
        """Open the file.

        Raises:
            OSError: the folder can't be made or the file not opened.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._config = config
        self._folder = folder
        self._file = Appender(folder / FILE)
        self._encoder = msgspec.json.Encoder(enc_hook=_plain, decimal_format="string")
        self._outbox = Outbox("decision records", self._append, close=self._close)

    def write(self, outcome: Outcome) -> None:
        """See `core.ports.Sink`."""
        self._outbox.put(outcome)

    def state(self) -> SinkState:
        """See `core.ports.Sink`."""
        return self._outbox.state()

    async def aclose(self) -> None:
        """Write what waits, then close."""
        await self._outbox.aclose()

    def _append(self, batch: Sequence[Outcome]) -> None:
        if self._file.is_due(self._config.max_file_bytes, self._config.max_file_age_s):
            self._rotate()
        self._file.append(b"".join(self._encoder.encode(outcome) + b"\n" for outcome in batch))

    def _rotate(self) -> None:
        now = datetime.fromtimestamp(clock.unix_s(), UTC)
        with suppress(FileNotFoundError):  # somebody moved it away, or no new one could be opened the last time
            self._file.path.rename(self._folder / f"decisions-{now:%Y%m%dT%H%M%S.%fZ}.jsonl")
        full, self._file = self._file, Appender(self._folder / FILE)
        full.close()
        if self._config.keep_files is not None:
            for old in sorted(self._folder.glob("decisions-*.jsonl"))[: -self._config.keep_files]:
                old.unlink()

    def _close(self) -> None:
        self._file.close()


def build(config: Config, deps: SinkDeps) -> JsonLines:
    """Build the sink."""
    return JsonLines(config, deps.folder)
