"""Tokens are estimated in this process: near enough, in linear time, whatever the request holds."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest

from router.core.errors import LocalityViolation
from router.core.ports import Clocks
from router.core.types import Dialect
from router.providers._counter import IMAGE_TOKENS, PDF_TOKENS, TARGET, Counter, count, estimate
from tests.fakes.values import cleared, target

GERMAN = (
    "Der Router prüft jede Anfrage, bevor ein Modell gewählt wird. Enthält sie personenbezogene Daten, so wird sie im "
    "eigenen Haus beantwortet; andernfalls entscheidet eine Strategie nach Preis, Geschwindigkeit und Eignung."
)
ENGLISH = (
    "The router reads every request before any model is chosen. If it holds personal data, it is answered in the house; "
    "otherwise a strategy decides by price, speed and fitness."
)
CODE = 'def estimate(text: str) -> int:\n    """Estimate."""\n    return sum(1 for match in PIECES.finditer(text))\n'


@pytest.mark.parametrize(
    ("text", "tokens"), [(ENGLISH, 32), (GERMAN, 43), (CODE, 29)], ids=["English", "German", "Python"]
)
def test_an_estimate_is_within_20_percent_of_tekken(text: str, tokens: int) -> None:
    assert abs(estimate(text) / tokens - 1) < 0.2


def test_the_estimate_is_near_a_real_tokenizer_s_count() -> None:
    tekken = pytest.importorskip(
        "mistral_common.tokens.tokenizers.tekken", reason="Mistral's tokenizer isn't installed"
    )
    root = tekken.Tekkenizer.__module__.split(".")[0]
    import importlib.resources

    file = importlib.resources.files(root) / "data" / "tekken_240911.json"
    tokenizer = tekken.Tekkenizer.from_file(str(file))
    for text in (ENGLISH, GERMAN, CODE):
        assert abs(estimate(text) / len(tokenizer.encode(text, False, False)) - 1) < 0.2


def test_every_part_of_a_request_counts() -> None:
    image = {"type": "image", "source": {"type": "base64", "data": "A" * 1_000_000}}
    pdf = {"type": "document", "source": {"type": "base64", "data": "A" * 250_000}}
    plain = {"type": "document", "source": {"type": "text", "data": "one two"}}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {"city": "Bonn"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "sun"}, image]}
    thought = {"type": "thinking", "thinking": "long " * 500, "signature": "x" * 500}
    base = count({"messages": [{"role": "user", "content": "hi"}]})

    def more(**fields: Any) -> int:
        return count({"messages": [{"role": "user", "content": "hi"}], **fields}) - base

    def block(one: dict[str, Any]) -> int:
        return count({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, one]}]}) - base

    assert more(system="one two three") == 3
    assert more(tools=[{"name": "f", "input_schema": {"type": "object"}}]) > 8
    assert block(image) == IMAGE_TOKENS
    assert block(pdf) == 3 * PDF_TOKENS
    assert block(plain) == 2
    assert block(thought) == 0
    assert 3 < block(call) < 15
    assert IMAGE_TOKENS < block(result) < IMAGE_TOKENS + 10
    assert block({"type": "hologram", "x": "one two three"}) > 3
    assert count({}) == 1


def test_a_megabyte_is_counted_in_linear_time() -> None:
    started_s = time.perf_counter()
    for text in (
        ENGLISH * 6000,
        "a" * 1_000_000,
        "1" * 1_000_000,
        " " * 1_000_000,
        "字" * 1_000_000,
        "\n \t" * 300_000,
    ):
        assert estimate(text) > 0
    assert time.perf_counter() - started_s < 10


@pytest.mark.anyio
async def test_the_provider_answers_with_one_count() -> None:
    body: Any = {"messages": [{"role": "user", "content": ENGLISH}]}
    permit = cleared(TARGET, body, dialect=Dialect.COUNT_TOKENS)
    provider = Counter()
    (delta,) = [one async for one in provider.send(permit, Clocks(ttft_s=1, total_s=1))]
    assert json.loads(delta.payload) == {"input_tokens": count(body)}
    assert delta.dialect is Dialect.COUNT_TOKENS
    elsewhere = msgspec.structs.replace(permit, target=target("cloud/x"))
    with pytest.raises(LocalityViolation):
        [one async for one in provider.send(elsewhere, Clocks(ttft_s=1, total_s=1))]
    await provider.aclose()
