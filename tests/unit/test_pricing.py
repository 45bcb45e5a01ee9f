"""What answers cost: each vendor's usage as it writes it, times its list price or the configuration's, to the last digit."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from router.core.types import Dialect, Features, JsonObject, Price, Usage
from router.record.pricing import Tariff, cost, listed
from router.routing.estimate import expected_cost_usd, most_cost_usd
from router.wire import openai_chat

OWN = Price(input_usd=Decimal("2.50"), output_usd=Decimal(10))
FULL = Price(
    input_usd=Decimal(2),
    output_usd=Decimal(8),
    cached_input_usd=Decimal("0.2"),
    cache_write_usd=Decimal("2.5"),
    reasoning_usd=Decimal(4),
    audio_input_usd=Decimal(32),
    audio_output_usd=Decimal(64),
)


def read(usage: object, *, beside: bool = False) -> Usage | None:
    answer = {"choices": [{"finish_reason": "stop"}], "usage": usage}
    return openai_chat.facts(json.dumps(answer).encode(), reasoning_beside=beside).usage


def tariff(url: str, model: str) -> Tariff:
    found, _ = listed(model, (), url)
    assert found is not None
    return found


OPENAI: JsonObject = {
    "prompt_tokens": 10_000,
    "completion_tokens": 2_000,
    "prompt_tokens_details": {"cached_tokens": 4_000, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 1_500, "audio_tokens": 0},
}

VENDORS: list[tuple[str, str, JsonObject, bool, Usage, str]] = [
    # 6000 * 2.50 + 4000 * 0.25 + 2000 * 15
    ("https://api.openai.com/v1", "gpt-5.4", OPENAI, False,
     Usage(input_tokens=10_000, output_tokens=2_000, cached_input_tokens=4_000, reasoning_tokens=1_500), "0.046"),
    # 900 * 0.59 + 100 * 0.79
    ("https://api.groq.com/openai/v1", "llama-3.3-70b-versatile",
     {"prompt_tokens": 900, "completion_tokens": 100, "queue_time": 0.1, "total_time": 0.2}, False,
     Usage(input_tokens=900, output_tokens=100), "0.00061"),
    # 9992 * 3 + 128 * 0.75 + (1499 + 2809) * 15
    ("https://api.x.ai/v1", "grok-4",
     {"prompt_tokens": 10_120, "completion_tokens": 1_499, "total_tokens": 14_428,
      "prompt_tokens_details": {"text_tokens": 10_120, "cached_tokens": 128},
      "completion_tokens_details": {"reasoning_tokens": 2_809}}, True,
     Usage(input_tokens=10_120, output_tokens=4_308, cached_input_tokens=128, reasoning_tokens=2_809), "0.094692"),
    # 700 * 0.6 + 300 * 0.15 + 50 * 2.5
    ("https://api.moonshot.ai/v1", "kimi-k2-0905-preview",
     {"prompt_tokens": 1_000, "completion_tokens": 50, "cached_tokens": 300}, False,
     Usage(input_tokens=1_000, output_tokens=50, cached_input_tokens=300), "0.00059"),
    # 500 * 2 + 100 * 6
    ("https://api.mistral.ai/v1", "mistral-large-latest",
     {"prompt_tokens": 500, "completion_tokens": 100, "prompt_audio_seconds": None, "prompt_tokens_details": None}, False,
     Usage(input_tokens=500, output_tokens=100), "0.0016"),
    # 20 * 2 + 100 * 8 + 1000 * 3: this one has a price of its own for reasoning
    ("https://api.perplexity.ai", "sonar-deep-research",
     {"prompt_tokens": 20, "completion_tokens": 1_100, "reasoning_tokens": 1_000, "cost": {"total_cost": 1}}, False,
     Usage(input_tokens=20, output_tokens=1_100, reasoning_tokens=1_000), "0.00384"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "model", "written", "beside", "counts", "usd"), VENDORS, ids=lambda one: str(one)[:30])
def test_each_vendor_s_usage_costs_what_its_list_says(
    url: str, model: str, written: JsonObject, beside: bool, counts: Usage, usd: str
) -> None:
    usage = read(written, beside=beside)
    assert usage == counts
    assert cost(usage, tariff(url, model)) == Decimal(usd)


def test_deepseek_counts_hits_and_misses_of_its_cache() -> None:
    usage = read({"completion_tokens": 5, "prompt_cache_hit_tokens": 60, "prompt_cache_miss_tokens": 40})
    assert usage == Usage(input_tokens=100, output_tokens=5, cached_input_tokens=60)
    both = read(
        {"prompt_tokens": 100, "completion_tokens": 5, "prompt_cache_hit_tokens": 60, "prompt_cache_miss_tokens": 40}
    )
    assert both == usage


@pytest.mark.parametrize("field", ["cache_creation_tokens", "cache_write_tokens"])
def test_writes_to_a_cache_are_read_under_either_name(field: str) -> None:
    usage = read({"prompt_tokens": 100, "completion_tokens": 1, "prompt_tokens_details": {field: 70}})
    assert usage == Usage(input_tokens=100, output_tokens=1, cache_write_tokens=70)


def test_usage_is_found_where_groq_and_moonshot_put_it_in_a_stream() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    groq = {"choices": [{"finish_reason": "stop"}], "x_groq": {"id": "req_1", "usage": usage}}
    moonshot = {"choices": [{"finish_reason": "stop", "usage": usage}]}
    for chunk in (groq, moonshot):
        assert openai_chat.facts(json.dumps(chunk).encode()).usage == Usage(input_tokens=7, output_tokens=3)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        [],
        "7",
        {"prompt_tokens": -1},
        {"prompt_tokens": "7"},
        {"prompt_tokens": 1, "prompt_tokens_details": 5},
    ],
)
def test_a_usage_that_can_not_be_read_is_unknown_and_costs_no_answer(usage: object) -> None:
    assert read(usage) is None


def test_a_long_prompt_costs_the_tier_of_its_length() -> None:
    usd = tariff("https://api.openai.com/v1", "gpt-5.4")
    short = usd.cost(Usage(input_tokens=200_000))
    long = usd.cost(Usage(input_tokens=400_000))
    assert short is not None
    assert long is not None
    assert long > 2 * short


def test_every_part_has_its_price_where_the_configuration_gives_one() -> None:
    usage = Usage(
        input_tokens=1_000,
        output_tokens=500,
        cached_input_tokens=300,
        reasoning_tokens=100,
        cache_write_tokens=200,
        audio_input_tokens=50,
        audio_output_tokens=40,
    )
    plain = 450 * Decimal(2) + 300 * Decimal("0.2") + 200 * Decimal("2.5") + 50 * Decimal(32)
    answer = 360 * Decimal(8) + 100 * Decimal(4) + 40 * Decimal(64)
    assert Tariff(FULL).cost(usage) == (plain + answer) / 1_000_000


def test_cached_reasoning_and_cache_writes_cost_as_the_whole_they_are_part_of_where_they_have_no_price() -> None:
    usage = Usage(input_tokens=100, output_tokens=10, cached_input_tokens=40, cache_write_tokens=30, reasoning_tokens=9)
    assert Tariff(OWN).cost(usage) == (100 * Decimal("2.50") + 10 * Decimal(10)) / 1_000_000


def test_audio_without_a_price_of_its_own_makes_the_cost_unknown_not_small() -> None:
    assert Tariff(OWN).cost(Usage(input_tokens=10, audio_input_tokens=1)) is None
    assert Tariff(OWN).cost(Usage(output_tokens=10, audio_output_tokens=1)) is None


def test_audio_that_was_cached_is_counted_once() -> None:
    usage = Usage(input_tokens=100, cached_input_tokens=80, audio_input_tokens=60)
    # 80 cached, of which at least 40 audio; 20 audio that wasn't cached.
    assert Tariff(FULL).cost(usage) == (80 * Decimal("0.2") + 20 * Decimal(32)) / 1_000_000


def test_counts_that_contradict_each_other_cost_nobody_knows_what() -> None:
    assert Tariff(FULL).cost(Usage(input_tokens=10, cached_input_tokens=11)) is None
    assert Tariff(FULL).cost(Usage(output_tokens=10, reasoning_tokens=11)) is None


def test_an_unknown_model_has_no_price_and_no_cost() -> None:
    assert listed("my-own-model", ("nobody",), "https://llm.example.com/v1") == (None, None)
    assert cost(Usage(input_tokens=1), None) is None
    assert cost(None, Tariff(OWN)) is None


def test_an_embedding_model_has_a_cost_though_it_has_no_output_price() -> None:
    embedding = tariff("https://api.openai.com/v1", "text-embedding-3-small")
    price = embedding.price()
    asked = Features(input_tokens=1_000_000, max_input_tokens=2_000_000, dialect=Dialect.EMBEDDINGS)
    assert (expected_cost_usd(asked, price), most_cost_usd(asked, price)) == (Decimal("0.02"), Decimal("0.04"))
    assert most_cost_usd(replace(asked, dialect=Dialect.CHAT), price) is None
    assert embedding.cost(Usage(input_tokens=1_000_000)) == Decimal("0.02")
    assert embedding.cost(Usage(input_tokens=1, output_tokens=1)) is None


@given(
    st.builds(
        Usage,
        **{name: st.integers(0, 10**9) for name in Usage.__struct_fields__},  # pyright: ignore[reportArgumentType]
    )
)
def test_no_counts_break_the_arithmetic(usage: Usage) -> None:
    for one in (Tariff(OWN), Tariff(FULL), tariff("https://api.openai.com/v1", "gpt-5.4")):
        usd = one.cost(usage)
        assert usd is None or usd >= 0
