"""Ratings: only of one's own answers, the first of each counts, and all are written down, by a thread of its own."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from router.core.types import Attempt, Locality, Outcome
from router.record.feedback import FILE, MOST_CHANGES, FeedbackBook, Heard
from tests.fakes.outcomes import outcome

pytestmark = pytest.mark.anyio


def answered(decision: str, *codes: str | None) -> Outcome:
    attempts = tuple(
        Attempt(target=f"cloud/{at}", group=f"g{at}", locality=Locality.ANY, elapsed_ms=1.0, error_code=code)
        for at, code in enumerate(codes)
    )
    return msgspec.structs.replace(outcome(1), decision_id=decision, principal_id="k", attempts=attempts)


def book(folder: Path | None = None, kept: int = 10) -> tuple[FeedbackBook, list[tuple[str, str, float]]]:
    heard: list[tuple[str, str, float]] = []
    return FeedbackBook(folder, lambda *rating: heard.append(rating), kept, lambda: 1.0), heard


async def test_the_target_that_answered_is_rated_once_and_every_rating_is_written(tmp_path: Path) -> None:
    one, heard = book(tmp_path / "var")
    one.write(answered("d", "upstream_timeout", None, "client_closed"))
    assert one.rate("d", "k", 0.25) is Heard.FIRST
    assert one.rate("d", "k", 1.0) is Heard.LATER
    await one.aclose()
    assert heard == [("g1", "cloud/1", 0.25)]
    lines = [json.loads(line) for line in (tmp_path / "var" / FILE).read_text().splitlines()]
    assert [line["score"] for line in lines] == [0.25, 1.0]
    assert lines[0] == {"decision_id": "d", "time_unix_s": 1.0, "principal_id": "k", "group": "g1", "target": "cloud/1", "score": 0.25}  # fmt: skip


async def test_one_answer_makes_no_more_than_a_few_lines_however_often_it_is_rated(tmp_path: Path) -> None:
    one, heard = book(tmp_path)
    one.write(answered("d", None))
    for number in range(1000):
        assert one.rate("d", "k", number // 2 / 1000) is (Heard.LATER if number else Heard.FIRST)
    await one.aclose()
    assert len(heard) == 1
    lines = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    assert [line["score"] for line in lines] == [number / 1000 for number in range(MOST_CHANGES)]


async def test_nobody_rates_what_is_another_s_what_failed_or_what_is_too_old() -> None:
    one, heard = book()
    one.write(answered("d", None))
    one.write(answered("failed", "upstream_timeout"))
    one.write(answered("nothing"))
    for decision, who in (("d", "other"), ("failed", "k"), ("nothing", "k")):
        assert one.rate(decision, who, 1.0) is Heard.UNKNOWN
    for number in range(10):
        one.write(answered(str(number), None))
    assert one.rate("d", "k", 1.0) is Heard.UNKNOWN
    assert one.rate("0", "k", 1.0) is Heard.FIRST
    assert len(heard) == 1


async def test_nothing_is_written_before_there_is_something_to_write(tmp_path: Path) -> None:
    one, _ = book(tmp_path / "var")
    one.write(answered("d", None))
    await one.aclose()
    assert not (tmp_path / "var").exists()
