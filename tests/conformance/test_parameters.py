"""Every parameter that the vendors' clients have, to every provider: it arrives, is named as dropped, or is refused by name."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from anthropic.resources.messages import AsyncMessages
from openai.resources.chat.completions import AsyncCompletions as AsyncChat
from openai.resources.completions import AsyncCompletions
from openai.resources.responses import AsyncResponses

from tests.conformance.callers import function
from tests.conformance.matrix import Site
from tests.conformance.upstreams import Played

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

NEEDLE = "needle-in-hay"
CLIENTS = {"chat": AsyncChat, "completions": AsyncCompletions, "responses": AsyncResponses, "messages": AsyncMessages}
PATHS = {name: f"/v1/{'chat/completions' if name == 'chat' else name}" for name in CLIENTS}
OF_THE_CLIENT = {
    "self",
    "extra_headers",
    "extra_query",
    "extra_body",
    "timeout",
    "messages",
    "model",
    "input",
}
IN_THE_MATRIX = {
    "chat": {"tools", "tool_choice", "response_format", "n", "reasoning_effort", "parallel_tool_calls", "logprobs"},
    "completions": {"prompt", "n", "logprobs"},
    "responses": {"tools", "tool_choice", "parallel_tool_calls", "text", "include"},
    "messages": {"tools", "tool_choice", "output_config", "thinking"},
}
"""Parameters that rows of the matrix try, beside those that have no number or text of their own to look for."""
PLAIN = {"stream", "stream_options", "store", "background", "previous_response_id"}
"""Parameters of the exchange itself: the router's store keeps what is stored, the router streams."""
_TEXTS = {"user", "safety_identifier", "prompt_cache_key", "instructions", "system", "suffix"}
FUNCTION = {**function("weather"), "name": NEEDLE}
SAMPLES: Mapping[str, Any] = {
    **dict.fromkeys(_TEXTS, NEEDLE),
    "access_programs": {"one": NEEDLE},
    "conversation": {"id": NEEDLE},
    "diagnostics": {"one": NEEDLE},
    "image": {"one": NEEDLE},
    "prompt": {"id": NEEDLE},
    "user_profile_id": NEEDLE,
    "workspace_id": NEEDLE,
    "audio": {"voice": NEEDLE, "format": "mp3"},
    "best_of": 3,
    "echo": True,
    "frequency_penalty": 0.625,
    "presence_penalty": 0.375,
    "temperature": 0.5625,
    "top_p": 0.875,
    "top_k": 31,
    "top_logprobs": 17,
    "function_call": {"name": NEEDLE},
    "functions": [FUNCTION],
    "logit_bias": {"50256": -99},
    "max_completion_tokens": 4321,
    "max_output_tokens": 4321,
    "max_tokens": 4321,
    "max_tool_calls": 3,
    "metadata": {"user_id": NEEDLE},
    "modalities": ["text", "audio"],
    "moderation": {"model": NEEDLE},
    "prediction": {"type": "content", "content": NEEDLE},
    "prompt_cache_retention": "24h",
    "prompt_cache_options": {"mode": NEEDLE},
    "reasoning": {"effort": "medium", "summary": "concise"},
    "seed": 31337,
    "service_tier": "flex",
    "stop": [NEEDLE],
    "stop_sequences": [NEEDLE],
    "truncation": "auto",
    "verbosity": "low",
    "web_search_options": {"search_context_size": "low"},
    "cache_control": {"type": "ephemeral"},
    "container": NEEDLE,
    "inference_geo": "eu",
    "speed": "fast",
    "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
}
_MARKS = (NEEDLE, "0.625", "0.375", "0.5625", "0.875", "4321", "31337", "-99", "ephemeral", "24h", "concise", "flex")
"""What is looked for in what the provider got, where the value holds it."""
KEPT_HERE = {("responses", "metadata")}
"""What the router does itself: see the Responses API in docs/operations.md."""


def parameters(dialect: str) -> list[str]:
    """Names of what a client's method takes."""
    names = inspect.signature(CLIENTS[dialect].create).parameters
    return [one for one in names if one not in OF_THE_CLIENT | IN_THE_MATRIX[dialect] | PLAIN]


def body(dialect: str, name: str, number: int, model: str) -> dict[str, Any]:
    """A request with one parameter."""
    turns = [{"role": "user", "content": f"How is it in town? cell-{number}"}]
    asks: dict[str, dict[str, Any]] = {
        "chat": {"messages": turns},
        "completions": {"prompt": turns[0]["content"]},
        "responses": {"input": turns, "store": False},
        "messages": {"messages": turns, "max_tokens": 9000},
    }
    return {
        "model": model,
        **asks[dialect],
        name: SAMPLES[name],
        **({"logprobs": True} if name == "top_logprobs" else {}),
    }


def lost(name: str, answer: httpx.Response, upstream: Played, number: int) -> str:
    """Say what is wrong; empty = nothing."""
    if answer.status_code == 400:
        error = answer.json()["error"]
        is_named = error["code"] == "unsupported_feature" and str(error.get("param")).startswith(name)
        by_need = {"modalities": "messages", "audio": "messages", "top_logprobs": "logprobs"}.get(name)
        return "" if is_named or error.get("param") == by_need else f"400 {error}"
    records = upstream.records.get(number, [])
    if answer.status_code != 200 or len(records) != 1:
        return f"{answer.status_code} {answer.text} {[one.problem for one in records]}"
    names = {name, {"metadata": "user"}.get(name, name)}  # what Anthropic calls `metadata.user_id` is `user` in a chat
    if any(one.split(".")[0] in names for one in answer.headers.get("x-router-dropped", "").split(",")):
        return ""
    sent, got = json.dumps(SAMPLES[name]), json.dumps(records[0].body)
    marks = [": 17"] if name == "top_logprobs" else [mark for mark in _MARKS if mark in sent]
    arrived = all(mark in got for mark in marks) if marks else name in records[0].body
    return "" if arrived else f"lost: {got}"


@pytest.mark.parametrize("dialect", CLIENTS)
async def test_no_parameter_is_lost_without_a_word(running: Site, dialect: str) -> None:
    gate = asyncio.Semaphore(6)
    url = running.blind_url
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:

        async def one(name: str, upstream: Played) -> tuple[str, str, str]:
            number = running.number()
            async with gate:
                asked = body(dialect, name, number, upstream.name)
                answer = await client.post(f"{url}{PATHS[dialect]}", json=asked)
            return name, upstream.name, lost(name, answer, upstream, number)

        tried = [one(name, upstream) for name in parameters(dialect) for upstream in running.played.values()]
        found = await asyncio.gather(*tried)
    assert [each for each in found if each[2] and (dialect, each[0]) not in KEPT_HERE] == []


@pytest.mark.parametrize("dialect", CLIENTS)
def test_every_parameter_of_the_client_has_a_sample(dialect: str) -> None:
    assert [name for name in parameters(dialect) if name not in SAMPLES] == []
