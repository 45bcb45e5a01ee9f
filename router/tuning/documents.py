"""What there is to scan: a text, a request, lines of either, or a folder of files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec

from router.core.errors import ConfigError
from router.core.types import JsonObject, JsonValue

LINES = frozenset({".jsonl", ".ndjson"})
TEXT_KEYS = ("text", "prompt", "content", "input")
"""Where a line of JSON that is no request may hold its text."""
TEXT_PATH = ("messages", 0, "content")
"""Where a text that is no request stands in the one that is made of it."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One text or request."""

    name: str
    """File, and the line in it where it is one of many."""
    body: JsonObject
    is_text: bool = False
    """Whether the body was made around a text."""


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A file that holds no text."""

    name: str
    why: str


def read(path: Path, stdin: bytes | None) -> Iterator[Document | Unreadable]:
    """Read a file, a folder with all below it, or standard input.

    Raises:
        ConfigError: there is no such file.
    """
    if stdin is not None:
        yield from _read("standard input", stdin, "")
    elif path.is_dir():
        for file in sorted(path.rglob("*")):
            hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
            if file.is_file() and not hidden:
                yield from _read(str(file.relative_to(path)), file.read_bytes(), file.suffix)
    elif path.is_file():
        yield from _read(path.name, path.read_bytes(), path.suffix)
    else:
        raise ConfigError(f"{path}: no such file or folder")


def _read(name: str, data: bytes, suffix: str) -> Iterator[Document | Unreadable]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        yield Unreadable(name=name, why="not UTF-8 text")
        return
    if suffix in LINES or (not suffix and _is_lines(text)):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield _of_json(f"{name}:{number}", line)
    elif suffix in (".json", ""):
        yield _of_json(name, text)
    else:
        yield _of_text(name, text)


def _is_lines(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) > 1 and all(isinstance(_decoded(line), dict) for line in lines)


def _of_json(name: str, text: str) -> Document:
    value = _decoded(text)
    if isinstance(value, str):
        return _of_text(name, value)
    if not isinstance(value, dict):
        return _of_text(name, text)
    if not isinstance(value.get("messages"), list):
        found = next((item for key in TEXT_KEYS if isinstance(item := value.get(key), str)), None)
        if found is not None:
            return _of_text(name, found)
    return Document(name=name, body=value)


def _of_text(name: str, text: str) -> Document:
    return Document(name=name, body={"messages": [{"role": "user", "content": text}]}, is_text=True)


def _decoded(text: str) -> JsonValue:
    """Decode JSON; None where it is none."""
    try:
        return cast("JsonValue", json.loads(text))
    except (ValueError, RecursionError):
        return None


def text_at(body: JsonObject, path: tuple[str | int, ...], in_key: bool) -> str:
    """Take out the text that a finding's offsets count in: a value's, a number's digits, or a key."""
    if in_key:
        return str(path[-1])
    value: JsonValue = body
    for part in path:
        value = value[part]  # pyright: ignore[reportArgumentType, reportCallIssue, reportIndexIssue, reportOptionalSubscript, reportUnknownVariableType] the scan went this way
    return value if isinstance(value, str) else str(int(cast("float", value)))
