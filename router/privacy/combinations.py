"""What entity types add up to where they stand together, as the configuration says. Pure: no Presidio, no text."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate

from router.config.schema import Combination
from router.core.types import Sensitivity
from router.privacy.severity import Span


class _Spans:
    """The spans of one entity type, ready to be asked for the nearest."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self.all = sorted(spans, key=lambda span: span.start)
        self._starts = [span.start for span in self.all]
        self._last_end = list(accumulate((span.end for span in self.all), max))

    def within(self, anchor: Span, chars: int) -> bool:
        """Say whether one of them stands at most so many characters before or behind another span, or overlaps it."""
        behind = bisect_left(self._starts, anchor.start)
        if behind < len(self.all) and self._starts[behind] - anchor.end <= chars:
            return True
        return behind > 0 and anchor.start - self._last_end[behind - 1] <= chars


def combined(spans: Sequence[Span], combinations: Sequence[Combination]) -> Sensitivity:
    """Return the worst of the combinations that the spans complete; PUBLIC if none is complete."""
    if not combinations:
        return Sensitivity.PUBLIC
    grouped: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans:
        grouped[span.entity].append(span)
    by_entity = {entity: _Spans(found) for entity, found in grouped.items()}
    complete = (each.sensitivity.level for each in combinations if _complete(each, by_entity))
    return max(complete, default=Sensitivity.PUBLIC)


def _complete(combination: Combination, by_entity: dict[str, _Spans]) -> bool:
    first, *others = combination.entities
    if any(entity not in by_entity for entity in combination.entities):
        return False
    reach = combination.within_chars
    return any(all(by_entity[other].within(anchor, reach) for other in others) for anchor in by_entity[first].all)
