"""What each vendor's answer says it used, as its documentation shows it, read by the code that serves: tokens and cost."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from router.core.errors import RouterError, UpstreamUnavailable
from router.core.types import Price, Usage
from router.record.pricing import Tariff, cost, listed
from router.wire import openai_chat
from router.wire.outbound import bedrock, cohere, gemini_answer, responses
from router.wire.outbound._hub import Head
from router.wire.outbound.anthropic import decode_answer, read_answer

FOLDER = Path(__file__).parents[1] / "fixtures" / "usage"


class Golden(msgspec.Struct, kw_only=True):
    """One fixture; `sum` is how the cost comes about, for people."""

    dialect: str
    source: str
    answer: msgspec.Raw
    usage: Usage
    price: Price
    cost_usd: Decimal
    sum: str
    listed: tuple[str, str] | None = None


def _gemini(payload: bytes) -> Usage | None:
    def refused(status: int, body: bytes) -> RouterError:
        raise UpstreamUnavailable(f"{status} {len(body)}")

    asked = gemini_answer.Asked(who="g", model="m", created_s=1, choices=1, refused=refused)
    return gemini_answer.decode_answer(payload, asked).usage


READERS: dict[str, Callable[[bytes], Usage | None]] = {
    "chat": lambda payload: openai_chat.facts(payload).usage,
    "responses": lambda payload: responses.whole(payload, "o").usage,
    "messages": lambda payload: read_answer(payload, "a").usage,
    "gemini": _gemini,
    "cohere": lambda payload: cohere.decode_answer(payload, "c", "m", 1).usage,
    "bedrock": lambda payload: bedrock.decode_answer(payload, "b", Head(id="1", model="m", created_s=1)).usage,
}


def golden(path: Path) -> Golden:
    return msgspec.json.decode(path.read_bytes(), type=Golden)


FILES = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_tokens_and_cost_are_those_of_the_vendor_s_documentation(path: Path) -> None:
    one = golden(path)
    usage = READERS[one.dialect](bytes(one.answer))
    assert usage == one.usage
    assert cost(usage, Tariff(one.price)) == one.cost_usd
    if one.listed is not None:
        tariff, _ = listed(one.listed[1], (), one.listed[0])
        assert cost(usage, tariff) == one.cost_usd


def test_every_dialect_has_a_fixture_with_a_cache_and_the_translated_answer_counts_the_same() -> None:
    found = [golden(path) for path in FILES]
    assert {one.dialect for one in found if one.usage.cached_input_tokens} == READERS.keys()
    anthropic = next(one for one in found if one.dialect == "messages")
    assert decode_answer(bytes(anthropic.answer), "a", 1).usage == anthropic.usage
