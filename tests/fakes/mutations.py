"""Requests as no client makes them: valid ones of every dialect, with something wrong at any depth, or in their headers."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.fakes.upstreams import KINDS

CANARY = "zqcanary"
"""Stands in all that is put in; no error may repeat it."""

MODELS = (*KINDS, "auto", "local")
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
_CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bonn"}'}}
_SCHEMA = {"name": "town", "schema": WEATHER, "strict": True}

Json = dict[str, Any]

CHAT: list[Json] = [
    {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "text", "text": "Where?"}, {"type": "image_url", "image_url": {"url": PIXEL}}],
            },
            {"role": "assistant", "content": None, "tool_calls": [_CALL, {**_CALL, "id": "c2"}]},
            {"role": "tool", "tool_call_id": "c1", "content": "sun"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "rain"}]},
        ],
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}],
    },
    {"messages": [{"role": "user", "content": "Hello there"}], "max_tokens": 20, "temperature": 0.5},
    {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Where?", "cache_control": {"type": "ephemeral"}},
                    {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
                    {
                        "type": "file",
                        "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
                    },
                    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    _CALL,
                    {**_CALL, "id": "c2", "extra_content": {"google": {"thought_signature": "AA=="}}},
                ],
                "reasoning_content": "Hm",
                "thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "AAAA"}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "sun"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "rain"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "Bonn"}], "refusal": None, "name": "a"},
            {"role": "user", "content": "And then?"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "weather", "description": "Says it", "parameters": WEATHER}}
        ],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": True,
        "reasoning_effort": "low",
        "stop": ["x"],
        "seed": 1,
        "user": "u",
        "metadata": {"a": "b"},
    },
    {
        "messages": [{"role": "developer", "content": "Hi"}, {"role": "user", "content": "As JSON"}],
        "response_format": {"type": "json_schema", "json_schema": _SCHEMA},
        "logprobs": True,
        "top_logprobs": 2,
        "n": 1,
        "logit_bias": {"1": 2},
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 30,
        "top_k": 4,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "prediction": {"type": "content", "content": "x"},
        "service_tier": "auto",
        "web_search_options": {"search_context_size": "low"},
        "modalities": ["text"],
    },
]
COMPLETIONS: list[Json] = [
    {"prompt": "Once upon", "max_tokens": 5, "stop": ["."], "logprobs": 1, "n": 1},
    {"prompt": ["Once"], "suffix": "end", "echo": False, "best_of": 1, "logit_bias": {"1": 1}, "seed": 3},
    {"prompt": [[1, 2, 3]]},
]
EMBEDDINGS: list[Json] = [
    {"input": "Hello", "encoding_format": "float", "dimensions": 4, "user": "u"},
    {"input": ["a", "b"], "encoding_format": "base64"},
    {"input": [[1, 2], [3]]},
]
RESPONSES: list[Json] = [
    {"input": "Hello", "instructions": "Be brief.", "max_output_tokens": 20, "store": True},
    {
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Hi"}, {"type": "input_image", "image_url": PIXEL}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}], "encrypted_content": "gAAA"},
            {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city": "Bonn"}', "id": "fc_1"},
            {"type": "function_call_output", "call_id": "c1", "output": "sun"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Yes", "annotations": []}]},
            {"type": "message", "role": "user", "content": [{"type": "input_file", "filename": "a", "file_data": "data:text/plain;base64,YQ=="}]},
        ],
        "tools": [{"type": "function", "name": "weather", "parameters": WEATHER, "strict": False}],
        "tool_choice": {"type": "function", "name": "weather"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "text": {"format": {"type": "json_schema", **_SCHEMA}, "verbosity": "low"},
        "metadata": {"a": "b"},
        "truncation": "disabled",
        "top_p": 0.5,
    },
    {"input": [{"type": "item_reference", "id": "msg_1"}], "previous_response_id": None, "parallel_tool_calls": False},
]  # fmt: skip
MESSAGES: list[Json] = [
    {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 20, "system": "Be brief."},
    {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL[22:]}},
                    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hello"}, "title": "t"},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm", "signature": "AAAA"},
                    {"type": "redacted_thinking", "data": "AAAA"},
                    {"type": "text", "text": "Let me see"},
                    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bonn"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True, "content": [{"type": "text", "text": "no"}]},
                    {"type": "text", "text": "And?"},
                ],
            },
        ],
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "max_tokens": 2000,
        "tools": [{"name": "weather", "description": "d", "input_schema": WEATHER}],
        "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "stop_sequences": ["x"],
        "metadata": {"user_id": "u"},
        "temperature": 1,
        "top_k": 3,
        "service_tier": "auto",
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": WEATHER}},
        "context_management": {"edits": []},
    },
]  # fmt: skip


NEEDED = {"messages", "prompt", "input", "max_tokens"}


def _counted(body: Json) -> Json:
    return {name: value for name, value in body.items() if name in ("messages", "system", "tools", "thinking")}


SKELETONS: dict[str, list[Json]] = {
    "/v1/chat/completions": CHAT,
    "/v1/route/explain": CHAT,
    "/v1/completions": COMPLETIONS,
    "/v1/embeddings": EMBEDDINGS,
    "/v1/responses": RESPONSES,
    "/v1/messages": MESSAGES,
    "/v1/messages/count_tokens": [_counted(body) for body in MESSAGES],
}


class Shot(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    lie: int = 0
    """How many bytes more, or fewer, than there are the length claims."""


def _deep(levels: int, kind: str) -> Any:
    value: Any = CANARY
    for _ in range(levels):
        value = [value] if kind == "list" else {kind: value}
    return value


VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, -0.0, 0.5, 2**31, 2**63, 2**64, 10**40, -(10**20), 1e308, 5e-324, 1e22),
    *("", " ", CANARY, f"{CANARY}\u202e\u0007", f"{CANARY}\U0001f469\u200d\U0001f4bb", f"{CANARY}\n\ndata: x", "\ufeff", CANARY * 200),
    *([], [[]], [None], [CANARY], [0], {}, {"type": None}, {"type": CANARY}, {CANARY: CANARY}, {"": ""}, [{}], [{"type": "text"}]),
    *(_deep(60, "list"), _deep(60, "content"), _deep(210, "a")),
    *("user", "assistant", "system", "tool", "developer", "function", "auto", "none", "text", "tool_use", "tool_result"),
    *("image_url", "input_text", "output_text", "reasoning", "function_call", "item_reference", "json_schema", "custom"),
    *("data:", "data:;base64,", "data:image/png;base64,!!!!", "data:image/png,zqcanary", "data:text/plain;base64,enFjYW5hcnk="),
    *("data:zqcanary;base64,AAAA", "https://zqcanary.example/x.png", "file:///etc/passwd", "http://[zqcanary", "http://x:999999/"),
    *('{"city": "zqcanary"', '["zqcanary"]', '"zqcanary"', "null", "NaN", '{"a": 1e999}', '{"a": 1, "a": 2}', "{}", "\\u0000"),
    *("c1", "c2", "toolu_1", "weather", "resp_zqcanary", "x" * 5000, "maria.gonzalez@example.com", "My SSN is 536-22-8726"),
    {"role": "user", "content": CANARY},
    {"role": CANARY, "content": [{"type": CANARY, CANARY: 1}]},
    {f"My {CANARY}\n": 1},
    {"type": "text", "text": 5},
    {"type": "function", "function": {"name": CANARY}},
    {"type": "function", "name": "weather"},
    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": CANARY},
    {"type": "tool_result", "tool_use_id": CANARY, "content": {"a": 1}},
    {"type": "image", "source": {"type": "url", "url": "https://zqcanary.example"}},
    {"type": "image", "source": {"type": "base64", "media_type": CANARY, "data": "!"}},
    {"type": "enabled"},
    {"type": "enabled", "budget_tokens": -5},
    {"type": "json_schema"},
    {"type": "json_schema", "json_schema": {"name": CANARY, "schema": [CANARY]}},
    {"google": {"thought_signature": CANARY, "thinking_config": CANARY}},
    {"type": "allowed_tools", "mode": "auto", "tools": [CANARY]},
    {"type": "web_search_20250305", "name": "web_search", "user_location": CANARY},
    {"type": "web_search", "filters": {"allowed_domains": [CANARY]}},
    {"type": "custom", "custom": {"name": CANARY}},
    {"type": "custom", "name": CANARY, "format": {"type": "grammar", "syntax": "lark", "definition": CANARY}},
]  # fmt: skip

EXTRAS = (
    *(
        CANARY,
        f"My {CANARY}: é,\n",
        "stream",
        "n",
        "tools",
        "tool_choice",
        "functions",
        "function_call",
        "response_format",
        "stop",
        "store",
    ),
    *("extra_body", "extra_content", "google", "thinking", "thinking_blocks", "tool_calls", "tool_call_id", "audio"),
    *("cache_control", "previous_response_id", "conversation", "background", "prompt", "container", "mcp_servers"),
    *("documents", "citations", "reasoning", "reasoning_content", "safety_settings", "guided_regex", "stream_options"),
    *(
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "top_k",
        "seed",
        "logprobs",
        "top_logprobs",
        "name",
    ),
    *("modalities", "prediction", "web_search_options", "verbosity", "service_tier", "metadata", "user", "input", "id"),
    *("type", "role", "content", "refusal", "is_error", "input_schema", "strict", "logit_bias", "provider", "echo"),
)

_HEADERS: list[tuple[str, str]] = [
    *(("x-router-task", CANARY), ("x-router-task", "a b"), ("x-router-tier", "é"), ("x-router-session", "s" * 200)),
    *(("x-router-locality", value) for value in ("local", "region", "any", CANARY, "")),
    *(("x-router-max-cost-usd", value) for value in ("0", "1e-400", "1e400", "NaN", "sNaN", "-1", "1_0", CANARY, "9" * 400)),
    *(("x-router-max-latency-ms", value) for value in ("0", "1e999999", "Infinity", "-0", "1e308", "1e309", CANARY, "")),
    *(("anthropic-version", value) for value in ("2023-06-01", "2099-01-01", CANARY, "")),
    *(("anthropic-beta", value) for value in ("context-1m-2025-08-07", CANARY, ",,,", "a" * 3000)),
    *(("x-request-id", value) for value in (CANARY, "a b", "\xff", "x" * 500)),
    *(("content-type", value) for value in ("text/plain", "application/json; charset=utf-16", "multipart/form-data", CANARY)),
    *(("authorization", value) for value in ("Bearer", "Basic \xff", f"Bearer {CANARY}", "")),
    *(("x-api-key", CANARY), ("accept", "text/event-stream"), ("accept-encoding", "gzip")),
    *(("content-encoding", "gzip"), ("x-forwarded-for", CANARY), ("openai-organization", CANARY), ("cookie", CANARY)),
    *(("x-stainless-retry-count", "x"), ("idempotency-key", CANARY), ("te", "trailers"), ("range", "bytes=0-1")),
]  # fmt: skip

_OTHERS = [
    *(("GET", path) for path in ("/v1/models", "/v1/models/auto", f"/v1/models/{CANARY}", "/v1/models/", "/v1/adapters", "/health", "/ready", "/metrics")),
    *(("GET", f"/v1/models/%00{CANARY}"), ("GET", "/v1/models/%ff%fe"), ("GET", "/v1/models/" + "a" * 4000), ("GET", "/v1/models/../x")),
    *(("GET", f"/v1/decisions/{CANARY}"), ("GET", "/v1/decisions/%ff"), ("GET", "/v1/decisions"), ("GET", f"/{CANARY}")),
    *((method, path) for method in ("GET", "DELETE") for path in (f"/v1/responses/{CANARY}", "/v1/responses/resp_1", "/v1/responses/%ff", f"/v1/responses/resp_{CANARY}")),
    *(("GET", f"/v1/responses/resp_1/input_items?{query}") for query in ("limit=x", "limit=%ff", "order=zqcanary", "after=zqcanary", "limit=9&limit=8")),
    *(("GET", f"/v1/responses/{CANARY}/input_items"), ("GET", "/v1/responses/resp_1?stream=true"), ("DELETE", "/v1/models/auto")),
    *((method, path) for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "ZQCANARY") for path in SKELETONS),
    *(("POST", f"{path}/") for path in SKELETONS),
    *(("POST", path) for path in ("/v1", "/", "//v1/chat/completions", "/v1/chat", "/v1/%63hat/completions", "/v1/chat/completions;x", "/v1/messages/batches", "/v1/files", "/v1/responses/resp_1", "/v1/responses/resp_1/cancel", "/v1/messages/zqcanary")),
]  # fmt: skip


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """List every (container, key) of a body, the outermost first."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in list(items):
        found.append((value, name))
        _places(inner, found)
    return found


def _replace(holder: Any, name: Any, value: Any) -> None:
    holder[name] = value


def _remove(holder: Any, name: Any, value: Any) -> None:
    del value
    del holder[name]


def _repeat(holder: Any, name: Any, value: Any) -> None:
    """Let an item stand twice: the same id, the same turn again."""
    del value
    if isinstance(holder, list):
        holder.insert(name, copy.deepcopy(holder[name]))


def _wrap(holder: Any, name: Any, value: Any) -> None:
    del value
    holder[name] = [holder[name]]


def _spell(holder: Any, name: Any, value: Any) -> None:
    """Write it as text, or the text of it as JSON."""
    del value
    held = holder[name]
    holder[name] = json.dumps(held) if not isinstance(held, str) else {"text": held}


def _add(holder: Any, name: Any, value: Any) -> None:
    if isinstance(holder, list):
        holder.insert(name, value)
    else:
        holder[EXTRAS[len(str(name)) % len(EXTRAS)]] = value


def _swap(holder: Any, name: Any, value: Any) -> None:
    del value
    if isinstance(holder, list):
        holder.reverse()
    else:
        holder[CANARY] = holder.pop(name)


_CHANGES: list[Callable[[Any, Any, Any], None]] = [_replace, _replace, _replace, _remove, _repeat, _wrap, _spell, _add, _swap]  # fmt: skip


def _encode(body: Any, how: int) -> bytes:
    """Write a body, mostly as JSON."""
    text = json.dumps(body)
    match how:
        case 0:
            return text[: len(text) // 2].encode()
        case 1:
            return text.encode("utf-16")
        case 2:
            return text.replace('"content"', '"content": 1, "content"').encode()
        case 3:
            return text.replace("0.5", "1e400").replace("20", "-0.0").encode()
        case 4:
            return text.replace("Hello", "zqcanary\\ud800").replace("Hi", "\\u0000").encode()
        case 5:
            return text.encode().replace(b"Hello", b"\xff\xfe")
        case 6:
            return json.dumps([body, CANARY]).encode()
        case 7:
            return b""
        case 8:
            return json.dumps(CANARY).encode()
        case 9:
            return b"[" * 100_000
        case 10:
            return (
                text.encode()
                .replace(b'"Hello', b"[" * 900 + b"]" * 900 + b', "Hello')
                .replace(b'"text"', b'"text", "a": ' + b'{"a":' * 900 + b"1" + b"}" * 900)
            )
        case _:
            return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


@st.composite
def _posts(draw: st.DrawFn) -> Shot:
    path = draw(st.sampled_from(list(SKELETONS)))
    body = copy.deepcopy(draw(st.sampled_from(SKELETONS[path])))
    if not draw(st.booleans()):
        kept = draw(st.sets(st.sampled_from(sorted(body)))) | NEEDED
        body = {name: value for name, value in body.items() if name in kept}
    body["model"] = draw(st.sampled_from(MODELS))
    if draw(st.booleans()):
        body["stream"] = True
    for _ in range(draw(st.integers(0, 3))):
        places = _places(body, [])
        if not places:
            break
        holder, name = places[draw(st.integers(0, len(places) - 1))]
        change = draw(st.sampled_from(_CHANGES))
        change(holder, name, copy.deepcopy(draw(st.sampled_from(VALUES))))
    if draw(st.integers(0, 3)) == 0:
        body[draw(st.sampled_from(EXTRAS))] = copy.deepcopy(draw(st.sampled_from(VALUES)))
    headers = draw(st.lists(st.sampled_from(_HEADERS), max_size=2)) if draw(st.integers(0, 3)) == 0 else []
    how = draw(st.integers(0, 120)) - 40  # the ends, which are drawn most, are the usual
    query = draw(
        st.sampled_from(["", "", "", "", "?beta=true", f"?{CANARY}={CANARY}", "?%ff", "?stream=true&stream=x"])
    )
    lie = draw(st.sampled_from([*[0] * 40, -1, -7, -(10**6), 3, 10**12, *[0] * 40]))
    return Shot("POST", path + query, tuple(headers), _encode(body, how), lie)


@st.composite
def _odd(draw: st.DrawFn) -> Shot:
    method, path = draw(st.sampled_from(_OTHERS))
    headers = draw(st.lists(st.sampled_from(_HEADERS), max_size=2))
    body = draw(st.sampled_from([b"", b"", b"{}", json.dumps({"model": CANARY, "messages": []}).encode()]))
    return Shot(method, path, tuple(headers), body)


SHOTS: st.SearchStrategy[Shot] = st.integers(0, 9).flatmap(lambda kind: _odd() if kind == 5 else _posts())
