"""The fields of requests in OpenAI's dialects. A test compares them with OpenAI's own client."""

from __future__ import annotations

from collections.abc import Mapping

from router.core.types import Dialect

FIELDS: Mapping[Dialect, frozenset[str]] = {
    Dialect.CHAT: frozenset(
        (
            "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages "
            "metadata modalities model moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key "
            "prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed "
            "service_tier stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity "
            "web_search_options"
        ).split()
    ),
    Dialect.COMPLETIONS: frozenset(
        (
            "best_of echo frequency_penalty logit_bias logprobs max_tokens model n presence_penalty prompt seed stop stream "
            "stream_options suffix temperature top_p user"
        ).split()
    ),
    Dialect.EMBEDDINGS: frozenset("dimensions encoding_format input model user".split()),
}
"""Source: https://github.com/openai/openai-python, `types/*/completion_create_params.py` (2026-11-29)"""
