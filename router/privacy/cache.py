"""Remembers what was found in texts that were scanned before: spans and counts under a keyed hash, never text."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeAlias

import msgspec

from router.core.types import Finding, JsonValue, Sensitivity
from router.privacy.severity import Span

Key: TypeAlias = bytes
KEY_BYTES = 32
ENTRY_BYTES, SPAN_BYTES = 400, 600
"""What an entry and each of its spans are counted as; measured, rounded up."""

_ENCODER = msgspec.msgpack.Encoder()
_INEXACT = (OverflowError, ValueError, TypeError, RecursionError)
"""What the encoder raises at something that has no exact binary form."""


class Hit(msgspec.Struct, frozen=True, gc=False):
    """One match in a list of items that are read as one document."""

    item: int
    leaf: int
    span: Span
    """Where it stands in the document, and what it is."""
    finding: Finding
    """As a report shows it, but with a safe path (see `Leaf`)."""
    is_named: bool
    """Whether the path is the real one, too."""


class Summary(msgspec.Struct, frozen=True, gc=False):
    """All that is known of one unit, or of the first items of a list."""

    hits: tuple[Hit, ...] = ()
    """In the order of the document."""
    sensitivity: Sensitivity = Sensitivity.PUBLIC
    unreadable: tuple[str, ...] = ()
    length: int = 0
    """Characters of the document, separators included."""
    leaves: int = 0
    chars: int = 0
    bytes: int = 0
    nodes: int = 0


class Beginning:
    """Hashes a list as far as it goes, so that each of its beginnings has a key at the cost of one pass over all."""

    def __init__(self, head: bytes, secret: bytes) -> None:
        self._hash = blake2b(head, key=secret, digest_size=KEY_BYTES)

    def add(self, items: Sequence[JsonValue]) -> bool:
        """Go on by some items, at most 15; say whether they have an exact binary form."""
        try:
            data = _ENCODER.encode(items)
        except _INEXACT:
            return False
        self._hash.update(memoryview(data)[1:])  # without how many there are, so that it doesn't matter where one stops
        return True

    @property
    def key(self) -> Key:
        """The key of all items so far."""
        return self._hash.copy().digest()


class Cache:
    """Bounded by bytes; what wasn't asked for longest goes first. Its keys mean nothing outside this process."""

    def __init__(self, max_bytes: int, ruleset: str) -> None:
        self._secret = secrets.token_bytes(KEY_BYTES)
        self._ruleset = ruleset
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[Key, Summary] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        """How much the entries are counted as."""
        return self._bytes

    def key(self, kind: str, *content: JsonValue | bytes | Sequence[tuple[int, ...]]) -> Key | None:
        """Hash what a unit is made of; None for what has no exact binary form, and then isn't remembered.

        MessagePack puts length and type in front of every value, so different contents never look alike.
        """
        try:
            data = _ENCODER.encode((self._ruleset, kind, content))
        except _INEXACT:
            return None
        return blake2b(data, key=self._secret, digest_size=KEY_BYTES).digest()

    def beginning(self, kind: str) -> Beginning:
        """Start to hash a list."""
        return Beginning(_ENCODER.encode((self._ruleset, kind)), self._secret)

    def get(self, key: Key | None) -> Summary | None:
        """Look one up."""
        if key is None or key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key]

    def put(self, key: Key | None, summary: Summary) -> None:
        """Remember one, and forget the oldest beyond the bound."""
        size = _size(summary)
        if key is None or size > self._max_bytes or key in self._entries:
            return
        self._entries[key] = summary
        self._bytes += size
        while self._bytes > self._max_bytes:
            _, oldest = self._entries.popitem(last=False)
            self._bytes -= _size(oldest)


def _size(summary: Summary) -> int:
    return ENTRY_BYTES + SPAN_BYTES * len(summary.hits)
