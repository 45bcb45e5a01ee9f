"""Replaces sensitive spans by placeholders, and placeholders by what they stood for. One vault a request."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from router.core.types import Finding, JsonObject, JsonValue

_PLACEHOLDER = re.compile(r"<[A-Z][A-Z_]*_\d+>")
_LONGEST = 64
"""No placeholder is longer; text held back for one is never longer either."""


class Unmaskable(Exception):
    """A finding stands where nothing can be replaced, e.g. in a key or a number."""


class Vault:
    """What each placeholder of one request stands for. Lives as long as the request, in memory only."""

    def __init__(self) -> None:
        self._placeholders: dict[tuple[str, str], str] = {}
        self._values: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def placeholder(self, entity: str, value: str) -> str:
        """The placeholder of a value; the same value gets the same one."""
        key = (entity, value)
        if key not in self._placeholders:
            number = self._counts[entity] = self._counts.get(entity, 0) + 1
            self._placeholders[key] = f"<{entity}_{number}>"
            self._values[self._placeholders[key]] = value
        return self._placeholders[key]

    def unmask(self, text: str, *, in_json: bool = False) -> str:
        """Put the values back; `in_json` = the text is JSON source, so they are escaped. Others' stay."""

        def value(match: re.Match[str]) -> str:
            found = self._values.get(match.group())
            if found is None:
                return match.group()
            return json.dumps(found, ensure_ascii=False)[1:-1] if in_json else found

        return _PLACEHOLDER.sub(value, text) if "<" in text else text


class StreamUnmasker:
    """Unmasks text that comes in pieces cut anywhere; holds back only what may begin a placeholder."""

    def __init__(self, vault: Vault, *, in_json: bool = False) -> None:
        self._vault = vault
        self._in_json = in_json
        self._held = ""

    def feed(self, text: str) -> str:
        """Take the next piece; return what is certain."""
        text = self._held + text
        start = text.rfind("<")
        held = start >= 0 and ">" not in text[start:] and len(text) - start < _LONGEST and _may_begin(text[start:])
        self._held = text[start:] if held else ""
        return self._vault.unmask(text[:start] if held else text, in_json=self._in_json)

    def flush(self) -> str:
        """The rest, at the end of the stream."""
        held, self._held = self._held, ""
        return self._vault.unmask(held, in_json=self._in_json)


def _may_begin(text: str) -> bool:
    return re.fullmatch(r"<(?:[A-Z][A-Z_]*\d*)?", text) is not None


class Masked(NamedTuple):
    """A copy that may leave, and the way back."""

    body: JsonObject
    vault: Vault


def mask(body: JsonObject, findings: Sequence[Finding]) -> Masked:
    """Copy the body with every finding replaced by a placeholder; overlapping findings become one.

    Raises:
        Unmaskable: a finding isn't a span of a string leaf.
    """
    vault = Vault()
    masked = copy.deepcopy(body)
    by_leaf: dict[tuple[str | int, ...], list[Finding]] = {}
    for finding in findings:
        by_leaf.setdefault(finding.path, []).append(finding)
    for path, found in by_leaf.items():
        _replace(masked, path, found, vault)
    return Masked(masked, vault)


def _replace(body: JsonObject, path: tuple[str | int, ...], found: list[Finding], vault: Vault) -> None:
    if not path:
        raise Unmaskable("a finding without a place")
    parent: JsonValue = body
    for part in path[:-1]:
        parent = _inside(parent, part)
    text = _inside(parent, path[-1])
    if not isinstance(text, str):
        raise Unmaskable("a finding outside of text")
    for start, end, entity in reversed(_merged(found)):
        if not 0 <= start < end <= len(text):
            raise Unmaskable("a finding that is no span of its text")
        text = text[:start] + vault.placeholder(entity, text[start:end]) + text[end:]
    parent[path[-1]] = text  # type: ignore[index, call-overload]


def _inside(value: JsonValue, part: str | int) -> JsonValue:
    if isinstance(value, dict) and isinstance(part, str) and part in value:
        return value[part]
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    raise Unmaskable("a finding in a place that isn't there")


def _merged(found: list[Finding]) -> list[tuple[int, int, str]]:
    """Order the spans; overlapping ones become one, named by the surest finding."""
    spans: list[tuple[int, int, str, float]] = []
    for one in sorted(found, key=lambda finding: (finding.start, -finding.end)):
        if spans and one.start < spans[-1][1]:
            start, end, entity, score = spans[-1]
            name = entity if score >= one.score else one.entity
            spans[-1] = (start, max(end, one.end), name, max(score, one.score))
        else:
            spans.append((one.start, one.end, one.entity, one.score))
    return [(start, end, entity) for start, end, entity, _ in spans]
