"""The choice among scored adapters: filters, abstention, ties; and that a recorded selection replays."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.adapters import SelectionCandidate
from sona.calibrate import Evidence, confidence, lead
from sona.decide import TIE_MARGIN, Wanted, decide, refusal
from sona.profile import Profile


def candidate(adapter: str, sure: float) -> SelectionCandidate:
    return SelectionCandidate(
        adapter=adapter, confidence=sure, score=sure, meaning=sure, words=0.0, nearest=sure, against=0.0
    )


def profile(**fields: object) -> Profile:
    return Profile(adapter="a@1", summary="a", hints=("a",), examples=(), negatives=(), **{"languages": (), **fields})  # type: ignore[arg-type]


def test_a_resident_adapter_wins_a_tie() -> None:
    near = [candidate("first@1", 0.90), candidate("second@1", 0.90 - TIE_MARGIN / 2)]
    assert decide(near, 0.5).adapter == "first@1"
    assert decide(near, 0.5, {"second@1"}).adapter == "second@1"
    assert decide(near, 0.5, {"first@1", "second@1"}).adapter == "first@1"


def test_a_resident_adapter_never_wins_over_a_clear_winner() -> None:
    clear = [candidate("first@1", 0.90), candidate("second@1", 0.90 - TIE_MARGIN * 1.5)]
    assert decide(clear, 0.5, {"second@1"}).adapter == "first@1"


def test_a_resident_adapter_below_the_threshold_is_not_chosen() -> None:
    edge = [candidate("first@1", 0.51), candidate("second@1", 0.49)]
    assert decide(edge, 0.5, {"second@1"}).adapter == "first@1"


def test_below_the_threshold_the_base_model_answers_whatever_is_resident() -> None:
    assert decide([candidate("first@1", 0.49)], 0.5, {"first@1"}).adapter is None


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=6).map(lambda values: sorted(values, reverse=True)),
    st.floats(0, 1),
    st.sets(st.integers(0, 5)),
)
def test_what_is_chosen_is_above_the_threshold_and_within_the_margin(
    sure: list[float], threshold: float, on_device: set[int]
) -> None:
    candidates = [candidate(str(index), value) for index, value in enumerate(sure)]
    decision = decide(candidates, threshold, {str(index) for index in on_device})
    if sure[0] < threshold:
        assert decision.adapter is None
    else:
        assert decision.adapter is not None
        chosen = sure[int(decision.adapter)]
        assert chosen >= threshold
        assert chosen >= sure[0] - TIE_MARGIN


@pytest.mark.parametrize(
    ("fields", "wanted", "refused"),
    [
        ({}, Wanted(), None),
        ({"tenants": ("acme",)}, Wanted(tenant="acme"), None),
        ({"tenants": ("acme",)}, Wanted(tenant="other"), "tenant"),
        ({"tenants": ("acme",)}, Wanted(), None),
        ({"languages": ("de-at",)}, Wanted(language="de"), None),
        ({"languages": ("de",)}, Wanted(language="fr"), "language"),
        ({}, Wanted(needs=frozenset({"vision"})), "modality"),
        ({}, Wanted(needs=frozenset({"tools"})), None),
        ({"tool_format": "none"}, Wanted(needs=frozenset({"tools"})), "tools"),
        ({"tool_format": "hermes"}, Wanted(needs=frozenset({"tools"})), None),
    ],
)
def test_filters(fields: dict[str, object], wanted: Wanted, refused: str | None) -> None:
    assert refusal(profile(**fields), wanted) == refused


TOLD = (0.8, 0.3)
SOME = Evidence(above=0.1, beyond_generic=0.1, kind=0.5, nearest_generic=0.3, lead=1.0, shown=True, words=0.3)


def evidence(**changes: float) -> Evidence:
    return msgspec.structs.replace(SOME, **changes)


@given(st.sampled_from(["above", "lead", "beyond_generic"]), st.floats(-1, 1), st.floats(0, 1))
def test_more_evidence_never_makes_less_sure(field: str, value: float, more: float) -> None:
    assert 0.0 <= confidence(evidence(**{field: value})) <= confidence(evidence(**{field: value + more})) <= 1.0


def test_a_twin_halves_the_confidence_and_more_of_them_take_more() -> None:
    alone, twin, twins = (confidence(evidence(lead=lead(TOLD, [TOLD] * count))) for count in (0, 1, 3))
    assert 0.4 * alone < twin < 0.7 * alone
    assert twins < 0.7 * twin
    assert lead(TOLD, [(0.7, 0.2)]) > lead(TOLD, [(0.7, 0.2), (0.6, 0.2)]) > lead(TOLD, [TOLD])


def test_a_step_as_small_as_twins_cards_are_apart_counts_for_little_unless_the_prompts_words_make_it() -> None:
    assert 0.0 < lead(TOLD, [(0.78, 0.3)]) < 0.25
    assert lead(TOLD, [(0.78, 0.2)]) > 3 * lead(TOLD, [(0.78, 0.3)])
    assert lead(TOLD, [(0.6, 0.3)]) > 20 * lead(TOLD, [(0.78, 0.3)])


@given(st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_of_two_that_are_the_same_neither_is_surer_than_half(kind: float, words: float, shown: bool) -> None:
    tied = evidence(above=9.0, lead=lead(TOLD, [TOLD]), kind=kind, words=words, shown=shown)
    assert confidence(tied) <= 0.5


def test_the_same_lead_is_worth_more_where_the_card_names_what_is_asked_for() -> None:
    assert confidence(evidence(words=0.1)) < confidence(evidence(words=0.6)) < 1.0
