"""Any chat body becomes a request that Gemini's own types accept, or the caller's error."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from router.core.errors import RouterError
from router.wire.inbound.chat import CODEC
from router.wire.outbound.gemini import encode_request
from tests.fakes.gemini import check

MODEL = "gemini-3-flash-preview"

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
URLS = st.sampled_from(["https://a.b/c.png", "data:image/png;base64,AAAA", "data:application/pdf;base64,AAAA", "x", ""])
PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "input_audio", "file", "refusal", "x"])},
    optional={
        "text": TEXT,
        "image_url": st.fixed_dictionaries({"url": URLS}) | JSON,
        "input_audio": st.fixed_dictionaries({"data": TEXT, "format": st.sampled_from(["wav", "mp3", "x"])}),
        "file": st.fixed_dictionaries({}, optional={"file_data": URLS, "filename": TEXT}),
        "cache_control": JSON,
    },
)
IDS = st.sampled_from(["c1", "c2", "c3"])
GOOGLE = st.fixed_dictionaries(
    {"google": st.fixed_dictionaries({"thought_signature": st.sampled_from(["AAAA", "é", ""])})}
)
CALLS = st.fixed_dictionaries(
    {
        "id": IDS,
        "function": st.fixed_dictionaries(
            {"name": st.sampled_from(["a", "b"]), "arguments": st.sampled_from(["{}", "", '{"x":1}', "[]"])}
        ),
    },
    optional={"extra_content": GOOGLE},
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "user", "assistant", "assistant", "tool", "x"])},
    optional={
        "content": TEXT | st.lists(PARTS, max_size=3) | st.none(),
        "tool_calls": st.lists(CALLS, max_size=3),
        "tool_call_id": IDS,
        "name": TEXT,
        "extra_content": GOOGLE | JSON,
        "refusal": TEXT,
        "reasoning_content": TEXT,
    },
)
TOOLS = st.fixed_dictionaries(
    {
        "function": st.fixed_dictionaries(
            {"name": st.sampled_from(["a", "b"])}, optional={"parameters": st.dictionaries(TEXT, JSON, max_size=2)}
        )
    }
)
BODIES = st.fixed_dictionaries(
    {"model": st.just("m"), "messages": st.lists(MESSAGES, min_size=1, max_size=5)},
    optional={
        "tools": st.lists(TOOLS, max_size=2),
        "tool_choice": st.sampled_from(["auto", "none", "required", "x"]) | JSON,
        "stop": TEXT | st.lists(TEXT, max_size=7),
        "n": st.integers(0, 12),
        "seed": st.integers(),
        "top_k": JSON,
        "temperature": JSON,
        "logprobs": st.booleans(),
        "top_logprobs": st.integers(0, 30),
        "response_format": st.fixed_dictionaries(
            {"type": st.sampled_from(["text", "json_object", "json_schema", "x"])},
            optional={"json_schema": st.fixed_dictionaries({}, optional={"schema": JSON})},
        ),
        "reasoning_effort": st.sampled_from(["none", "low", "x"]),
        "extra_body": JSON,
        "presence_penalty": JSON,
        "max_tokens": st.integers(),
        "user": JSON,
        "something": JSON,
    },
)
RULES_OF_CONVERSATIONS = ("results must be those", "missing a thought_signature")
"""What only the API can refuse: the caller's conversation itself isn't one."""


@settings(max_examples=400, deadline=None)
@given(body=BODIES, model=st.sampled_from([MODEL, "gemini-2.5-pro", "gemini-2.0-flash"]))
def test_any_body_that_decodes_is_a_valid_request_or_the_caller_s_error(body: dict[str, Any], model: str) -> None:
    payload, status, trouble = b"", 400, ""
    try:
        decoded = CODEC.decode(json.dumps(body).encode())
        payload = encode_request(CODEC.to_chat(decoded.body).body, model=model).payload
    except RouterError as error:
        status = error.http_status
    assert 400 <= status < 500
    if payload:
        try:
            check(json.loads(payload), model)
        except ValueError as error:
            trouble = str(error)
    assert not trouble or any(rule in trouble for rule in RULES_OF_CONVERSATIONS)
