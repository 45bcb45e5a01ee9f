"""Every cell of docs/matrix.md, by a real call through a real router."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from router.core import plugin
from router.core.types import Dialect
from tests.conformance.features import FEATURES
from tests.conformance.matrix import CALLERS, Cell, Site
from tests.conformance.model import Heard, Turn
from tests.conformance.page import PAGE, page
from tests.conformance.reasons import lacking, reason, unused
from tests.conformance.upstreams import ELSEWHERE, UPSTREAMS, Played, Speaker

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]


NEEDS_NO_EARS = {
    *("text", "text_streamed", "none", "filter", "usage", "usage_cached", "usage_written", "usage_reasoning"),
}
"""Features that a provider can't miss which hears nothing but the last text."""


@pytest.fixture(scope="module")
async def cells(running: Site) -> list[Cell]:
    return await running.cells()


@asynccontextmanager
async def altered(played: Played, ears: Callable[[Heard, dict[str, Any]], Heard]) -> AsyncGenerator[None]:
    """Let a provider hear something else than what was sent."""
    before = played.upstream

    def other(speaker: Speaker) -> Speaker:
        hear, whole, stream = speaker
        return lambda path, body: ears(hear(path, body), body), whole, stream

    speakers = {end: other(speaker) for end, speaker in before.speakers.items()}
    played.upstream = msgspec.structs.replace(before, speakers=speakers)
    try:
        yield
    finally:
        played.upstream = before


def kinds(cells: list[Cell], kind: str) -> set[str]:
    """Features of which a call had this result."""
    return {cell.feature for cell in cells if kind in {result.kind for result in cell.results.values()}}


def test_every_kind_of_provider_has_an_upstream_here() -> None:
    assert {one.kind for one in UPSTREAMS.values()} | ELSEWHERE.keys() == {*plugin.kinds("router.providers")}


def test_every_dialect_has_a_caller_here() -> None:
    never_translated = {Dialect.EMBEDDINGS, Dialect.COUNT_TOKENS}
    assert {caller.name for caller in CALLERS} == {one.value for one in {*Dialect} - never_translated}


async def test_nothing_is_lost_without_a_word(cells: list[Cell]) -> None:
    failed = [
        (cell.caller, cell.upstream, cell.feature, "streamed" if stream else "whole", result.detail)
        for cell in cells
        for stream, result in cell.results.items()
        if result.kind == "failed"
    ]
    assert failed == []


async def test_what_is_not_there_has_a_reason(cells: list[Cell]) -> None:
    lacks = lacking(CALLERS)
    without = [
        (cell.caller, cell.upstream, cell.feature, result)
        for cell in cells
        for result in cell.results.values()
        if result.kind not in ("native", "yes") and reason(cell, result, lacks) is None
    ]
    assert without == []
    assert unused(cells) == []


async def test_the_page_is_what_the_calls_show(cells: list[Cell]) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(cells), "write it anew: python -m tests.conformance --write"


async def test_a_provider_that_hears_nothing_but_the_last_text_fails_all_that_needs_more(running: Site) -> None:
    def deaf(heard: Heard, body: dict[str, Any]) -> Heard:
        last = Turn(role="user", text=heard.turns[-1].text)
        return Heard(turns=[last], wants_usage=heard.wants_usage)

    async with altered(running.played["chat"], deaf):
        cells = await running.cells(["chat"], ["chat"])
    assert kinds(cells, "failed") == {feature.key for feature in FEATURES} - NEEDS_NO_EARS


async def test_a_request_that_should_travel_as_it_is_and_does_not_fails(running: Site) -> None:
    def changing(heard: Heard, body: dict[str, Any]) -> Heard:
        body["temperature"] = 0.25
        return heard

    async with altered(running.played["chat"], changing):
        cells = await running.cells(["chat"], ["chat"])
    assert kinds(cells, "failed") == {feature.key for feature in FEATURES}
