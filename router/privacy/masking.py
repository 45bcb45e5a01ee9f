"""Replaces what the scan found by placeholders such as `<PERSON_1>`, and puts the values back into the answer.

The map lives in a vault that belongs to one request; nothing here is shared between requests or logged.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from router.core.types import Finding, JsonObject, JsonValue
from router.privacy.leaves import Path

PLACEHOLDER = re.compile(r"<[A-Z][A-Z0-9_]*_[0-9]+>")
_BEGUN = re.compile(r"<(?:[A-Z][A-Z0-9_]*)?\Z")


class Vault:
    """The placeholders of one request and the values they stand for."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        """Start empty; `taken` are placeholders that the request itself holds as text, so they can't be used."""
        self._taken = frozenset(taken)
        self._values: dict[str, str] = {}
        self._placeholders: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Vault({len(self)} values)"

    def placeholder(self, entity: str, value: str) -> str:
        """Return the placeholder for a value; the same value always gets the same one."""
        while value not in self._placeholders:
            self._counts[entity] += 1
            name = f"<{entity}_{self._counts[entity]}>"
            if name not in self._taken:
                self._placeholders[value] = name
                self._values[name] = value
        return self._placeholders[value]

    def unmask(self, text: str, *, in_json: bool = False) -> str:
        """Put the values back; unknown placeholders stay as they are.

        `in_json` escapes the values for text that is itself JSON, such as the arguments of a tool call.
        """

        def value(match: re.Match[str]) -> str:
            found = self._values.get(match.group())
            if found is None:
                return match.group()
            return json.dumps(found, ensure_ascii=False)[1:-1] if in_json else found

        return PLACEHOLDER.sub(value, text)

    def begins_one(self, text: str) -> bool:
        """Say whether some placeholder starts with this text."""
        return any(name.startswith(text) for name in self._values)


class StreamUnmasker:
    """Puts values back into a text that comes in pieces; holds back only what may be the start of a placeholder."""

    def __init__(self, vault: Vault, *, in_json: bool = False) -> None:
        self._vault = vault
        self._in_json = in_json
        self._held = ""

    def feed(self, text: str) -> str:
        """Take the next piece; return what can be shown of it now."""
        text = self._held + text
        begun = _BEGUN.search(text)
        place = begun.start() if begun is not None and self._vault.begins_one(begun.group()) else len(text)
        self._held = text[place:]
        return self._vault.unmask(text[:place], in_json=self._in_json)

    def flush(self) -> str:
        """Return what was held back; the stream is over, so it was no placeholder."""
        held, self._held = self._held, ""
        return held


class _Span(NamedTuple):
    start: int
    end: int
    entity: str


def _merged(findings: Iterable[Finding]) -> list[_Span]:
    """Merge spans that overlap; the widest names the result."""
    merged: list[_Span] = []
    for finding in sorted(findings, key=lambda f: (f.start, -f.end, -f.score)):
        last = merged[-1] if merged else None
        if last is None or finding.start >= last.end:
            merged.append(_Span(finding.start, finding.end, finding.entity))
        elif finding.end > last.end:
            widest = max((last.end - last.start, last.entity), (finding.end - finding.start, finding.entity))
            merged[-1] = _Span(last.start, finding.end, widest[1])
    return merged


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _mask_text(text: str, spans: list[_Span], vault: Vault) -> str:
    """Replace the spans; a number in a JSON text becomes a string, so that the text stays JSON."""
    masked = _replaced(text, spans, vault, quote=False)
    if text.lstrip()[:1] in ("{", "[") and _is_json(text) and not _is_json(masked):
        return _replaced(text, spans, vault, quote=True)
    return masked


def _replaced(text: str, spans: list[_Span], vault: Vault, *, quote: bool) -> str:
    pieces: list[str] = []
    done = 0
    for span in spans:
        bare = (
            quote and text[: span.start].rstrip()[-1:] in (":", ",", "[") and text[span.start - 1 : span.start] != '"'
        )
        mark = '"' if bare else ""
        pieces += (text[done : span.start], mark, vault.placeholder(span.entity, text[span.start : span.end]), mark)
        done = span.end
    return "".join((*pieces, text[done:]))


class _Masker:
    def __init__(self, findings: tuple[Finding, ...], vault: Vault) -> None:
        self._vault = vault
        self._keys: dict[Path, str] = {}
        self._spans: dict[Path, list[Finding]] = defaultdict(list)
        self._prefixes: set[Path] = set()
        for finding in findings:
            if finding.start == finding.end:
                self._keys[finding.path] = finding.entity
            else:
                self._spans[finding.path].append(finding)
            self._prefixes.update(finding.path[:length] for length in range(len(finding.path) + 1))

    def value(self, value: JsonValue, path: Path) -> JsonValue:
        """Return a masked copy; parts without findings are the originals."""
        if path not in self._prefixes:
            return value
        if isinstance(value, dict):
            return {self.key(name, (*path, name)): self.value(item, (*path, name)) for name, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, (*path, index)) for index, item in enumerate(value)]
        spans = _merged(self._spans.get(path, ()))
        if not spans:
            return value
        if isinstance(value, str):
            return _mask_text(value, spans, self._vault)
        return self._vault.placeholder(spans[0].entity, str(value))

    def key(self, name: str, path: Path) -> str:
        """Return the key, or its placeholder."""
        return self._vault.placeholder(self._keys[path], name) if path in self._keys else name


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def mask(body: JsonObject, findings: tuple[Finding, ...]) -> tuple[JsonObject, Vault]:
    """Return a copy of the body without what was found, and the vault that knows it.

    A finding with `start == end` means the key at its path. The body itself isn't changed.
    """
    taken = {name for text in _texts(body) if "<" in text for name in PLACEHOLDER.findall(text)}
    vault = Vault(taken)
    masked = _Masker(findings, vault).value(body, ())
    assert isinstance(masked, dict)
    return masked, vault
