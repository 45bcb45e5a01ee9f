"""Identifiers of some hundred kinds are found however they are written down; numbers that are nobody's are left alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache

import pytest

from router.config.schema import PrivacyConfig
from router.core.types import Sensitivity
from tests.fakes.gates import GATES
from tests.fakes.identifiers import KINDS, Case, Kind, cases
from tests.fakes.ordinary import ENGLISH, FOREIGN

VALUES = 2
"""Per kind and form; `python -m tests.fakes.identifiers` takes more."""
NAMES = ("PERSON", "LOCATION", "STREET_ADDRESS")


@pytest.fixture(scope="module", autouse=True)
def detector() -> Iterator[None]:
    yield
    _detector.cache_clear()


@cache
def _detector():  # Presidio is imported only when the test runs
    from router.privacy.detector import Detector

    return Detector(PrivacyConfig.model_validate({"entities": {name: {"enabled": False} for name in NAMES}}), GATES)


def _is_found(case: Case) -> bool:
    """Say whether the text is sensitive, for a match that lies in the value."""
    sensitivity, matches = _detector().detect([("", case.text)], [])
    place = case.text.find(case.value)
    touches = place < 0 or any(match.start < place + len(case.value) and match.end > place for match in matches)
    return sensitivity >= Sensitivity.CONFIDENTIAL and touches


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_kind_is_found_in_99_of_100_texts_of_20_forms_or_more(kind: Kind) -> None:
    rng = random.Random(kind.name)
    made = [case for _ in range(VALUES) for case in cases(kind, rng)]
    assert len({case.form for case in made}) >= 20
    misses = [case for case in made if not _is_found(case)]
    assert len(misses) <= len(made) // 100, [(case.form, case.text) for case in misses]


@pytest.mark.parametrize("text", [*ENGLISH, *FOREIGN])
def test_numbers_that_are_nobodys_stay_public(text: str) -> None:
    sensitivity, matches = _detector().detect([("", text.replace("\\n", "\n"))], [])
    assert sensitivity < Sensitivity.CONFIDENTIAL, matches


def test_the_numbers_of_other_countries_are_off() -> None:
    from router.privacy.detector import Detector

    german = Detector(PrivacyConfig(countries=("de",)), GATES)
    entities = {match.entity for match in german.detect([("", "Bare 390.533.447-05 and 4539578763621486")], [])[1]}
    assert entities == {"CREDIT_CARD"}
