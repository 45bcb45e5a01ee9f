"""What an attempt used whose upstream didn't say so to the end: an estimate from what was seen of it. Pure."""

from __future__ import annotations

from msgspec.structs import astuple, replace

from router.core.errors import UpstreamProtocolError, UpstreamTimeout
from router.core.types import Attempt, Dialect, Features, Usage

CHARS_PER_TOKEN = 4
"""Of what was said; rough, and the same for every model."""

ASSUMED_OUTPUT_TOKENS = 512
"""Of a whole answer that nobody saw, to a request without a limit: the upstream may have made all of it."""

_CUT = frozenset({"client_closed", "hedged"})
"""Codes of attempts that were given up here: the upstream had begun, as far as we know."""

_UNFREE = _CUT | {UpstreamTimeout.code, UpstreamProtocolError.code}
"""Codes with which an attempt may be billed though no piece of an answer came. With any other the upstream refused."""


MOST_TOKENS = 100_000_000
"""No request has more, nor has any answer: an upstream that reports more isn't believed."""


def credible(usage: Usage | None) -> Usage | None:
    """Return what can be believed of an upstream's report; None = nothing can: a count is negative, or more than there can be.

    Parts that are more than their whole raise it, for they are billed, and a cost that isn't known would pass a budget.
    """
    if usage is None or not all(0 <= count <= MOST_TOKENS for count in astuple(usage)):
        return None
    read_or_written = usage.cached_input_tokens + usage.cache_write_tokens
    return replace(
        usage,
        input_tokens=max(usage.input_tokens, read_or_written, usage.audio_input_tokens),
        output_tokens=max(usage.output_tokens, usage.reasoning_tokens, usage.audio_output_tokens),
        long_cache_write_tokens=min(usage.long_cache_write_tokens, usage.cache_write_tokens),
    )


def billed(attempt: Attempt, features: Features | None) -> tuple[Usage | None, bool]:
    """Return (what an attempt is billed for, whether that is our estimate); None = it costs nothing.

    What the upstream reported counts as far as it is credible. A stream that was cut counts its prompt, as the upstream
    reported it early on or as it was estimated, and what of the answer was seen. A whole answer that was given up counts as
    long as it might have been. A request that was refused, or never got there, counts nothing.
    """
    usage, code = credible(attempt.usage), attempt.error_code
    is_doubted = usage != attempt.usage
    if features is None or attempt.question or features.dialect is Dialect.COUNT_TOKENS:
        return usage, is_doubted and usage is not None
    if not attempt.sent or not attempt.reached:
        return usage, is_doubted and usage is not None
    if code is None and usage is not None:
        return usage, is_doubted
    if code is not None and not attempt.pieces and usage is None and code not in _UNFREE:
        return None, False
    seen = max(attempt.pieces if not attempt.chars else 0, -(-attempt.chars // CHARS_PER_TOKEN))
    is_unseen = not attempt.pieces or (is_doubted and usage is None)
    if is_unseen and not features.stream and features.dialect is not Dialect.EMBEDDINGS:
        limit = features.max_output_tokens
        seen = features.choices * (ASSUMED_OUTPUT_TOKENS if limit is None else min(limit, ASSUMED_OUTPUT_TOKENS))
    if usage is None:
        usage = Usage(input_tokens=features.input_tokens)
    return replace(usage, output_tokens=max(usage.output_tokens, seen)), True
