"""What a request is expected to cost at a candidate, before anything is sent."""

from __future__ import annotations

from decimal import Decimal

from router.core.types import Dialect, Features, Price

EXPECTED_OUTPUT_TOKENS = 512
"""Assumed length of an answer whose request sets no limit."""

_MILLION = Decimal(1_000_000)


def expected_cost_usd(features: Features, price: Price | None) -> Decimal | None:
    """Estimate the cost in US dollars: all of the prompt at full price, and answers as long as they may be; None = unknown."""
    return _cost_usd(features, price, features.input_tokens)


def most_cost_usd(features: Features, price: Price | None) -> Decimal | None:
    """Return what a request may cost at most, where `max_input_tokens` is known; else as `expected_cost_usd`."""
    return _cost_usd(features, price, features.max_input_tokens or features.input_tokens)


def _cost_usd(features: Features, price: Price | None, input_tokens: int) -> Decimal | None:
    if price is None:
        return None
    prompt = input_tokens * price.input_usd
    if features.dialect is Dialect.EMBEDDINGS:
        return prompt / _MILLION
    if price.output_usd is None:
        return None
    output_tokens = EXPECTED_OUTPUT_TOKENS if features.max_output_tokens is None else features.max_output_tokens
    return (prompt + features.choices * output_tokens * price.output_usd) / _MILLION
