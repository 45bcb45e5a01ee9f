"""What an attempt used whose upstream didn't say so to the end: an estimate from what was seen of it. Pure."""

from __future__ import annotations

from msgspec.structs import replace

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


def billed(attempt: Attempt, features: Features | None) -> tuple[Usage | None, bool]:
    """Return (what an attempt is billed for, whether that is our estimate); None = it costs nothing.

    A stream that was cut counts its prompt, as the upstream reported it early on or as it was estimated, and what of the
    answer was seen. A whole answer that was given up counts as long as it might have been. A request that was refused, or
    never got there, counts nothing.
    """
    usage, code = attempt.usage, attempt.error_code
    if not attempt.sent or not attempt.reached or features is None or features.dialect is Dialect.COUNT_TOKENS:
        return usage, False
    if code is None and usage is not None:
        return usage, False
    if code is not None and not attempt.pieces and usage is None and code not in _UNFREE:
        return None, False
    seen = max(attempt.pieces if not attempt.chars else 0, -(-attempt.chars // CHARS_PER_TOKEN))
    if not attempt.pieces and not features.stream and features.dialect is not Dialect.EMBEDDINGS:
        limit = features.max_output_tokens
        seen = features.choices * (ASSUMED_OUTPUT_TOKENS if limit is None else min(limit, ASSUMED_OUTPUT_TOKENS))
    if usage is None:
        usage = Usage(input_tokens=features.input_tokens)
    return replace(usage, output_tokens=max(usage.output_tokens, seen)), True
