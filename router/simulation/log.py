"""Reads decision records back, as the `jsonl` sink wrote them."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import msgspec

from router.core.errors import ConfigError
from router.core.types import Outcome

_DECODER = msgspec.json.Decoder(Outcome)


class Line(msgspec.Struct, frozen=True):
    """One line of a log."""

    outcome: Outcome | None
    """None = it can't be read: another kind of line, or one of another version."""


def read(path: Path) -> Generator[Line, None, None]:
    """Yield the lines of a file, or of all `decisions*.jsonl` of a folder, oldest file first.

    Raises:
        ConfigError: there is no such file, or it can't be read.
    """
    files = sorted(path.glob("decisions*.jsonl"), key=_age) if path.is_dir() else [path]
    if not files:
        raise ConfigError(f"{path}: there are no decision records here; give the file, or the folder record.path")
    for file in files:
        try:
            with file.open("rb") as lines:
                yield from (_line(line) for line in lines if line.strip())
        except OSError as error:
            raise ConfigError(f"{file}: can't read it: {error.strerror}") from None


def _line(text: bytes) -> Line:
    try:
        return Line(_DECODER.decode(text))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Line(None)


def _age(file: Path) -> tuple[bool, str]:
    """Files that were set aside carry their time in their names; the one in use comes last."""
    return file.name == "decisions.jsonl", file.name
