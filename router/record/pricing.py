"""Money: list prices and context windows from `genai-prices`, and what an answer cost. Decimal throughout."""

from __future__ import annotations

from copy import copy
from datetime import UTC, datetime
from decimal import Decimal

from genai_prices import Usage as Counted
from genai_prices import data_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Tier, TieredPrices

from router.core import clock
from router.core.types import Price, Usage


class Tariff:
    """What one model's tokens cost.

    Parts of a usage are billed as follows. Tokens read from or written to a cache cost as input where they have no price of
    their own, and reasoning as output: that is how vendors bill who publish none. Audio costs far more than text, so audio
    without a price of its own makes the cost unknown.
    """

    def __init__(self, source: Price | ModelInfo) -> None:
        """Take the configuration's price, or a model of the price list with its tiers and its times of day."""
        self._source = source if isinstance(source, ModelInfo) else _model_price(source)

    def price(self) -> Price | None:
        """Return the price of a short request now, for comparing; None where input has none."""
        prices = self._now()
        input_usd = _base(prices.input_mtok)
        if input_usd is None:
            return None
        return Price(
            input_usd=input_usd,
            output_usd=_base(prices.output_mtok),
            cached_input_usd=_base(prices.cache_read_mtok),
            cache_write_usd=_base(prices.cache_write_mtok),
            reasoning_usd=_base(prices.output_reasoning_mtok),
            audio_input_usd=_base(prices.input_audio_mtok),
            audio_output_usd=_base(prices.output_audio_mtok),
        )

    def cost(self, usage: Usage) -> Decimal | None:
        """Return what an answer that ends now cost, in US dollars; None where a price is unknown or counts contradict."""
        prices = self._now()
        unknown = (
            (usage.input_tokens, prices.input_mtok),
            (usage.output_tokens, prices.output_mtok),
            (usage.audio_input_tokens, prices.input_audio_mtok),
            (usage.audio_output_tokens, prices.output_audio_mtok),
        )
        if any(count and price is None for count, price in unknown):
            return None
        try:
            return (_with_hour(prices) if usage.long_cache_write_tokens else prices).calc_price(_counted(usage))[
                "total_price"
            ]
        except ValueError:  # parts that are more than their whole
            return None

    def _now(self) -> ModelPrice:
        if isinstance(self._source, ModelPrice):
            return self._source
        return self._source.get_prices(datetime.fromtimestamp(clock.unix_s(), UTC))


def listed(model: str, vendors: tuple[str, ...], base_url: str | None) -> tuple[Tariff | None, int | None]:
    """Look up (tariff, context window in tokens) of a model in the price list that ships with the package.

    The vendor is found by its URL, else by one of the names the list may know it by; unknown is None, never 0.
    """
    snapshot = data_snapshot.get_snapshot()
    for vendor, url in ((None, base_url), *((one, None) for one in vendors)):
        if vendor is None and url is None:
            continue
        try:
            _, info = snapshot.find_provider_model(model, None, vendor, url)
        except LookupError:
            continue
        return Tariff(info), info.context_window
    return None, None


def cost(usage: Usage | None, tariff: Tariff | None) -> Decimal | None:
    """What an answer cost in US dollars; None where usage or price are unknown."""
    return None if usage is None or tariff is None else tariff.cost(usage)


def _with_hour(prices: ModelPrice) -> ModelPrice:
    """Add what it costs to write to a cache for an hour, where the list doesn't say: twice the price of input.

    Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching#pricing (2026-11-29)
    """
    plain = prices.input_mtok
    if prices.cache_write_1h_mtok is not None or prices.cache_write_mtok is None or plain is None:
        return prices
    priced = copy(prices)
    if isinstance(plain, TieredPrices):
        tiers = [Tier(start=one.start, price=2 * one.price) for one in plain.tiers]
        hour = TieredPrices(base=2 * plain.base, tiers=tiers)
    else:
        hour = 2 * plain
    priced.cache_write_1h_mtok = hour  # pyright: ignore[reportAttributeAccessIssue] a unit of the list, no field
    return priced


def _base(price: Decimal | TieredPrices | None) -> Decimal | None:
    return price.base if isinstance(price, TieredPrices) else price


def _model_price(price: Price) -> ModelPrice:
    """Write a price as the price list does, which wants one for every overlap of two parts that have one."""
    cached, write, audio = price.cached_input_usd, price.cache_write_usd, price.audio_input_usd
    reasoning, speech = price.reasoning_usd, price.audio_output_usd
    return ModelPrice(
        input_mtok=price.input_usd,
        output_mtok=price.output_usd,
        cache_read_mtok=cached,
        cache_write_mtok=write,
        output_reasoning_mtok=reasoning,
        input_audio_mtok=audio,
        output_audio_mtok=speech,
        cache_audio_read_mtok=cached if audio is not None else None,
        cache_audio_write_mtok=write if audio is not None else None,
        output_audio_reasoning_mtok=speech if reasoning is not None else None,
    )


def _counted(usage: Usage) -> Counted:
    """Count as the price list does. Of parts that may overlap (cached audio), no more do than must: text is cached first."""
    cached, write, audio = usage.cached_input_tokens, usage.cache_write_tokens, usage.audio_input_tokens
    over = max(0, cached + write + audio - usage.input_tokens)
    return Counted(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=cached,
        cache_write_tokens=write,
        cache_write_1h_tokens=usage.long_cache_write_tokens,
        input_audio_tokens=audio,
        cache_audio_read_tokens=min(over, cached),
        cache_audio_write_tokens=max(0, over - cached),
        output_audio_tokens=usage.audio_output_tokens,
        output_reasoning_tokens=usage.reasoning_tokens,
        output_audio_reasoning_tokens=max(0, usage.audio_output_tokens + usage.reasoning_tokens - usage.output_tokens),
    )
