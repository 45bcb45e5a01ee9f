"""Says which recognizers can find anything in a text; the same answer in a worker and, without Presidio, in the router."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from router.privacy.gate import Compiled, Gate
from router.privacy.severity import Span


@runtime_checkable
class Finder(Protocol):
    """A recognizer that needs no Presidio."""

    name: str
    entities: tuple[str, ...]
    signs: tuple[str, ...]
    """Expressions of which one must be met for a text to be worth reading; none: every text is."""

    def find(self, text: str) -> Sequence[Span]:
        """Find spans in a text, none within another of the same entity that is as sure."""
        ...


class Hits(NamedTuple):
    """What a text can hold."""

    patterns: dict[int, list[int]]
    """Recognizers that work by patterns, by index, and which of their expressions may match."""
    finders: set[int]
    """Finders that have a sign in the text."""


class Mesh(NamedTuple):
    """A sieve as it travels between processes."""

    gate: Compiled
    word_gate: Compiled
    owners: list[tuple[int, bool]]
    context_gated: dict[int, int]


class Sieve:
    """Two gates: one for shapes, and one for the words without which some shapes don't count."""

    def __init__(
        self, gate: Gate, word_gate: Gate, owners: Sequence[tuple[int, bool]], context_gated: Mapping[int, int]
    ) -> None:
        """Set it up.

        `owners` says for each expression of the gate whose it is, and whether it's a sign of a finder's;
        `context_gated` which expression of the word gate a recognizer needs.
        """
        self.gate = gate
        self.word_gate = word_gate
        self._owners = owners
        self._context_gated = context_gated

    @classmethod
    def of(cls, mesh: Mesh) -> Sieve:
        """Make a sieve of what another process sent.

        Raises:
            RuntimeError: Hyperscan isn't there or can't load it.
        """
        return cls(Gate.of(mesh.gate), Gate.of(mesh.word_gate), mesh.owners, mesh.context_gated)

    @property
    def mesh(self) -> Mesh:
        """Make it fit to travel."""
        return Mesh(self.gate.compiled, self.word_gate.compiled, list(self._owners), dict(self._context_gated))

    def hits(self, text: str) -> Hits:
        """Look through a text in plain characters (see `views`)."""
        found = Hits({}, set())
        for hit in sorted(self.gate.hits(text)):
            index, is_sign = self._owners[hit]
            if is_sign:
                found.finders.add(index)
            else:
                found.patterns.setdefault(index, []).append(hit)
        gated = self._context_gated.keys() & found.patterns.keys()
        words = self.word_gate.hits(text) if gated else ()
        for index in gated:
            if self._context_gated[index] not in words:
                del found.patterns[index]
        return found


def distinct(found: Iterable[Span]) -> list[Span]:
    """Drop each span that lies within another of the same entity that is as sure; the surest come first."""
    spans = list(found)
    if len(spans) < 2:
        return spans
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (-span.score, span.start, span.start - span.end)):
        if not any(
            other.entity == span.entity and other.start <= span.start and span.end <= other.end for other in kept
        ):
            kept.append(span)
    return kept
