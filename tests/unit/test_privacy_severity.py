"""What findings add up to."""

from __future__ import annotations

import pytest

from router.config.schema import EntityConfig, PrivacyConfig
from router.core.errors import ConfigError
from router.core.types import Sensitivity
from router.privacy.severity import QUALIFIER, REACH, WEAK, Span, judge, rules, validate


def span(entity: str, start: int = 0, end: int = 10, score: float = 0.9) -> Span:
    return Span(entity, start, end, score, "test")


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], Sensitivity.PUBLIC),
        ([span("PERSON")], Sensitivity.INTERNAL),
        ([span("LOCATION")], Sensitivity.INTERNAL),
        ([span("EMAIL_ADDRESS")], Sensitivity.CONFIDENTIAL),
        ([span("CREDIT_CARD")], Sensitivity.RESTRICTED),
        ([span(QUALIFIER)], Sensitivity.PUBLIC),
        ([span("PERSON"), span(QUALIFIER, 20, 30)], Sensitivity.RESTRICTED),
        ([span("PERSON", 200, 210), span(QUALIFIER, 20, 100)], Sensitivity.RESTRICTED),
        ([span("PERSON"), span(QUALIFIER, 11 + REACH, 20 + REACH)], Sensitivity.INTERNAL),
        ([span("PERSON"), span(QUALIFIER, 12, 20, WEAK)], Sensitivity.RESTRICTED),
        ([span("PERSON"), span(QUALIFIER, 50, 60, WEAK)], Sensitivity.INTERNAL),
        ([span("PERSON", score=0.45), span(QUALIFIER, 20, 30)], Sensitivity.INTERNAL),
        ([span("PERSON"), span("EMAIL_ADDRESS", 20, 30)], Sensitivity.RESTRICTED),
        ([span("PERSON"), span("LOCATION", 20, 30)], Sensitivity.INTERNAL),
    ],
)
def test_the_worst_finding_decides_and_a_name_counts_more_beside_a_qualifier(
    spans: list[Span], expected: Sensitivity
) -> None:
    assert judge(spans, rules(PrivacyConfig())) is expected


def test_the_configuration_overrides_sensitivity_and_threshold() -> None:
    config = PrivacyConfig.model_validate(
        {"entities": {"PERSON": {"sensitivity": "restricted", "min_score": 0.8}, "EMAIL_ADDRESS": {"enabled": False}}}
    )
    merged = rules(config)
    assert merged["PERSON"].sensitivity is Sensitivity.RESTRICTED
    assert merged["PERSON"].min_score == 0.8
    assert "EMAIL_ADDRESS" not in merged


def test_a_name_is_no_qualifier_of_itself() -> None:
    config = PrivacyConfig.model_validate({"entities": {"PERSON": {"sensitivity": "confidential"}}})
    assert judge([span("PERSON"), span("PERSON", 20, 30)], rules(config)) is Sensitivity.CONFIDENTIAL


def test_entities_that_say_little_are_off_until_the_configuration_names_them() -> None:
    assert "DATE_TIME" not in rules(PrivacyConfig())
    assert rules(PrivacyConfig(entities={"DATE_TIME": EntityConfig()}))["DATE_TIME"].sensitivity is Sensitivity.INTERNAL


def test_only_what_is_asked_for_is_looked_for() -> None:
    assert set(rules(PrivacyConfig(only=("SECRET", "URL")))) == {"SECRET", "URL", QUALIFIER}


def test_an_explicit_threshold_lifts_the_need_for_a_context_word() -> None:
    assert rules(PrivacyConfig())["NL_BSN"].needs_context
    assert not rules(PrivacyConfig(entities={"NL_BSN": EntityConfig(min_score=0.3)}))["NL_BSN"].needs_context


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"entities": {"CREDIT_CRAD": {}}}, "CREDIT_CARD"),
        ({"entities": {"QUALIFIER": {}}}, "QUALIFIER"),
        ({"recognizers": ["emial"]}, "email"),
        ({"only": ["SECRTE"]}, "SECRET"),
        ({"only": ["SECRET"], "entities": {"PERSON": {}}}, "leaves it out"),
        ({"only": ["SECRET"], "rules": [{"name": "r", "entities": ["PERSON"], "then": "block"}]}, "is off"),
        ({"rules": [{"name": "r", "entities": ["US_SNN"], "then": "block"}]}, "US_SSN"),
        ({"rules": [{"name": "r", "entities": ["DATE_TIME"], "then": "block"}]}, "is off"),
        ({"combinations": [{"name": "c", "entities": ["PERSON", "DATE_OF_BRITH"]}]}, "DATE_OF_BIRTH"),
        ({"combinations": [{"name": "c", "entities": ["PERSON", "DATE_TIME"]}]}, "is off"),
    ],
)
def test_an_unknown_name_stops_the_start_and_the_nearest_is_named(config: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        validate(PrivacyConfig.model_validate(config))


def test_a_sound_configuration_passes() -> None:
    validate(PrivacyConfig.model_validate({"entities": {"PERSON": {}}, "recognizers": ["email", "card"]}))
