"""Money: list prices and context windows from `genai-prices`, and what an answer cost. Decimal throughout."""

from __future__ import annotations

from decimal import Decimal

from genai_prices import data_snapshot
from genai_prices.types import ModelInfo, TieredPrices

from router.core.types import Price, Usage

_MILLION = Decimal(1_000_000)


def list_price(model: str, provider_ids: tuple[str, ...], base_url: str | None) -> tuple[Price | None, int | None]:
    """Look up (price, context window in tokens) of a model in the price list that ships with the package.

    The vendor is found by its URL, else by the provider's name or kind; unknown is None, never 0.
    """
    snapshot = data_snapshot.get_snapshot()
    for provider_id, url in ((None, base_url), *((one, None) for one in provider_ids)):
        if provider_id is None and url is None:
            continue
        try:
            _, info = snapshot.find_provider_model(model, None, provider_id, url)
        except LookupError:
            continue
        return _price(info), info.context_window
    return None, None


def _price(info: ModelInfo) -> Price | None:
    prices = info.prices if not isinstance(info.prices, list) else info.prices[-1].prices
    input_usd, output_usd = _base(prices.input_mtok), _base(prices.output_mtok)
    if input_usd is None or output_usd is None:
        return None
    return Price(input_usd=input_usd, output_usd=output_usd, cached_input_usd=_base(prices.cache_read_mtok))


def _base(price: Decimal | TieredPrices | None) -> Decimal | None:
    return price.base if isinstance(price, TieredPrices) else price


def cost(usage: Usage | None, price: Price | None) -> Decimal | None:
    """What an answer cost in US dollars; None where usage or price are unknown.

    Cached input tokens are part of `input_tokens`, reasoning tokens of `output_tokens`, as OpenAI counts.
    """
    if usage is None or price is None:
        return None
    cached = min(usage.cached_input_tokens, usage.input_tokens)
    cached_usd = price.cached_input_usd if price.cached_input_usd is not None else price.input_usd
    total = (usage.input_tokens - cached) * price.input_usd + cached * cached_usd
    return (total + usage.output_tokens * price.output_usd) / _MILLION
