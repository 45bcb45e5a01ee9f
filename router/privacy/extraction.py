"""Puts what an extractor reads in images, recordings and files in their place, for the scan's eyes only."""

from __future__ import annotations

from collections.abc import Sequence

from router.core.ports import Extractor
from router.core.types import Finding, JsonObject, JsonValue
from router.privacy.leaves import MAX_DEPTH, Path

MOST_PARTS = 32
"""Parts that are read in one request; with more, none is."""


class ReadOut:
    """A copy of a body in which what could be read stands as text."""

    def __init__(self, body: JsonObject, extractors: Sequence[Extractor]) -> None:
        """Find the parts of content lists that some extractor reads. `body` isn't changed."""
        self._by_kind = {kind: one for one in extractors for kind in one.kinds}
        self._parts: dict[Path, tuple[Extractor, JsonObject]] = {}
        self._texts: dict[Path, JsonValue] = {}
        self._body = body
        self._look(body, ())

    async def read(self) -> bool:
        """Have all of them read; say whether that came to anything."""
        if len(self._parts) > MOST_PARTS:
            return False
        for place, (extractor, part) in self._parts.items():
            text = await extractor.text(part)
            if text is not None:
                self._texts[place] = {"type": "text", "text": text}
        return bool(self._texts)

    @property
    def body(self) -> JsonObject:
        """The copy; a path in it is the same as in the body, but within what was read."""
        copy = self._copied(self._body, ())
        assert isinstance(copy, dict)
        return copy

    def holds(self, finding: Finding) -> bool:
        """Say whether something was found in what was read, where it can't be masked."""
        return any(finding.path[: len(place)] == place for place in self._texts)

    def _look(self, value: JsonValue, path: Path) -> None:
        if len(path) > MAX_DEPTH:
            return
        if isinstance(value, dict):
            for name, item in value.items():
                self._look(item, (*path, name))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                kind = item.get("type") if path[-1:] == ("content",) and isinstance(item, dict) else None
                if isinstance(item, dict) and isinstance(kind, str) and kind in self._by_kind:
                    self._parts[(*path, index)] = (self._by_kind[kind], item)
                else:
                    self._look(item, (*path, index))

    def _copied(self, value: JsonValue, path: Path) -> JsonValue:
        if path in self._texts:
            return self._texts[path]
        if not any(place[: len(path)] == path for place in self._texts):
            return value
        if isinstance(value, dict):
            return {name: self._copied(item, (*path, name)) for name, item in value.items()}
        assert isinstance(value, list)
        return [self._copied(item, (*path, index)) for index, item in enumerate(value)]
