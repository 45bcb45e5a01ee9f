"""Token counts of an answer in OpenAI's dialects, and in the variants of it that vendors write."""

from __future__ import annotations

from typing import Annotated

import msgspec

from router.core.types import Usage

_Count = Annotated[int, msgspec.Meta(ge=0)] | None


class _InputDetails(msgspec.Struct):
    cached_tokens: _Count = None
    cache_creation_tokens: _Count = None
    cache_write_tokens: _Count = None
    audio_tokens: _Count = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: _Count = None
    audio_tokens: _Count = None


class _Usage(msgspec.Struct):
    prompt_tokens: _Count = None
    completion_tokens: _Count = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: _Count = None
    prompt_cache_miss_tokens: _Count = None
    cached_tokens: _Count = None
    num_cached_tokens: _Count = None
    reasoning_tokens: _Count = None


_USAGE = msgspec.json.Decoder(_Usage)


def read(usage: msgspec.Raw, *, reasoning_beside: bool = False) -> Usage | None:
    """Read a `usage` object; None where it is empty, null or not of a known shape: no answer is lost for its counts.

    `reasoning_beside` = reasoning tokens stand beside `completion_tokens`, not among them, and are added. Tokens read from a
    cache are `prompt_tokens_details.cached_tokens`; DeepSeek writes `prompt_cache_hit_tokens`, Moonshot `cached_tokens`,
    Mistral `num_cached_tokens`. Perplexity writes `reasoning_tokens` without details.

    Source: https://api-docs.deepseek.com/api/create-chat-completion, https://platform.moonshot.ai/docs/api/chat,
    https://docs.mistral.ai/api, https://docs.perplexity.ai/api-reference/chat-completions-post (2026-11-29)
    """
    if bytes(usage) in (b"", b"null"):  # as in every chunk of a stream but one
        return None
    try:
        counts = _USAGE.decode(usage)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    prompt, completion = (
        counts.prompt_tokens_details or _InputDetails(),
        counts.completion_tokens_details or _OutputDetails(),
    )
    hit, miss = counts.prompt_cache_hit_tokens, counts.prompt_cache_miss_tokens
    inputs = counts.prompt_tokens
    if inputs is None and hit is not None and miss is not None:
        inputs = hit + miss
    if inputs is None and counts.completion_tokens is None:
        return None
    reasoning = _first(completion.reasoning_tokens, counts.reasoning_tokens)
    return Usage(
        input_tokens=inputs or 0,
        output_tokens=(counts.completion_tokens or 0) + (reasoning if reasoning_beside else 0),
        cached_input_tokens=_first(prompt.cached_tokens, hit, counts.cached_tokens, counts.num_cached_tokens),
        reasoning_tokens=reasoning,
        cache_write_tokens=_first(prompt.cache_creation_tokens, prompt.cache_write_tokens),
        audio_input_tokens=prompt.audio_tokens or 0,
        audio_output_tokens=completion.audio_tokens or 0,
    )


def _first(*counts: int | None) -> int:
    """Return the first count that is given, whichever name it has; 0 where none is."""
    return next((count for count in counts if count is not None), 0)
