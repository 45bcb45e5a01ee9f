"""Chat requests as Amazon Bedrock's Converse is sent them, judged by Amazon's own service model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core.errors import (
    InvalidRequest,
    RouterError,
    UnsupportedFeature,
)
from router.providers import bedrock
from router.wire.outbound.bedrock import encode_request
from tests.fakes.aws import Spec
from tests.fakes.converse import (
    ARN,
    MISTRAL,
    REDACTED,
    THINKING,
    TURN,
    call,
    fixture,
    whole,
)
from tests.fakes.hub_bodies import BODIES

SPEC, STREAM_SPEC = Spec("Converse"), Spec("ConverseStream")
CLAUDE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
NEW_CLAUDE = "global.anthropic.claude-opus-4-7-v1:0"
NOVA = "us.amazon.nova-2-lite-v1:0"
GPT_OSS = "openai.gpt-oss-120b-1:0"
MODELS = (MISTRAL, CLAUDE, NEW_CLAUDE, NOVA, GPT_OSS, ARN)
USER = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Says it.", "parameters": SCHEMA}}
WEATHER_SPEC = {"toolSpec": {"name": "weather", "description": "Says it.", "inputSchema": {"json": SCHEMA}}}
NAMED = {"type": "function", "function": {"name": "weather"}}
MARK = {"type": "ephemeral"}
POINT = {"cachePoint": {"type": "default"}}
PNG = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
PNG_BLOCK = {"image": {"format": "png", "source": {"bytes": "AAAA"}}}


def encoded(body: Mapping[str, object], model: str = MISTRAL) -> tuple[dict[str, Any], tuple[str, ...]]:
    full: Any = {"model": "group", "messages": [USER], **body}
    data, dropped = encode_request(full, model=model)
    request = json.loads(data)
    assert SPEC.problems(request, model) == ""
    return request, dropped


def turns(*messages: object, model: str = CLAUDE) -> list[dict[str, Any]]:
    return encoded({"messages": messages}, model)[0]["messages"]


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
