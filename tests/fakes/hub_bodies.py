"""Chat requests as callers might write them, mad ones included: what hypothesis draws to try translators with."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

TEXTS = st.sampled_from(["", " ", "hi", "Grüße 👋", "a" * 300, '{"a": 1}', "none", "auto", "x.y:z/1", "\n"])
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
_URLS = st.sampled_from(
    [
        *("https://example.com/a.png", "http://example.com/a.png", "data:image/png;base64,AAAA", "data:image/png,x"),
        *("data:image/tiff;base64,AAAA", "data:image/jpg;base64,A", "data:application/pdf;base64,AAAA", "", "x"),
    ]
)


def _sometimes(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


_CACHE = st.sampled_from([{"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}, {}, None])
_PARTS = st.one_of(
    st.builds(lambda text, more: {"type": "text", "text": text, **more}, TEXTS, _sometimes(cache_control=_CACHE)),
    st.builds(lambda url: {"type": "image_url", "image_url": {"url": url}}, _URLS),
    st.builds(lambda url, name: {"type": "file", "file": {"file_data": url, "filename": name}}, _URLS, TEXTS),
    st.builds(lambda data: {"type": "document", "document": {"data": data}}, ANYTHING),
    st.builds(lambda text: {"type": "refusal", "refusal": text}, TEXTS),
    st.builds(lambda kind, more: {"type": kind, **more}, TEXTS, st.dictionaries(TEXTS, ANYTHING, max_size=2)),
)
_CONTENT = st.none() | TEXTS | st.lists(_PARTS, max_size=3)
_ARGUMENTS = st.dictionaries(TEXTS, ANYTHING, max_size=2).map(json.dumps) | TEXTS
_NAMES = st.sampled_from(["weather", "now", "a b", "x" * 65, "", "Grüße"])
_IDS = st.sampled_from(["c1", "c2", "functions.weather:0", "x" * 80, "ä/ö", ""])
_CALLS = st.builds(
    lambda call_id, name, text: {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}},
    _IDS,
    _NAMES,
    _ARGUMENTS,
)
_BLOCKS = st.one_of(
    st.builds(lambda text, sign: {"type": "thinking", "thinking": text, "signature": sign}, TEXTS, TEXTS),
    st.builds(lambda data: {"type": "redacted_thinking", "data": data}, TEXTS),
)
_MESSAGES = st.builds(
    lambda role, content, more: {"role": role, "content": content, **more},
    st.sampled_from(["user", "user", "system", "developer", "assistant", "tool", "function", "x"]),
    _CONTENT,
    _sometimes(
        name=TEXTS,
        tool_calls=st.lists(_CALLS, max_size=2),
        tool_call_id=_IDS,
        reasoning_content=TEXTS,
        thinking_blocks=st.lists(_BLOCKS, max_size=2),
        is_error=st.booleans(),
        tool_plan=TEXTS,
    ),
)
_TOOLS = st.builds(
    lambda name, more, cache: {"type": "function", "function": {"name": name, **more}, **cache},
    _NAMES,
    _sometimes(
        description=TEXTS,
        strict=st.booleans(),
        parameters=st.sampled_from([{}, {"type": "object"}, {"properties": {"a": {"type": "string"}}}]),
    ),
    _sometimes(cache_control=_CACHE),
)
_FORMATS = st.sampled_from(
    [
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_object", "schema": {"type": "object"}},
        {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
        {"type": "json_schema", "json_schema": {"name": "x", "description": "y"}},
        {"type": "json_schema"},
        {"type": "grammar"},
    ]
)
_CHOICES = st.sampled_from(
    [
        *("auto", "none", "required", "maybe"),
        {"type": "function", "function": {"name": "weather"}},
        {"type": "allowed_tools", "allowed_tools": {}},
    ]
)
_BUDGET = st.none() | st.integers(-5, 50_000)
_EFFORT = st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max", "x"])
_THINKING = st.builds(
    lambda kind, budget: {"type": kind, "budget_tokens": budget},
    st.sampled_from(["enabled", "disabled", "adaptive"]),
    _BUDGET,
)
_MAD: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda messages, fields, more: {**more, "model": "m", "messages": messages, **fields},
    st.lists(_MESSAGES, min_size=1, max_size=4),
    _sometimes(
        max_tokens=st.integers(1, 2**70),
        max_completion_tokens=st.integers(1, 5000),
        temperature=st.floats(0, 2),
        top_p=st.floats(0, 1),
        top_k=st.integers(-5, 2**70),
        seed=st.integers(-(2**70), 2**70),
        frequency_penalty=st.floats(-2, 2),
        presence_penalty=st.floats(-2, 2),
        stop=TEXTS | st.lists(TEXTS, max_size=6),
        tools=st.lists(_TOOLS, max_size=3),
        tool_choice=_CHOICES,
        parallel_tool_calls=st.booleans(),
        n=st.sampled_from([1, 1, 1, 2]),
        response_format=_FORMATS,
        logprobs=st.booleans(),
        top_logprobs=st.sampled_from([0, 0, 3]),
        reasoning_effort=_EFFORT,
        thinking=_THINKING,
        service_tier=st.sampled_from(["auto", "default", "flex", "priority", "x"]),
        documents=st.lists(TEXTS | st.builds(lambda data: {"data": data}, ANYTHING), max_size=2),
        citation_options=st.sampled_from([{"mode": "FAST"}, {}]),
    ),
    st.dictionaries(TEXTS, ANYTHING, max_size=2),
)
_GOOD_PARTS = st.one_of(
    st.builds(lambda text, more: {"type": "text", "text": text, **more}, TEXTS, _sometimes(cache_control=_CACHE)),
    st.just({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}),
)
_GOOD_CALLS = st.builds(
    lambda call_id, name, given: {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": json.dumps(given)},
    },
    st.sampled_from(["c1", "functions.weather:0", "x" * 80, "ä/ö"]),
    st.sampled_from(["weather", "now"]),
    st.dictionaries(TEXTS, ANYTHING, max_size=2),
)
_GOOD_TURNS = st.one_of(
    st.builds(lambda content: {"role": "user", "content": content}, TEXTS | st.lists(_GOOD_PARTS, max_size=3)),
    st.builds(lambda role, text: {"role": role, "content": text}, st.sampled_from(["system", "developer"]), TEXTS),
    st.builds(
        lambda content, more: {"role": "assistant", "content": content, **more},
        st.none() | TEXTS,
        _sometimes(
            tool_calls=st.lists(_GOOD_CALLS, max_size=2),
            reasoning_content=TEXTS,
            thinking_blocks=st.lists(_BLOCKS, max_size=2),
        ),
    ),
    st.builds(
        lambda call_id, text, more: {"role": "tool", "tool_call_id": call_id, "content": text, **more},
        st.sampled_from(["c1", "functions.weather:0", "x" * 80, "ä/ö"]),
        TEXTS,
        _sometimes(is_error=st.booleans()),
    ),
)
_GOOD_TOOLS = [
    {"type": "function", "function": {"name": "weather", "strict": True, "parameters": {"type": "object"}}},
    {"type": "function", "function": {"name": "now"}, "cache_control": {"type": "ephemeral"}},
]
_GOOD: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda turns, fields, more: {
        **more,
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}, *turns],
        **fields,
    },
    st.lists(_GOOD_TURNS, max_size=6),
    _sometimes(
        max_tokens=st.integers(1, 100_000),
        temperature=st.floats(0, 2),
        top_p=st.floats(0, 1),
        top_k=st.integers(-5, 2**70),
        seed=st.integers(-(2**70), 2**70),
        frequency_penalty=st.floats(-2, 2),
        stop=TEXTS | st.lists(TEXTS, max_size=4),
        tools=st.sampled_from([_GOOD_TOOLS, _GOOD_TOOLS[:1], []]),
        tool_choice=st.sampled_from(["auto", "required"]),
        parallel_tool_calls=st.booleans(),
        response_format=st.sampled_from(
            [{"type": "text"}, {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}]
        ),
        reasoning_effort=_EFFORT,
        thinking=_THINKING,
        service_tier=st.sampled_from(["auto", "default", "flex", "priority", "x"]),
    ),
    st.dictionaries(TEXTS, ANYTHING, max_size=1),
)
BODIES: st.SearchStrategy[dict[str, Any]] = _GOOD | _MAD
"""Bodies whose fields have the types that the chat dialect checks: half of them make some sense, the others needn't."""
