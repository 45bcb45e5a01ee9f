"""The Bedrock provider: translated both ways, judged by Amazon's own service model, signed, and over real HTTP on loopback."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config as BotoConfig
from botocore.session import Session
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter, ValidationError

from router.core.errors import (
    InvalidRequest,
    LocalityViolation,
    RouterError,
    UnsupportedFeature,
    UpstreamAuthFailed,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from router.core.ports import Clocks
from router.core.types import Cleared, Delta, Locality, Target, Usage
from router.providers import bedrock
from router.providers._aws import EventParser, Keys, signed
from router.selftest.dialects import bedrock as mock
from router.wire.outbound._bedrock_answer import AnswerStream, decode_answer
from router.wire.outbound._hub import Head
from router.wire.outbound.bedrock import encode_request
from tests.fakes.aws import Spec, Stream, signature_holds
from tests.fakes.hub_bodies import BODIES
from tests.fakes.scripted import Asked, Reply, Scripted, scripted

FIXTURES = Path(__file__).parent.parent / "fixtures" / "bedrock"
NAMES = ("text", "tools", "thinking")
SPEC, STREAM_SPEC = Spec("Converse"), Spec("ConverseStream")
MISTRAL = "mistral.mistral-large-2407-v1:0"
CLAUDE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
NEW_CLAUDE = "global.anthropic.claude-opus-4-7-v1:0"
NOVA = "us.amazon.nova-2-lite-v1:0"
GPT_OSS = "openai.gpt-oss-120b-1:0"
ARN = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc123"
MODELS = (MISTRAL, CLAUDE, NEW_CLAUDE, NOVA, GPT_OSS, ARN)
USER = {"role": "user", "content": "hi"}
TURN = {"role": "user", "content": [{"text": "hi"}]}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Says it.", "parameters": SCHEMA}}
WEATHER_SPEC = {"toolSpec": {"name": "weather", "description": "Says it.", "inputSchema": {"json": SCHEMA}}}
NAMED = {"type": "function", "function": {"name": "weather"}}
MARK = {"type": "ephemeral"}
POINT = {"cachePoint": {"type": "default"}}
PNG = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
PNG_BLOCK = {"image": {"format": "png", "source": {"bytes": "AAAA"}}}


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def call(call_id: str, arguments: str, name: str = "weather") -> dict[str, object]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def encoded(body: Mapping[str, object], model: str = MISTRAL) -> tuple[dict[str, Any], tuple[str, ...]]:
    full: Any = {"model": "group", "messages": [USER], **body}
    data, dropped = encode_request(full, model=model)
    request = json.loads(data)
    assert SPEC.problems(request, model) == ""
    return request, dropped


def turns(*messages: object, model: str = CLAUDE) -> list[dict[str, Any]]:
    return encoded({"messages": messages}, model)[0]["messages"]


# --- requests ---------------------------------------------------------------------------------------------------------


def inference(**fields: object) -> dict[str, object]:
    return {"inferenceConfig": fields}


def more(**fields: object) -> dict[str, object]:
    return {"additionalModelRequestFields": fields}


THINKS = {"type": "enabled", "budget_tokens": 2048}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "description": "A place.", "schema": SCHEMA}}
FIELDS: dict[str, tuple[str, dict[str, object], dict[str, object], tuple[str, ...]]] = {
    "nothing more": (MISTRAL, {}, {}, ()),
    "sampling": (
        MISTRAL,
        {"max_tokens": 5, "temperature": 0, "top_p": 0.5, "stop": ["END", ""]},
        inference(maxTokens=5, temperature=0, topP=0.5, stopSequences=["END"]),
        (),
    ),
    "temperature is clamped": (MISTRAL, {"temperature": 1.5}, inference(temperature=1.0), ()),
    "what has no place is named": (
        MISTRAL,
        {"seed": 1, "user": "u", "top_k": 3, "reasoning_effort": "low", "service_tier": "scale", "n": 1},
        {},
        ("reasoning_effort", "seed", "service_tier", "top_k", "user"),
    ),
    "a service tier": (MISTRAL, {"service_tier": "flex"}, {"serviceTier": {"type": "flex"}}, ()),
    "the tier of the house": (MISTRAL, {"service_tier": "auto"}, {}, ()),
    "JSON by a schema": (
        MISTRAL,
        {"response_format": FORMAT},
        {
            "outputConfig": {
                "textFormat": {
                    "type": "json_schema",
                    "structure": {
                        "jsonSchema": {
                            "name": "place",
                            "description": "A place.",
                            "schema": json.dumps(SCHEMA, separators=(",", ":")),
                        }
                    },
                }
            }
        },
        (),
    ),
    "Claude takes one of two": (CLAUDE, {"temperature": 0.2, "top_p": 0.9}, inference(temperature=0.2), ("top_p",)),
    "a default temperature gives way": (CLAUDE, {"temperature": 1, "top_p": 0.9}, inference(topP=0.9), ()),
    "Claude's top_k": (CLAUDE, {"top_k": 3}, more(top_k=3), ()),
    "Claude thinks by budget": (
        CLAUDE,
        {"reasoning_effort": "low"},
        {**inference(maxTokens=6144), **more(thinking=THINKS)},
        (),
    ),
    "a budget below the limit": (
        CLAUDE,
        {"reasoning_effort": "high", "max_tokens": 2049, "temperature": 0.5, "top_k": 3},
        {**inference(maxTokens=2049), **more(thinking=THINKS)},
        ("temperature", "top_k"),
    ),
    "no room to think": (
        CLAUDE,
        {"reasoning_effort": "low", "max_tokens": 1000},
        inference(maxTokens=1000),
        ("reasoning_effort",),
    ),
    "Claude's own thinking": (
        CLAUDE,
        {"thinking": THINKS, "reasoning_effort": "high"},
        {**inference(maxTokens=6144), **more(thinking=THINKS)},
        ("reasoning_effort",),
    ),
    "no thinking is the rule of old": (CLAUDE, {"reasoning_effort": "none"}, {}, ()),
    "new Claudes take an effort, and no sampling": (
        NEW_CLAUDE,
        {"reasoning_effort": "xhigh", "temperature": 0.2, "top_p": 0.9, "top_k": 3},
        {**more(thinking={"type": "adaptive"}), "outputConfig": {"effort": "xhigh"}},
        ("temperature", "top_k", "top_p"),
    ),
    "new Claudes are told not to think": (
        NEW_CLAUDE,
        {"reasoning_effort": "none", "temperature": 1},
        more(thinking={"type": "disabled"}),
        (),
    ),
    "Nova's effort": (
        NOVA,
        {"reasoning_effort": "low", "top_k": 5, "max_tokens": 9},
        {
            **inference(maxTokens=9),
            **more(inferenceConfig={"topK": 5}, reasoningConfig={"type": "enabled", "maxReasoningEffort": "low"}),
        },
        (),
    ),
    "Nova's highest effort wants nothing beside it": (
        NOVA,
        {"reasoning_effort": "high", "temperature": 0.5, "top_k": 5},
        more(reasoningConfig={"type": "enabled", "maxReasoningEffort": "high"}),
        ("temperature", "top_k"),
    ),
    "a limit keeps Nova from its highest effort": (
        NOVA,
        {"reasoning_effort": "high", "max_tokens": 9},
        {**inference(maxTokens=9), **more(reasoningConfig={"type": "enabled", "maxReasoningEffort": "medium"})},
        ("reasoning_effort",),
    ),
    "gpt-oss's effort": (GPT_OSS, {"reasoning_effort": "low"}, more(reasoning_effort="low"), ()),
}


@pytest.mark.parametrize(("model", "body", "expected", "dropped"), FIELDS.values(), ids=FIELDS)
def test_a_field_is_translated(
    model: str, body: dict[str, object], expected: dict[str, object], dropped: tuple[str, ...]
) -> None:
    assert encoded(body, model) == ({"messages": [TURN], **expected}, dropped)


CHOICES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "not said": ({}, {"tools": [WEATHER_SPEC]}),
    "auto": ({"tool_choice": "auto"}, {"tools": [WEATHER_SPEC], "toolChoice": {"auto": {}}}),
    "required": ({"tool_choice": "required"}, {"tools": [WEATHER_SPEC], "toolChoice": {"any": {}}}),
    "named": ({"tool_choice": NAMED}, {"tools": [WEATHER_SPEC], "toolChoice": {"tool": {"name": "weather"}}}),
}


@pytest.mark.parametrize(("body", "expected"), CHOICES.values(), ids=CHOICES)
def test_tools_and_their_choice_are_translated(body: dict[str, object], expected: dict[str, object]) -> None:
    assert encoded({"tools": [WEATHER], **body})[0]["toolConfig"] == expected


def test_a_tool_keeps_its_strictness_and_its_cache_mark() -> None:
    tool = {**WEATHER, "function": {"name": "now", "strict": True}, "cache_control": {**MARK, "ttl": "1h"}}
    assert encoded({"tools": [tool]}, CLAUDE)[0]["toolConfig"]["tools"] == [
        {"toolSpec": {"name": "now", "inputSchema": {"json": {"type": "object"}}, "strict": True}},
        {"cachePoint": {"type": "default", "ttl": "1h"}},
    ]


CALLED = [
    USER,
    {"role": "assistant", "tool_calls": [call("c", "{}")]},
    {"role": "tool", "tool_call_id": "c", "content": "x"},
]


def test_no_tool_may_be_called_where_that_can_be_said() -> None:
    assert "toolConfig" not in encoded({"tools": [WEATHER], "tool_choice": "none"})[0]
    request, _ = encoded({"messages": CALLED, "tools": [WEATHER], "tool_choice": "none"}, CLAUDE)
    assert request["additionalModelRequestFields"] == {"tool_choice": {"type": "none"}}
    with pytest.raises(UnsupportedFeature):
        encoded({"messages": CALLED, "tools": [WEATHER], "tool_choice": "none"})


def test_a_conversation_with_calls_declares_their_tools_even_if_the_caller_does_not() -> None:
    assert encoded({"messages": CALLED})[0]["toolConfig"] == {
        "tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}]
    }


def test_claude_does_not_think_where_it_must_call_or_where_its_thoughts_are_missing() -> None:
    for body in ({"tool_choice": "required"}, {"messages": CALLED}):
        request, dropped = encoded({"tools": [WEATHER], "reasoning_effort": "low", **body}, CLAUDE)
        assert ("additionalModelRequestFields" in request, dropped) == (False, ("reasoning_effort",))


def test_system_texts_keep_their_cache_marks_and_leave_the_conversation() -> None:
    request, dropped = encoded(
        {
            "messages": [
                {"role": "system", "content": [{"type": "text", "text": "Be brief.", "cache_control": MARK}]},
                {**USER, "name": "Bo"},
                {"role": "developer", "content": "Be kind."},
            ]
        },
        CLAUDE,
    )
    assert request["system"] == [{"text": "Be brief."}, POINT, {"text": "Be kind."}]
    assert (request["messages"], dropped) == ([TURN], ("messages.name",))


def test_a_model_without_a_cache_gets_no_mark() -> None:
    parts = [{"type": "text", "text": "hi", "cache_control": MARK}]
    assert encoded({"messages": [{"role": "user", "content": parts}]}) == ({"messages": [TURN]}, ("cache_control",))


def test_neighbours_of_one_role_become_one_turn_and_blank_texts_none() -> None:
    assert turns(
        {"role": "user", "content": [PNG, {"type": "text", "text": "what?", "cache_control": MARK}]},
        {"role": "user", "content": "   "},
        USER,
        {
            "role": "assistant",
            "content": "Looking.",
            "tool_calls": [call("c1", '{"city": "Bonn"}'), call("functions.weather:0/ä", "", "now")],
        },
        {
            "role": "tool",
            "tool_call_id": "c1",
            "content": [PNG, {"type": "text", "text": "sun", "cache_control": MARK}],
        },
        {"role": "tool", "tool_call_id": "functions.weather:0/ä", "content": "broken", "is_error": True},
        {"role": "user", "content": "and now?"},
    ) == [
        {"role": "user", "content": [PNG_BLOCK, {"text": "what?"}, POINT, {"text": "hi"}]},
        {
            "role": "assistant",
            "content": [
                {"text": "Looking."},
                {"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Bonn"}}},
                {"toolUse": {"toolUseId": "functions.weather:0__", "name": "now", "input": {}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "c1", "content": [PNG_BLOCK, {"text": "sun"}]}},
                POINT,
                {
                    "toolResult": {
                        "toolUseId": "functions.weather:0__",
                        "content": [{"text": "broken"}],
                        "status": "error",
                    }
                },
                {"text": "and now?"},
            ],
        },
    ]


def test_long_ids_are_shortened_the_same_way_on_both_sides() -> None:
    long = "call_" + "x" * 90
    request = turns(
        USER,
        {"role": "assistant", "tool_calls": [call(long, "{}"), call(long + "y", "{}")]},
        {"role": "tool", "tool_call_id": long, "content": "sun"},
    )
    first, second = (block["toolUse"]["toolUseId"] for block in request[1]["content"])
    assert first == request[2]["content"][0]["toolResult"]["toolUseId"] != second
    assert len(first) <= 64


def test_numbers_in_arguments_are_sent_as_they_were_written() -> None:
    body: Any = {
        "messages": [USER, {"role": "assistant", "tool_calls": [call("c", '{"a": 1.0, "b": 12345678901234567890123}')]}]
    }
    assert b'{"a": 1.0, "b": 12345678901234567890123}' in encode_request(body, model=MISTRAL)[0]


def test_documents_get_names_that_bedrock_takes_and_that_differ() -> None:
    def file(name: str) -> dict[str, object]:
        return {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": name}}

    (turn,) = turns(
        {"role": "user", "content": [file("Ünïted  report_v2.pdf"), file("a.pdf"), file("a.pdf"), file("")]}
    )
    assert [block["document"]["name"] for block in turn["content"]] == ["n ted report v2", "a", "a (2)", "document"]


THINKING = {"type": "thinking", "thinking": "Two and two.", "signature": "EqMBsig=="}
REDACTED = {"type": "redacted_thinking", "data": "ErUB-opaque"}


def test_thinking_comes_back_untouched_over_the_turns() -> None:
    answer = json.loads(whole("thinking").payload)["choices"][0]["message"]
    assert answer["thinking_blocks"] == [THINKING, REDACTED]
    sent = turns(USER, answer, {"role": "user", "content": "sure?"})[1]["content"]
    assert sent == json.loads(fixture("thinking.json"))["output"]["message"]["content"]


def test_thinking_without_a_signature_goes_only_where_it_is_taken() -> None:
    thought = {"role": "assistant", "content": "4", "reasoning_content": "Hm."}
    body = {"messages": [USER, thought, USER]}
    assert encoded(body, GPT_OSS)[0]["messages"][1]["content"][0] == {
        "reasoningContent": {"reasoningText": {"text": "Hm."}}
    }
    request, dropped = encoded(body, CLAUDE)
    assert (request["messages"][1]["content"], dropped) == ([{"text": "4"}], ("messages.reasoning_content",))
    unsigned = {"role": "assistant", "content": "4", "thinking_blocks": [{"type": "thinking", "thinking": "Hm."}]}
    assert encoded({"messages": [USER, unsigned]}, CLAUDE)[1] == ("messages.thinking_blocks",)


def user(*parts: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def image(url: str) -> dict[str, object]:
    return user({"type": "image_url", "image_url": {"url": url}})


def file(**fields: object) -> dict[str, object]:
    return user({"type": "file", "file": fields})


IMAGE, FILE = "messages[0].content[0].image_url", "messages[0].content[0].file"
REFUSED: dict[str, tuple[dict[str, object], type[RouterError], str]] = {
    "several choices": ({"n": 2}, UnsupportedFeature, "n"),
    "logprobs": ({"logprobs": True}, UnsupportedFeature, "logprobs"),
    "JSON without a schema": ({"response_format": {"type": "json_object"}}, UnsupportedFeature, "response_format"),
    "a schema that is missing": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
        InvalidRequest,
        "response_format.json_schema.schema",
    ),
    "audio in": (user({"type": "input_audio", "input_audio": {}}), UnsupportedFeature, "messages[0].content[0]"),
    "functions of old": ({"functions": [{"name": "x"}]}, UnsupportedFeature, "functions"),
    "web search": ({"web_search_options": {}}, UnsupportedFeature, "web_search_options"),
    "an image to fetch": (image("https://example.com/a.png"), UnsupportedFeature, IMAGE),
    "an image over plain http": (image("http://example.com/a.png"), InvalidRequest, IMAGE),
    "an image of another type": (image("data:image/tiff;base64,AAAA"), InvalidRequest, IMAGE),
    "an image that isn't base64": (image("data:image/png;base64,A"), InvalidRequest, IMAGE),
    "an image without data": (image("data:image/png;base64,"), InvalidRequest, IMAGE),
    "a file by its id": (file(file_id="x"), UnsupportedFeature, FILE),
    "a file of another type": (file(file_data="data:video/mp4;base64,AAAA"), InvalidRequest, FILE),
    "a file of an assistant": (
        {"messages": [{"role": "assistant", "content": [{"type": "file", "file": {}}]}]},
        UnsupportedFeature,
        "messages[0].content[0]",
    ),
    "nothing but a system message": (
        {"messages": [{"role": "system", "content": "x"}]},
        UnsupportedFeature,
        "messages",
    ),
    "a function message of old": (
        {"messages": [{"role": "function", "content": "y"}]},
        UnsupportedFeature,
        "messages[0].role",
    ),
    "a tool's name that doesn't fit": (
        {"tools": [{"type": "function", "function": {"name": "a.b"}}]},
        UnsupportedFeature,
        "tools[0].function.name",
    ),
    "a custom tool": ({"tools": [{"type": "custom", "custom": {}}]}, UnsupportedFeature, "tools[0]"),
    "a result of no call": (
        {"messages": [{"role": "tool", "content": "x"}]},
        InvalidRequest,
        "messages[0].tool_call_id",
    ),
}


@pytest.mark.parametrize(("body", "kind", "param"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_translated_is_refused_by_name(
    body: dict[str, object], kind: type[RouterError], param: str
) -> None:
    with pytest.raises(kind) as caught:
        encoded(body)
    assert (type(caught.value), caught.value.param) == (kind, param)


def rich() -> dict[str, Any]:
    document = {"type": "file", "file": {"file_data": "data:text/csv;base64,YSxi", "filename": "x.csv"}}
    return {
        "model": "g",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [PNG, document, {"type": "text", "text": "so?", "cache_control": MARK}]},
            {
                "role": "assistant",
                "thinking_blocks": [THINKING, REDACTED],
                "tool_calls": [call("c1", '{"city": "Bonn"}')],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "sun", "is_error": True},
        ],
        "tools": [{**WEATHER, "cache_control": MARK}],
        "reasoning_effort": "low",
        "stop": "END",
        "response_format": FORMAT,
        "service_tier": "priority",
    }


@pytest.mark.parametrize("model", [CLAUDE, ARN])
@pytest.mark.parametrize(("spec", "action"), [(SPEC, "converse"), (STREAM_SPEC, "converse-stream")])
def test_a_rich_request_is_what_botocore_would_send(spec: Spec, action: str, model: str) -> None:
    body = json.loads(encode_request(rich(), model=model)[0])
    assert spec.problems(body, model) == ""
    path, sent = spec.serialized(body, model)
    assert sent == body
    assert path == f"/model/{bedrock.quote(model, safe='')}/{action}"
    body["messages"][0]["content"][0]["image"]["format"] = "bmp"
    assert spec.problems(body, model)  # the check itself can fail


@settings(max_examples=400, deadline=None)
@given(body=BODIES, model=st.sampled_from(MODELS))
def test_any_body_becomes_a_request_that_fits_or_a_refusal(body: dict[str, Any], model: str) -> None:
    refused = 0
    try:
        data, dropped = encode_request(body, model=model)
    except RouterError as error:
        refused = error.http_status
    if refused:
        assert 400 <= refused < 500
        return
    assert SPEC.problems(json.loads(data), model) == ""
    assert all(name.isascii() and "," not in name and " " not in name for name in dropped)


# --- answers ----------------------------------------------------------------------------------------------------------

HEAD = Head(id="chatcmpl-r", model="m", created_s=123)
USAGES = {
    "text": Usage(input_tokens=100, output_tokens=7, cached_input_tokens=85, cache_write_tokens=10),
    "tools": Usage(input_tokens=100, output_tokens=40),
    "thinking": Usage(input_tokens=50, output_tokens=60),
}
CALLS = [call("tooluse_01", '{"city":"Köln","days":1.0}'), call("tooluse_02", "{}", "now")]
FINISH = {"text": "stop", "tools": "tool_calls", "thinking": "stop"}


def whole(name: str) -> Delta:
    return decode_answer(fixture(f"{name}.json"), "aws", HEAD)


def events(name: str) -> list[tuple[str, dict[str, Any]]]:
    return [(kind, fields) for kind, fields in json.loads(fixture(f"{name}.events.json"))]


def frames(name: str) -> list[bytes]:
    return [mock.event(kind, fields) for kind, fields in events(name)]


def streamed(chunks: Iterable[bytes]) -> list[Delta]:
    parser, answer = EventParser("aws"), AnswerStream("aws", HEAD)
    return [
        delta
        for chunk in chunks
        for event in parser.feed(chunk)
        for delta in answer.feed(event.kind, event.name, event.payload)
    ]


def replay(sequence: Iterable[tuple[str, object]]) -> list[Delta]:
    return streamed(mock.event(kind, fields) for kind, fields in sequence)


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def fold(deltas: Iterable[Delta]) -> dict[str, Any]:
    """Put a stream's chunks together, as a client does."""
    message: dict[str, Any] = {}
    calls: list[dict[str, Any]] = []
    for delta in deltas:
        for choice in json.loads(delta.payload)["choices"]:
            for key, value in choice["delta"].items():
                if key != "tool_calls":
                    message[key] = message[key] + value if key in message else value
            for part in choice["delta"].get("tool_calls", ()):
                index = part.pop("index")
                if index == len(calls):
                    calls.append(part)
                else:
                    calls[index]["function"]["arguments"] += part["function"]["arguments"]
    return message | ({"tool_calls": calls} if calls else {})


def test_a_whole_answer_becomes_a_completion() -> None:
    assert json.loads(whole("text").payload) == {
        "id": "chatcmpl-r",
        "object": "chat.completion",
        "created": 123,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Guten Tag 👋"},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 7,
            "total_tokens": 107,
            "prompt_tokens_details": {"cached_tokens": 85, "cache_creation_tokens": 10},
        },
    }
    assert "prompt_tokens_details" not in json.loads(whole("tools").payload)["usage"]


def test_calls_and_citations_of_a_whole_answer_are_kept() -> None:
    assert json.loads(whole("tools").payload)["choices"][0]["message"] == {
        "role": "assistant",
        "content": "I'll look.",
        "tool_calls": CALLS,
    }
    answer = json.loads(fixture("text.json"))
    cited = {"content": [{"text": "Sunny."}], "citations": [{"title": "Report"}]}
    answer["output"]["message"]["content"] = [{"citationsContent": cited}]
    message = json.loads(decode_answer(json.dumps(answer).encode(), "aws", HEAD).payload)["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "Sunny.", "citations": [{"title": "Report"}]}


REASONS: dict[str, str | type[RouterError]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "something_new": "stop",
    "malformed_model_output": UpstreamProtocolError,
    "malformed_tool_use": UpstreamProtocolError,
}


@pytest.mark.parametrize(("reason", "expected"), REASONS.items())
def test_a_stop_reason_is_translated_or_an_error(reason: str, expected: str | type[RouterError]) -> None:
    answer = fixture("text.json").replace(b"end_turn", reason.encode())
    sequence = [(kind, {"stopReason": reason} if kind == "messageStop" else fields) for kind, fields in events("text")]
    if isinstance(expected, str):
        assert decode_answer(answer, "aws", HEAD).finish_reason == expected
        assert replay(sequence)[-2].finish_reason == expected
        return
    with pytest.raises(expected):
        decode_answer(answer, "aws", HEAD)
    with pytest.raises(expected):
        replay(sequence)


def test_every_stop_reason_of_the_service_model_has_its_row() -> None:
    assert set(SPEC.operation.output_shape.members["stopReason"].enum) <= set(REASONS)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_stream_cut_into_any_pieces_folds_into_the_whole_answer(name: str, data: st.DataObject) -> None:
    sent = b"".join(frames(name))
    deltas = streamed(pieces(sent, data.draw(st.lists(st.integers(0, len(sent)), max_size=40))))
    assert fold(deltas) == json.loads(whole(name).payload)["choices"][0]["message"]
    assert (deltas[-1].usage, deltas[-2].finish_reason) == (USAGES[name], FINISH[name])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_byte_of_a_stream_is_a_protocol_error(name: str, data: st.DataObject) -> None:
    sent = bytearray(b"".join(frames(name)))
    sent[data.draw(st.integers(0, len(sent) - 1))] ^= data.draw(st.integers(1, 255))
    parser, answer = EventParser("aws"), AnswerStream("aws", HEAD)
    failed = False
    try:
        for event in parser.feed(bytes(sent)):
            answer.feed(event.kind, event.name, event.payload)
    except UpstreamProtocolError:
        failed = True
    assert failed or not answer.finished


EXCEPTIONS: dict[str, type[RouterError]] = {
    "throttlingException": UpstreamRateLimited,
    "validationException": UpstreamRejected,
    "modelStreamErrorException": UpstreamUnavailable,
    "internalServerException": UpstreamUnavailable,
    "serviceUnavailableException": UpstreamUnavailable,
    "modelTimeoutException": UpstreamTimeout,
    "somethingNewException": UpstreamUnavailable,
}


@pytest.mark.parametrize(("name", "kind"), EXCEPTIONS.items())
def test_an_exception_within_a_stream_is_our_error(name: str, kind: type[RouterError]) -> None:
    failing = mock.frame({":exception-type": name, ":message-type": "exception"}, b'{"message": "SECRET"}')
    with pytest.raises(kind) as caught:
        streamed([*frames("text")[:2], failing])
    assert type(caught.value) is kind
    assert "SECRET" not in caught.value.message


def test_every_exception_of_the_service_model_has_its_row() -> None:
    members = STREAM_SPEC.operation.output_shape.members["stream"].members
    assert {name for name in members if name.endswith("Exception")} <= set(EXCEPTIONS)


def test_an_error_message_within_a_stream_is_our_error() -> None:
    failing = mock.frame({":error-code": "InternalFailure", ":message-type": "error"}, b"")
    with pytest.raises(UpstreamUnavailable):
        streamed([*frames("text")[:2], failing])


def test_a_call_that_ends_without_arguments_has_an_empty_object() -> None:
    assert fold(streamed(frames("tools")))["tool_calls"][1]["function"]["arguments"] == "{}"


def test_events_of_unknown_types_are_passed_over() -> None:
    sequence = events("text")
    news = [("somethingNew", {"x": 1}), ("contentBlockDelta", {"contentBlockIndex": 7, "delta": {"somethingNew": 1}})]
    assert replay([*sequence[:2], *news, *sequence[2:]]) == replay(sequence)


def test_nothing_is_yielded_before_the_first_piece_of_content() -> None:
    assert replay(events("text")[:1]) == []


DISORDER: dict[str, list[tuple[str, object]]] = {
    "content before the message": list(events("text")[1:]),
    "a piece of a call that never started": [
        events("tools")[0],
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": "x"}}}),
    ],
    "metadata without an end": [events("text")[0], events("text")[-1]],
    "an end without a reason": [events("text")[0], ("messageStop", {})],
    "a delta without one": [events("text")[0], ("contentBlockDelta", {"contentBlockIndex": 0})],
    "no object": [events("text")[0], ("contentBlockDelta", 3)],
    "a field of a wrong type": [events("text")[0], ("contentBlockDelta", {"delta": 3})],
}


@pytest.mark.parametrize("sequence", DISORDER.values(), ids=DISORDER)
def test_a_stream_out_of_order_is_a_protocol_error(sequence: list[tuple[str, object]]) -> None:
    with pytest.raises(UpstreamProtocolError):
        replay(sequence)


BROKEN = {
    "no JSON": b"<html>",
    "empty": b"",
    "cut": fixture("text.json")[:100],
    "an error": b'{"message":"no luck"}',
    "no reason": fixture("text.json").replace(b"stopReason", b"stop"),
    "invalid UTF-8": fixture("text.json").replace(b"Tag", b"\xff"),
}


@pytest.mark.parametrize("payload", BROKEN.values(), ids=BROKEN)
def test_a_whole_answer_that_is_none_is_a_protocol_error(payload: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        decode_answer(payload, "aws", HEAD)


@pytest.mark.parametrize("name", NAMES)
def test_payloads_fit_the_types_that_clients_read_them_with(name: str) -> None:
    complete = TypeAdapter(ChatCompletion).validate_json(whole(name).payload)
    chunks = [TypeAdapter(ChatCompletionChunk).validate_json(delta.payload) for delta in streamed(frames(name))]
    assert chunks[-1].usage == complete.usage


@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_answers_are_what_botocore_parses(name: str) -> None:
    parsed = SPEC.parsed(fixture(f"{name}.json"))
    assert parsed["usage"] == json.loads(fixture(f"{name}.json"))["usage"]
    stream = STREAM_SPEC.parsed(Stream(b"".join(frames(name))))["stream"]
    assert [next(iter(event)) for event in stream] == [kind for kind, _ in events(name)]


def test_the_self_tests_mock_speaks_as_botocore_expects() -> None:
    assert SPEC.parsed(mock.whole("m", "hi"))["output"]["message"]["content"] == [{"text": "hi"}]
    stream = STREAM_SPEC.parsed(Stream(b"".join(mock.events("m", "word by word"))))["stream"]
    said = [event["contentBlockDelta"]["delta"]["text"] for event in stream if "contentBlockDelta" in event]
    assert "".join(said) == "word by word"


def test_an_event_too_large_to_be_one_is_refused_before_it_is_read() -> None:
    huge = mock.frame({}, b"")[:0] + (1 << 30).to_bytes(4) + (0).to_bytes(4)
    with pytest.raises(UpstreamProtocolError):
        EventParser("aws").feed(huge + mock.crc32(huge).to_bytes(4))


# --- over HTTP --------------------------------------------------------------------------------------------------------

CLOCKS = Clocks(ttft_s=5, total_s=10)
REGION = "eu-central-1"
ID, SECRET_KEY, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "IQoJb3Jp/tok=="
FIXED: dict[str, object] = {"access_key_id": ID, "secret_access_key": SECRET_KEY, "session_token": TOKEN}
NOON = 1_440_938_160.0
"""2015-08-30T12:36:00Z, the time of AWS's own examples."""


@asynccontextmanager
async def serving(reply: Reply, **config: object) -> AsyncGenerator[tuple[Scripted, bedrock.Bedrock]]:
    async with scripted(lambda asked: reply) as server:
        rows = {"region": REGION, "base_url": f"{server.url}/prefix/", **(config or FIXED)}
        provider = bedrock.build(bedrock.Config.model_validate(rows), "aws", lambda: NOON)
        try:
            yield server, provider
        finally:
            await provider.aclose()


def stream_reply(*parts: bytes, hang: bool = False) -> Reply:
    return Reply(parts, content_type=bedrock.EVENT_STREAM, hang=hang)


def cleared(*, stream: bool = False, provider: str = "aws", model: str = MISTRAL, **body: object) -> Cleared:
    target = Target(group="g", deployment="aws/x", provider=provider, upstream_model=model, locality=Locality.ANY)
    full: Any = {"model": "g", "messages": [USER], **body}
    return Cleared(
        request_id="r",
        body=full,
        stream=stream,
        target=target,
        rule_id="default",
        ruleset="1",
        leaves=1,
        scanned_bytes=9,
    )


async def collect(provider: bedrock.Bedrock, permit: Cleared) -> list[Delta]:
    return [delta async for delta in provider.send(permit, CLOCKS)]


@pytest.mark.anyio
@pytest.mark.parametrize("model", [MISTRAL, ARN])
@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_sent_is_signed_as_aws_says(model: str, stream: bool) -> None:
    reply = stream_reply(*frames("text")) if stream else Reply([fixture("text.json")])
    async with serving(reply) as (server, provider):
        deltas = await collect(provider, cleared(stream=stream, model=model, user="u"))
    (asked,) = server.requests
    assert deltas[0].dropped == ("user",)
    assert asked.path == f"/prefix/model/{bedrock.quote(model, safe='')}/converse{'-stream' if stream else ''}"
    assert json.loads(asked.body) == {"messages": [TURN]}
    assert asked.headers["x-amz-date"] == "20150830T123600Z"
    assert asked.headers["x-amz-security-token"] == TOKEN
    assert signature_holds(asked, SECRET_KEY, region=REGION, service="bedrock")
    assert not signature_holds(asked, SECRET_KEY + "x", region=REGION, service="bedrock")
    tampered = Asked(asked.method, asked.path, asked.headers, asked.body + b" ")
    assert not signature_holds(tampered, SECRET_KEY, region=REGION, service="bedrock")


@pytest.mark.anyio
async def test_botocores_own_client_signs_and_reads_the_same() -> None:
    """The fake is no friend of ours alone: Amazon's client is content with it, and its signature is the same as ours."""

    def ask(url: str) -> tuple[dict[str, Any], list[str]]:
        client = Session().create_client(
            "bedrock-runtime",
            region_name=REGION,
            endpoint_url=url,
            aws_access_key_id=ID,
            aws_secret_access_key=SECRET_KEY,
            aws_session_token=TOKEN,
            config=BotoConfig(retries={"total_max_attempts": 1}),
        )
        try:
            answer = client.converse(modelId=ARN, messages=[{"role": "user", "content": [{"text": "hi"}]}])
            stream = client.converse_stream(modelId=ARN, messages=[{"role": "user", "content": [{"text": "hi"}]}])
            return answer, [next(iter(event)) for event in stream["stream"]]
        finally:
            client.close()

    def reply(asked: Asked) -> Reply:
        if asked.path.endswith("stream"):
            return stream_reply(*frames("tools"))
        return Reply([fixture("tools.json")], headers={"content-length": str(len(fixture("tools.json")))})

    async with scripted(reply) as server:
        answer, kinds = await asyncio.to_thread(ask, server.url)
    assert answer["output"]["message"]["content"][1]["toolUse"]["input"] == {"city": "Köln", "days": 1.0}
    assert kinds == [kind for kind, _ in events("tools")]
    for asked in server.requests:
        assert signature_holds(asked, SECRET_KEY, region=REGION, service="bedrock")
    theirs = server.requests[0]
    assert theirs.path == f"/model/{bedrock.quote(ARN, safe='')}/converse"
    stamp = bedrock_time(theirs.headers["x-amz-date"])
    keys = Keys(ID, SECRET_KEY, TOKEN)
    ours = signed(server.url + theirs.path, theirs.body, keys, region=REGION, service="bedrock", unix_s=stamp)
    mine = Asked("POST", theirs.path, {**theirs.headers, **ours}, theirs.body)
    assert signature_holds(mine, SECRET_KEY, region=REGION, service="bedrock")


def bedrock_time(stamp: str) -> float:
    from datetime import UTC, datetime

    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


@pytest.mark.anyio
async def test_an_api_key_is_sent_as_it_is_and_nothing_is_signed() -> None:
    async with serving(Reply([fixture("text.json")]), api_key="bedrock-api-key-1") as (server, provider):
        await collect(provider, cleared())
    assert server.requests[0].headers["authorization"] == "Bearer bedrock-api-key-1"
    assert "x-amz-date" not in server.requests[0].headers


@pytest.mark.anyio
async def test_a_stream_comes_back_over_http_and_ends_with_its_metadata() -> None:
    async with serving(stream_reply(*frames("tools"), hang=True)) as (_, provider):
        deltas = await asyncio.wait_for(collect(provider, cleared(stream=True, user="u")), 5)
    assert fold(deltas)["tool_calls"] == CALLS
    assert [delta.dropped for delta in deltas[:2]] == [("user",), ()]
    assert deltas[-1].usage == USAGES["tools"]


@pytest.mark.anyio
async def test_closing_the_generator_cancels_the_upstream() -> None:
    async with serving(stream_reply(*frames("text")[:2], hang=True)) as (server, provider):
        async with aclosing(provider.send(cleared(stream=True), CLOCKS)) as deltas:
            assert await asyncio.wait_for(anext(deltas), 5)
        await asyncio.wait_for(server.left.wait(), 5)


@pytest.mark.anyio
@pytest.mark.parametrize("name", NAMES)
async def test_a_stream_cut_at_any_event_or_byte_is_whole_or_an_error(name: str) -> None:
    data = b"".join(frames(name))
    boundaries = [sum(map(len, frames(name)[:count])) for count in range(len(frames(name)) + 1)]
    chance = random.Random(name)
    expected = json.loads(whole(name).payload)["choices"][0]["message"]
    for cut in [*boundaries, *(chance.randrange(len(data)) for _ in range(100))]:
        async with serving(stream_reply(data[:cut])) as (_, provider):
            if cut == len(data):
                assert fold(await collect(provider, cleared(stream=True))) == expected
            else:
                with pytest.raises(UpstreamProtocolError):
                    await collect(provider, cleared(stream=True))


@pytest.mark.anyio
async def test_a_stream_that_is_none_is_a_protocol_error() -> None:
    async with serving(Reply([fixture("text.json")])) as (_, provider):
        with pytest.raises(UpstreamProtocolError):
            await collect(provider, cleared(stream=True))


NAMED_ERRORS: list[tuple[int, str, type[RouterError]]] = [
    (400, "ValidationException", UpstreamRejected),
    (400, "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/", UpstreamRejected),
    (400, "ServiceQuotaExceededException", UpstreamRateLimited),
    (400, "ThrottlingException", UpstreamRateLimited),
    (429, "ThrottlingException", UpstreamRateLimited),
    (429, "ModelNotReadyException", UpstreamUnavailable),
    (403, "AccessDeniedException", UpstreamAuthFailed),
    (403, "ExpiredTokenException", UpstreamAuthFailed),
    (400, "ExpiredTokenException", UpstreamAuthFailed),
    (403, "UnrecognizedClientException", UpstreamAuthFailed),
    (403, "InvalidSignatureException", UpstreamAuthFailed),
    (400, "IncompleteSignatureException", UpstreamAuthFailed),
    (404, "ResourceNotFoundException", UpstreamUnavailable),
    (408, "ModelTimeoutException", UpstreamTimeout),
    (424, "ModelErrorException", UpstreamUnavailable),
    (500, "InternalServerException", UpstreamUnavailable),
    (503, "ServiceUnavailableException", UpstreamUnavailable),
    (424, "", UpstreamUnavailable),
    (400, "SomethingNewException", UpstreamRejected),
    (429, "", UpstreamRateLimited),
    (403, "", UpstreamAuthFailed),
    (500, "", UpstreamUnavailable),
]


@pytest.mark.anyio
@pytest.mark.parametrize("where", ["header", "body"])
@pytest.mark.parametrize(("status", "name", "kind"), NAMED_ERRORS)
async def test_an_error_is_told_by_its_name(where: str, status: int, name: str, kind: type[RouterError]) -> None:
    said = {"message": "SECRET", **({"__type": f"com.amazon#{name}"} if where == "body" and name else {})}
    headers = {"retry-after": "3", **({"x-amzn-errortype": name} if where == "header" and name else {})}
    async with serving(Reply([json.dumps(said).encode()], status=status, headers=headers)) as (_, provider):
        with pytest.raises(kind) as caught:
            await collect(provider, cleared(stream=True))
    assert type(caught.value) is kind
    assert "SECRET" not in caught.value.message
    if kind is UpstreamRateLimited:
        assert caught.value.retry_after_s == 3


def test_every_error_of_the_service_model_has_its_row() -> None:
    rows = {name for _, name, _ in NAMED_ERRORS}
    assert {shape.name for shape in SPEC.operation.error_shapes} <= rows


@pytest.mark.anyio
async def test_what_cannot_be_translated_or_is_not_cleared_is_never_sent() -> None:
    async with serving(Reply([fixture("text.json")])) as (server, provider):
        with pytest.raises(UnsupportedFeature):
            await collect(provider, cleared(n=2))
        with pytest.raises(LocalityViolation):
            await collect(provider, cleared(provider="other"))
    assert server.requests == []


# --- credentials ------------------------------------------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine on which AWS's chain finds nothing in files or in the environment."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "BOTO_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


@pytest.mark.anyio
async def test_the_chain_reads_the_environment_when_a_request_comes(bare: pytest.MonkeyPatch) -> None:
    async with serving(Reply([fixture("text.json")]), credentials="chain") as (server, provider):
        bare.setenv("AWS_ACCESS_KEY_ID", ID)
        bare.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        await collect(provider, cleared())
    assert signature_holds(server.requests[0], SECRET_KEY, region=REGION, service="bedrock")


@pytest.mark.anyio
async def test_a_chain_that_finds_nothing_says_so_and_sends_nothing(bare: pytest.MonkeyPatch) -> None:
    async with serving(Reply([fixture("text.json")]), credentials="chain") as (server, provider):
        with pytest.raises(UpstreamAuthFailed):
            await collect(provider, cleared())
    assert server.requests == []


@pytest.mark.anyio
async def test_the_chain_asks_a_metadata_service_for_the_first_request_and_no_sooner(bare: pytest.MonkeyPatch) -> None:
    def metadata(asked: Asked) -> Reply:
        until = {"Expiration": "2999-01-01T00:00:00Z", "Code": "Success"}
        keys = {"AccessKeyId": ID, "SecretAccessKey": SECRET_KEY, "Token": TOKEN, **until}
        body = json.dumps(keys).encode() if asked.path.endswith("/the-role") else b"the-role"
        return Reply([b"a-token" if asked.method == "PUT" else body])

    bare.delenv("AWS_EC2_METADATA_DISABLED")
    async with scripted(metadata) as machine:
        bare.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", machine.url)
        async with serving(Reply([fixture("text.json")]), credentials="chain") as (server, provider):
            assert machine.requests == []
            await asyncio.gather(*(collect(provider, cleared()) for _ in range(3)))
        assert len(machine.requests) == 3  # a token, a role, its keys: once for all requests
    for asked in server.requests:
        assert asked.headers["x-amz-security-token"] == TOKEN
        assert signature_holds(asked, SECRET_KEY, region=REGION, service="bedrock")


WAYS: dict[str, tuple[dict[str, object], bool]] = {
    "an API key": ({"api_key": "k"}, True),
    "a pair": ({"access_key_id": "a", "secret_access_key": "b"}, True),
    "the chain": ({"credentials": "chain"}, True),
    "nothing, but optional": ({"optional": True}, True),
    "nothing": ({}, False),
    "half a pair": ({"access_key_id": "a"}, False),
    "two ways": ({"api_key": "k", "credentials": "chain"}, False),
    "another chain": ({"credentials": "imds"}, False),
    "a region that is none": ({"api_key": "k", "region": "eu/central"}, False),
    "an unknown key": ({"api_key": "k", "profile": "x"}, False),
}


@pytest.mark.parametrize(("row", "good"), WAYS.values(), ids=WAYS)
def test_there_is_exactly_one_way_to_prove_who_calls(row: dict[str, object], good: bool) -> None:
    if good:
        config = bedrock.Config.model_validate({"region": REGION, **row})
        assert config.has_key is not ("optional" in row)
        return
    with pytest.raises(ValidationError):
        bedrock.Config.model_validate({"region": REGION, **row})


def test_without_botocore_the_start_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['botocore'] = None\n"
        "from router.providers import bedrock\n"
        "from router.core.errors import ConfigError\n"
        "try: bedrock.build(bedrock.Config(region='eu-central-1', api_key='k'), 'aws')\n"
        "except ConfigError as error: print(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'sona-router[bedrock]'" in done.stdout


def test_importing_the_provider_does_not_import_botocore() -> None:
    code = "import sys, router.providers.bedrock; print('botocore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_keys_show_nothing_of_themselves() -> None:
    assert SECRET_KEY not in repr(Keys(ID, SECRET_KEY, TOKEN))


def test_the_capabilities_are_what_the_translation_can_do() -> None:
    assert frozenset({"tools", "vision", "files", "json_schema"}) == bedrock.CAPABILITIES


def test_redacted_thinking_that_comes_in_pieces_is_put_together() -> None:
    halves = [base64.b64encode(part).decode() for part in (b"ErUB-", b"opaque")]
    sequence = [
        events("text")[0],
        *(
            ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"redactedContent": half}}})
            for half in halves
        ),
        ("contentBlockStop", {"contentBlockIndex": 0}),
    ]
    assert fold(replay(sequence))["thinking_blocks"] == [REDACTED]
