"""Entity types that say more together than alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.config.schema import Combination, SensitivityName
from router.core.types import Sensitivity
from router.privacy.combinations import combined
from router.privacy.severity import Span

THREE = Combination(name="c", entities=("A", "B", "C"), within_chars=10, sensitivity=SensitivityName.RESTRICTED)


def span(entity: str, start: int, length: int = 5) -> Span:
    return Span(entity, start, start + length, 0.9, "test")


def test_all_types_must_stand_within_reach_of_the_first() -> None:
    assert combined([span("A", 20), span("B", 35), span("C", 5)], [THREE]) is Sensitivity.RESTRICTED
    assert combined([span("A", 20), span("B", 36), span("C", 5)], [THREE]) is Sensitivity.PUBLIC
    assert combined([span("A", 20), span("B", 35), span("C", 4)], [THREE]) is Sensitivity.PUBLIC
    assert combined([span("A", 20), span("B", 35)], [THREE]) is Sensitivity.PUBLIC
    assert combined([], [THREE]) is Sensitivity.PUBLIC


def test_the_worst_of_several_counts() -> None:
    mild = Combination(name="m", entities=("A", "B"), sensitivity=SensitivityName.INTERNAL)
    assert combined([span("A", 0), span("B", 100)], [mild, THREE]) is Sensitivity.INTERNAL
    assert combined([span("A", 0), span("B", 8), span("C", 9)], [mild, THREE]) is Sensitivity.RESTRICTED


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 60), st.integers(1, 30)), max_size=12))
def test_it_agrees_with_looking_at_every_pair(found: list[tuple[str, int, int]]) -> None:
    spans = [span(*each) for each in found]

    def near(one: Span, other: Span) -> bool:
        return max(other.start - one.end, one.start - other.end) <= 10

    slow = any(
        all(any(near(anchor, other) for other in spans if other.entity == entity) for entity in "BC")
        for anchor in spans
        if anchor.entity == "A"
    )
    assert (combined(spans, [THREE]) is Sensitivity.RESTRICTED) == slow
