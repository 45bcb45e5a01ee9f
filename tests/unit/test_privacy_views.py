"""Disguises are seen through, offsets lead back, and the gate never closes on a match."""

from __future__ import annotations

import re

import pytest

from router.privacy.gate import Gate
from router.privacy.loosen import loosen
from router.privacy.views import views


@pytest.mark.parametrize(
    ("text", "plain", "covered"),
    [
        ("card ４５３９!", "4539", "４５３９"),
        ("card ٤٥٣٩!", "4539", "٤٥٣٩"),
        ("a@no\u200brth.com", "a@north.com", "a@no\u200brth.com"),
        ("my 856–45–6789", "856-45-6789", "856–45–6789"),
        ("IBAN DЕ89", "DE89", "DЕ89"),
        ("4\u03355\u0335 x", "45", "4\u03355\u0335"),
        ("m%40x.com now", "m@x.com", "m%40x.com"),
        ("m&#64;x.com now", "m@x.com", "m&#64;x.com"),
        ("\\u0038\\u0035 now", "85", "\\u0038\\u0035"),
        ("see TXkgU1NOIGlzIDg1Ni00NS02Nzg5 now", "My SSN is 856-45-6789", "TXkgU1NOIGlzIDg1Ni00NS02Nzg5"),
    ],
)
def test_a_disguised_text_is_seen_plain_and_its_place_is_known(text: str, plain: str, covered: str) -> None:
    for view in views(text):
        place = view.text.find(plain)
        if place >= 0:
            start, end = view.original(place, place + len(plain))
            assert covered in text[start:end]
            assert len(text[start:end]) <= len(covered) + 1
            return
    pytest.fail("not seen")


@pytest.mark.parametrize("text", ["plain text", "naïve café", "Привет, мир", "你好", "", "100 % of $5 & more"])
def test_a_plain_text_has_one_view_that_equals_it(text: str) -> None:
    assert [view.text for view in views(text)] == [text]


EXPRESSIONS = [
    (r"\b\d{3}-\d{2}-\d{4}\b", "id 856-45-6789."),
    (r"(?<![\w.])[A-Z]{2}\d{2}(?:[ -]?\w){4,8}(?!\w)", "DE89 3704"),
    (r"(?i)naïve [é-í]+", "NAÏVE ÉÍ"),
    (r"(?-i:\p{Lu}\p{L}+) [^\s@]{1,9}@", "Émile x@"),
    (r"^(?=.*\d)(?P<a>x)(?>y)z*?$", "xy"),
    (r"([:-])a\1b{0,3}", "-a-bb"),
    (r"[]\]^-]+\$\.", "]]$."),
    (r"マイ.{0,2}\d", "マイは1"),
    (r"a{0,1}b?c{12}", "bcccccccccccc"),
]


@pytest.mark.parametrize(("expression", "text"), EXPRESSIONS)
def test_the_gate_opens_for_every_match(expression: str, text: str) -> None:
    assert Gate([expression]).hits(text) == {0}


def test_the_gate_stays_shut_for_a_text_that_cannot_match() -> None:
    gate = Gate([r"\b\d{9}\b", r"@\w+\.com"])
    assert gate.hits("hello world") == set()
    assert gate.ungated == frozenset()


def test_an_expression_that_does_not_compile_is_never_gated() -> None:
    assert Gate([r"(unclosed", r"\d{9}"]).hits("hello") == {0}


def test_without_hyperscan_everything_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "hyperscan", None)
    assert Gate([r"a", r"b"]).hits("") == {0, 1}


def test_loosening_drops_boundaries_and_upper_bounds() -> None:
    assert re.search(loosen(r"\b(?<!x)\d{2,4}(?!\w)\b"), "x12345y")
