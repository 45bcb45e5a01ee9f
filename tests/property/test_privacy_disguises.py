"""A disguise of any odd characters around and inside a value doesn't hide it, and its place is known."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.config.schema import PrivacyConfig
from router.core.types import Sensitivity
from router.privacy.protocol import Unit
from tests.fakes.gates import GATES
from tests.property._disguises import TEXTS, Written, cases, write

NASTY = [
    "…", "\u200b", "\ufe0f", "☎\ufe0f", "。", "ありがとう", "½", "ﬁ", "㌫", "🙂", "\u2060", "\u00ad", "\u3000", "\u2028", "é",
    "\u0301", "👩\u200d👩", "\u115f", "①", "\u202e", "℅", "\ufeff", "—", "（",
]  # fmt: skip
INVISIBLE = ["", "\u200b", "\ufe0f", "\u2060", "\u00ad", "\u115f", "\u0301", "\u20e3", "\ufeff", "\u180b"]
GLUED = ["…", "\u200b", "\ufe0f", "☎\ufe0f", "。", "\u3000", "🙂", "（", "\u2028"]
CANARIES = [("My SSN is ", "536-22-8726"), ("Card ", "4532015112830366"), ("IBAN ", "GB82WEST12345698765432")]
WIDE = {ord(char): ord(char) + 0xFEE0 for char in "0123456789-"}
FILLER = st.lists(st.sampled_from(NASTY), max_size=5).map("".join)


@pytest.fixture(scope="module", autouse=True)
def detector() -> Iterator[None]:
    yield
    _detector.cache_clear()


@cache
def _detector():  # Presidio is imported only when the test runs
    from router.privacy.detector import Detector

    return Detector(PrivacyConfig(), GATES)


@settings(max_examples=150, deadline=None)
@given(
    canary=st.sampled_from(CANARIES),
    before=FILLER,
    after=FILLER,
    glued=st.lists(st.sampled_from(GLUED), max_size=3).map("".join),
    inside=st.sampled_from(INVISIBLE),
    at=st.integers(1, 10),
)
def test_a_wide_value_is_found_among_any_odd_characters(
    canary: tuple[str, str], before: str, after: str, glued: str, inside: str, at: int
) -> None:
    label, value = canary
    wide = (value[:at] + inside + value[at:]).translate(WIDE)
    text = f"{label}{before} {wide}{glued} {after}"
    found = _detector().detect([("", text)], [])
    assert found[0] is Sensitivity.RESTRICTED
    place = text.index(wide)
    assert any(match.start <= place and match.end >= place + len(wide) for match in found[1]), found[1]


ENDS = 4
"""Characters of markup or of an encoding's end that a span may leave."""


def _covers(written: Written) -> bool:
    """Say whether it is found, and what is found reaches over the disguised part: masking relies on it."""
    _, matches = _detector().detect([("", written.text)], [])
    spans = [(match.start, match.end) for match in matches if match.entity == written.entity]
    inner = range(written.start + ENDS, written.end - ENDS)
    return bool(spans) and all(any(start <= place < end for start, end in spans) for place in (inner[0], inner[-1]))


def _is_found(written: Written) -> bool:
    _, matches = _detector().detect([("", written.text)], [])
    return any(match.entity == written.entity for match in matches)


@pytest.mark.parametrize(("disguise", "kind"), cases())
def test_a_value_in_any_disguise_is_found_and_covered(disguise: str, kind: str) -> None:
    written = [write(disguise, kind, random.Random(f"{disguise} {kind} {number}")) for number in range(3)]
    if disguise in TEXTS:  # of a sentence only the value need be covered
        assert all(map(_is_found, written)), written
    else:
        assert all(map(_covers, written)), written


OVER = [
    "base64",
    "base64 wrapped",
    "base64 of gzip",
    "base32",
    "base85",
    "hex",
    "hex spaced",
    "URL",
    "HTML",
    "quoted-printable",
    "base58",
    "base64 backwards",
    "rot13",
    "moved by 3",
    "backwards",
]
"""Disguises that any text can be put in."""


@pytest.mark.parametrize("over", OVER)
def test_nearly_all_values_are_found_in_two_disguises(over: str) -> None:
    pairs = [(disguise, kind) for disguise, kind in cases() if disguise != over]
    source = random.Random(over)
    written = [write(disguise, kind, source, over) for disguise, kind in source.sample(pairs, 60)]
    missed = [one for one in written if not (_is_found(one) or _detector().read(Unit([("", one.text)], [])).unreadable)]
    assert len(missed) <= len(written) * 0.05, missed
