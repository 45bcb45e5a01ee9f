"""Chat requests in Anthropic's dialect: what is translated, what is refused or left out by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from router.core.errors import (
    InvalidRequest,
    RouterError,
    UnsupportedFeature,
)
from router.wire.outbound.anthropic import (
    encode_request,
    translate_request,
)

USER = {"role": "user", "content": "hi"}
USER_TURN = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Says the weather.",
        "strict": True,
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
WEATHER_TOOL = {
    "name": "weather",
    "description": "Says the weather.",
    "input_schema": WEATHER["function"]["parameters"],  # type: ignore[index]
}


def call(call_id: str, arguments: str, name: str = "weather") -> dict[str, object]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def sent(body: Mapping[str, object], *, stream: bool = False) -> dict[str, Any]:
    """Translate a request with one user message, but for what `body` says otherwise."""
    full: Any = {"model": "group", "messages": [USER], **body}
    return json.loads(encode_request(full, model="claude-x", stream=stream, default_max_tokens=4096))


def conversation(*messages: object) -> list[dict[str, Any]]:
    return sent({"messages": messages})["messages"]


# --- requests ---------------------------------------------------------------------------------------------------------


def test_a_plain_request_gets_the_upstream_model_and_the_default_limit() -> None:
    assert sent({}) == {"model": "claude-x", "max_tokens": 4096, "messages": [USER_TURN]}


def test_a_streamed_request_asks_for_a_stream() -> None:
    assert sent({}, stream=True)["stream"] is True


FIELDS: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "max_tokens is kept": ({"max_tokens": 5}, {"max_tokens": 5}),
    "max_completion_tokens wins": ({"max_tokens": 5, "max_completion_tokens": 6}, {"max_tokens": 6}),
    "temperature is kept": ({"temperature": 0.2}, {"temperature": 0.2}),
    "temperature zero is kept": ({"temperature": 0}, {"temperature": 0}),
    "temperature is clamped": ({"temperature": 1.7}, {"temperature": 1}),
    "top_p is kept": ({"top_p": 0.9}, {"top_p": 0.9}),
    "temperature wins over top_p": ({"temperature": 0.2, "top_p": 0.9}, {"temperature": 0.2}),
    "top_p wins over a default temperature": ({"temperature": 1, "top_p": 0.9}, {"top_p": 0.9}),
    "a default top_p is left out": ({"temperature": 1, "top_p": 1}, {"temperature": 1}),
    "one stop word becomes a list": ({"stop": "END"}, {"stop_sequences": ["END"]}),
    "stop words are kept": ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
    "no stop word is none": ({"stop": None}, {}),
    "user becomes metadata": ({"user": "u-1"}, {"metadata": {"user_id": "u-1"}}),
    "tuning knobs are dropped": ({"seed": 1, "frequency_penalty": 1, "logit_bias": {}, "store": True}, {}),
    "stream options are dropped": ({"stream": False, "stream_options": {"include_usage": True}}, {}),
    "harmless values of features pass": (
        {"n": 1, "logprobs": False, "top_logprobs": 0, "response_format": {"type": "text"}, "modalities": ["text"]},
        {},
    ),
    "an empty list of tools is none": ({"tools": [], "tool_choice": "auto"}, {}),
    "a tool choice without tools is dropped": ({"tool_choice": "none"}, {}),
}


@pytest.mark.parametrize(("body", "expected"), FIELDS.values(), ids=FIELDS)
def test_a_field_is_translated(body: dict[str, object], expected: dict[str, object]) -> None:
    plain = {"model": "claude-x", "max_tokens": 4096, "messages": [USER_TURN]}
    assert sent(body) == {**plain, **expected}


NAMED = {"type": "function", "function": {"name": "weather"}}
CHOICES: dict[str, tuple[dict[str, object], dict[str, object] | None]] = {
    "not said": ({}, None),
    "parallel calls allowed": ({"parallel_tool_calls": True}, None),
    "auto": ({"tool_choice": "auto"}, {"type": "auto"}),
    "none": ({"tool_choice": "none"}, {"type": "none"}),
    "required": ({"tool_choice": "required"}, {"type": "any"}),
    "named": ({"tool_choice": NAMED}, {"type": "tool", "name": "weather"}),
    "one at a time": ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
    "required, one at a time": (
        {"tool_choice": "required", "parallel_tool_calls": False},
        {"type": "any", "disable_parallel_tool_use": True},
    ),
    "named, one at a time": (
        {"tool_choice": NAMED, "parallel_tool_calls": False},
        {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
    ),
    "none, one at a time": ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
}


@pytest.mark.parametrize(("body", "expected"), CHOICES.values(), ids=CHOICES)
def test_tools_and_their_choice_are_translated(body: dict[str, object], expected: dict[str, object] | None) -> None:
    request = sent({"tools": [WEATHER], **body})
    assert request["tools"] == [WEATHER_TOOL]
    assert request.get("tool_choice") == expected


@pytest.mark.parametrize("function", [{"name": "now"}, {"name": "now", "parameters": {}}])
def test_a_tool_without_parameters_gets_an_empty_schema(function: dict[str, object]) -> None:
    request = sent({"tools": [{"type": "function", "function": function}]})
    assert request["tools"] == [{"name": "now", "input_schema": {"type": "object"}}]


def test_system_and_developer_messages_become_the_system_prompt_wherever_they_stand() -> None:
    request = sent(
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                USER,
                {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            ]
        }
    )
    assert request["system"] == [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]
    assert request["messages"] == [USER_TURN]


def test_parts_of_a_user_message_keep_their_order_and_their_cache_marks() -> None:
    mark = {"type": "ephemeral"}
    parts = [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}},
        {"type": "text", "text": "what is it?", "cache_control": mark},
        {"type": "image_url", "image_url": {"url": "data:image/JPG;base64,/9j/4AAQ"}},
        {"type": "text", "text": ""},
    ]
    assert conversation({"role": "user", "content": parts})[0]["content"] == [
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "text", "text": "what is it?", "cache_control": mark},
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQ"}},
    ]


def test_tool_calls_and_their_results_become_one_turn_each() -> None:
    turns = conversation(
        USER,
        {"role": "assistant", "content": "Looking.", "tool_calls": [call("c1", '{"city": "Bonn"}'), call("c2", "")]},
        {"role": "tool", "tool_call_id": "c1", "content": "sun"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "rain"}]},
        {"role": "user", "content": "and now?"},
    )
    assert turns == [
        USER_TURN,
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Bonn"}},
                {"type": "tool_use", "id": "c2", "name": "weather", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "sun"}]},
                {"type": "tool_result", "tool_use_id": "c2", "content": [{"type": "text", "text": "rain"}]},
                {"type": "text", "text": "and now?"},
            ],
        },
    ]


def test_an_assistant_message_of_calls_alone_has_no_empty_text() -> None:
    turns = conversation(USER, {"role": "assistant", "content": "", "tool_calls": [call("c", "{}")]})
    assert [block["type"] for block in turns[1]["content"]] == ["tool_use"]


def test_an_empty_tool_result_has_no_content() -> None:
    turns = conversation(USER, {"role": "tool", "tool_call_id": "c", "content": ""})
    assert turns[0]["content"][1] == {"type": "tool_result", "tool_use_id": "c"}


def test_ids_of_another_vendors_calls_are_made_to_fit_on_both_sides() -> None:
    turns = conversation(
        USER,
        {"role": "assistant", "tool_calls": [call("functions.weather:0", "{}")]},
        {"role": "tool", "tool_call_id": "functions.weather:0", "content": "sun"},
    )
    assert turns[1]["content"][0]["id"] == turns[2]["content"][0]["tool_use_id"] == "functions_weather_0"


def test_numbers_in_arguments_are_sent_as_they_were_written() -> None:
    body: Any = {
        "messages": [USER, {"role": "assistant", "tool_calls": [call("c", '{"a": 1.0, "b": 12345678901234567890123}')]}]
    }
    data = encode_request(body, model="m", stream=False, default_max_tokens=1)
    assert b'{"a": 1.0, "b": 12345678901234567890123}' in data


def user(*parts: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def assistant(*calls: object) -> dict[str, object]:
    return {"messages": [USER, {"role": "assistant", "tool_calls": list(calls)}]}


def image(url: str) -> dict[str, object]:
    return user({"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": url}})


ARGUMENTS = "messages[1].tool_calls[0].function.arguments"
IMAGE = "messages[0].content[1].image_url"
REFUSED: dict[str, tuple[dict[str, object], type[RouterError], str]] = {
    "several choices": ({"n": 2}, UnsupportedFeature, "n"),
    "a format by a schema that isn't there": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
        UnsupportedFeature,
        "response_format",
    ),
    "a file that is neither a PDF nor text": (
        user({"type": "file", "file": {"file_data": "data:application/zip;base64,UEsDBA=="}}),
        InvalidRequest,
        "messages[0].content[0].file.file_data",
    ),
    "a thinking block that is none": (
        {"messages": [USER, {"role": "assistant", "thinking_blocks": [{"type": "text", "text": "x"}]}]},
        InvalidRequest,
        "messages[1].thinking_blocks[0].type",
    ),
    "json mode": ({"response_format": {"type": "json_object"}}, UnsupportedFeature, "response_format"),
    "logprobs": ({"logprobs": True}, UnsupportedFeature, "logprobs"),
    "top logprobs": ({"top_logprobs": 3}, UnsupportedFeature, "top_logprobs"),
    "audio out": ({"audio": {"voice": "x"}}, UnsupportedFeature, "audio"),
    "audio among the modalities": ({"modalities": ["text", "audio"]}, UnsupportedFeature, "modalities"),
    "audio in": (user({"type": "input_audio", "input_audio": {}}), UnsupportedFeature, "messages[0].content[0]"),
    "a file": (user({"type": "file", "file": {}}), UnsupportedFeature, "messages[0].content[0]"),
    "an image of the system": (
        {"messages": [USER, {"role": "system", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]}]},
        UnsupportedFeature,
        "messages[1].content[0]",
    ),
    "functions of old": ({"functions": [{"name": "x"}]}, UnsupportedFeature, "functions"),
    "web search": ({"web_search_options": {}}, UnsupportedFeature, "web_search_options"),
    "a function message of old": (
        {"messages": [{"role": "function", "name": "x", "content": "y"}]},
        UnsupportedFeature,
        "messages[0].role",
    ),
    "a custom tool": ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, UnsupportedFeature, "tools[0]"),
    "a call of a custom tool": (
        assistant({"id": "c", "type": "custom", "custom": {"name": "x", "input": "y"}}),
        UnsupportedFeature,
        "messages[1].tool_calls[0]",
    ),
    "a choice among some tools": (
        {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "allowed_tools": {}}},
        UnsupportedFeature,
        "tool_choice",
    ),
    "an unknown tool choice": ({"tools": [WEATHER], "tool_choice": "maybe"}, InvalidRequest, "tool_choice"),
    "nothing but a system message": (
        {"messages": [{"role": "system", "content": "x"}]},
        UnsupportedFeature,
        "messages",
    ),
    "arguments that aren't JSON": (assistant(call("c", '{"a": ')), InvalidRequest, ARGUMENTS),
    "arguments that aren't an object": (assistant(call("c", "[1]")), InvalidRequest, ARGUMENTS),
    "arguments nested too deeply": (assistant(call("c", '{"a":' * 9_999)), InvalidRequest, ARGUMENTS),
    "a call without an id": (
        assistant({"type": "function", "function": {"name": "x", "arguments": "{}"}}),
        InvalidRequest,
        "messages[1].tool_calls[0]",
    ),
    "a result of no call": (
        {"messages": [{"role": "tool", "content": "x"}]},
        InvalidRequest,
        "messages[0].tool_call_id",
    ),
    "an image over plain http": (image("http://example.com/a.png"), InvalidRequest, IMAGE),
    "an image that isn't base64": (image("data:image/png,abc"), InvalidRequest, IMAGE),
    "an image of another type": (image("data:image/tiff;base64,AAAA"), InvalidRequest, IMAGE),
    "an image without data": (image("data:image/png;base64,"), InvalidRequest, IMAGE),
    "an image part without an image": (user({"type": "image_url"}), InvalidRequest, "messages[0].content[0].image_url"),
    "content of a wrong type": ({"messages": [{"role": "user", "content": 3}]}, InvalidRequest, "messages[0].content"),
}


@pytest.mark.parametrize(("body", "kind", "param"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_translated_is_refused_by_name(
    body: dict[str, object], kind: type[RouterError], param: str
) -> None:
    with pytest.raises(kind) as caught:
        sent(body)
    assert type(caught.value) is kind
    assert caught.value.param == param


def test_a_refusal_never_repeats_what_the_caller_wrote() -> None:
    for body, kind, _ in [
        (assistant(call("c", "SECRET")), InvalidRequest, ""),
        (image("ftp://SECRET"), InvalidRequest, ""),
        ({"messages": [{"role": "SECRET", "content": "x"}]}, UnsupportedFeature, ""),
        (user({"type": "SECRET"}), UnsupportedFeature, ""),
    ]:
        with pytest.raises(kind) as caught:
            sent(body)
        assert "SECRET" not in caught.value.message


DROPPED: dict[str, tuple[dict[str, object], tuple[str, ...]]] = {
    "knobs": ({"seed": 1, "presence_penalty": 1, "logit_bias": {}}, ("seed", "presence_penalty", "logit_bias")),
    "nothing": ({"seed": None, "stream_options": {"include_usage": True}, "temperature": 0.3, "user": "u"}, ()),
    "a field that nobody knows": ({"my name is Ann": 1}, ("unknown",)),
    "one of two": ({"temperature": 0.2, "top_p": 0.9}, ("top_p",)),
    "a temperature above the highest": ({"temperature": 1.7}, ("temperature",)),
    "defaults": ({"temperature": 1, "top_p": 1}, ()),
    "how a picture is seen": (
        user({"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "high"}}),
        ("image_url.detail",),
    ),
    "a name and thoughts without a signature": (
        {"messages": [{**USER, "name": "Ann"}, {"role": "assistant", "content": "x", "reasoning_content": "Hm"}]},
        ("messages.name", "messages.reasoning_content"),
    ),
    "a strict tool": ({"tools": [WEATHER]}, ("tools.strict",)),
    "an effort that the model doesn't take": ({"reasoning_effort": "high"}, ("reasoning_effort",)),
    "no effort": ({"reasoning_effort": "none"}, ()),
}


@pytest.mark.parametrize(("body", "names"), DROPPED.values(), ids=DROPPED)
def test_what_is_left_out_is_named(body: dict[str, object], names: tuple[str, ...]) -> None:
    full: Any = {"model": "group", "messages": [USER], **body}
    assert translate_request(full, model="claude-x", stream=False, default_max_tokens=9).dropped == names


TOOL_TURN = [
    USER,
    {"role": "assistant", "tool_calls": [call("c", "{}")]},
    {"role": "tool", "tool_call_id": "c", "content": "x"},
]
EFFORTS: dict[str, tuple[str, dict[str, object], dict[str, object]]] = {
    "a budget": (
        "claude-sonnet-4-5-20250929",
        {"reasoning_effort": "medium"},
        {"thinking": {"type": "enabled", "budget_tokens": 8192}, "max_tokens": 8192 + 4096},
    ),
    "a budget within the limit": (
        "claude-3-7-sonnet-20250219",
        {"reasoning_effort": "high", "max_tokens": 6000, "temperature": 0.2},
        {"thinking": {"type": "enabled", "budget_tokens": 3000}, "max_tokens": 6000},
    ),
    "a limit too small": ("claude-sonnet-4-5", {"reasoning_effort": "low", "max_tokens": 1000}, {"max_tokens": 1000}),
    "an effort": (
        "claude-opus-4-7",
        {"reasoning_effort": "xhigh"},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}, "max_tokens": 4096},
    ),
    "an effort of an earlier model": (
        "anthropic.claude-opus-4-6-v1:0",
        {"reasoning_effort": "minimal"},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}, "max_tokens": 4096},
    ),
    "a later model": (
        "claude-sonnet-5",
        {"reasoning_effort": "high", "response_format": {"type": "json_schema", "json_schema": {"schema": {"a": 1}}}},
        {
            "thinking": {"type": "adaptive"},
            "output_config": {"format": {"type": "json_schema", "schema": {"a": 1}}, "effort": "high"},
            "max_tokens": 4096,
        },
    ),
    "a model that doesn't think": ("claude-3-5-haiku-20241022", {"reasoning_effort": "high"}, {"max_tokens": 4096}),
    "a tool that must be called": (
        "claude-sonnet-4-5",
        {"reasoning_effort": "high", "tools": [WEATHER], "tool_choice": "required"},
        {"max_tokens": 4096},
    ),
    "calls without their thinking": (
        "claude-sonnet-4-5",
        {"reasoning_effort": "high", "messages": TOOL_TURN},
        {"max_tokens": 4096},
    ),
}


@pytest.mark.parametrize(("model", "body", "expected"), EFFORTS.values(), ids=EFFORTS)
def test_an_effort_is_translated_as_the_model_takes_it(
    model: str, body: dict[str, object], expected: dict[str, object]
) -> None:
    full: Any = {"model": "group", "messages": [USER], **body}
    payload, dropped = translate_request(full, model=model, stream=False, default_max_tokens=4096)
    request = json.loads(payload)
    assert {
        name: request[name] for name in ("thinking", "output_config", "max_tokens", "temperature") if name in request
    } == expected
    assert ("reasoning_effort" in dropped) is ("thinking" not in expected)
    params = pytest.importorskip("anthropic.types.message_create_params", reason="the vendor's SDK isn't installed")
    adapter = TypeAdapter(params.MessageCreateParamsNonStreaming)
    drain(adapter.validate_python(request))


def test_a_schema_for_the_answer_and_files_are_translated() -> None:
    schema = {"type": "object", "properties": {}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    assert sent({"response_format": wanted})["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
    files = user(
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
        {"type": "file", "file": {"file_data": "data:text/plain;charset=utf-8;base64,aGVsbG8="}},
    )
    assert sent(files)["messages"][0]["content"] == [
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            "title": "a.pdf",
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hello"}},
    ]


def test_thinking_goes_back_first_and_untouched_and_a_result_s_mark_is_the_block_s() -> None:
    thoughts = [{"type": "thinking", "thinking": "Hm", "signature": "EqQB"}, {"type": "redacted_thinking", "data": "x"}]
    mark = {"type": "ephemeral"}
    result = [{"type": "text", "text": "sun", "cache_control": mark}]
    turns = conversation(
        USER,
        {"role": "assistant", "content": "Ok", "thinking_blocks": thoughts, "tool_calls": [call("c", "{}")]},
        {"role": "tool", "tool_call_id": "c", "content": result},
    )
    assert turns[1]["content"][:3] == [*thoughts, {"type": "text", "text": "Ok"}]
    assert turns[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "sun"}], "cache_control": mark}
    ]


def drain(value: object) -> None:
    """Walk what the SDK's types check only when it is read."""
    if isinstance(value, Mapping):
        for item in value.values():
            drain(item)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for item in value:
            drain(item)


def rich_request() -> dict[str, Any]:
    return sent(
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                *image("data:image/png;base64,AAAA")["messages"],  # type: ignore[misc]
                *image("https://example.com/a.png")["messages"],  # type: ignore[misc]
                {"role": "assistant", "content": "ok", "tool_calls": [call("c1", '{"city": "Bonn"}')]},
                {"role": "tool", "tool_call_id": "c1", "content": "sun"},
            ],
            "tools": [{**WEATHER, "cache_control": {"type": "ephemeral"}}],
            "tool_choice": "required",
            "parallel_tool_calls": False,
            "stop": ["END"],
            "user": "u-1",
        },
        stream=True,
    )


def test_a_request_fits_the_vendors_own_types() -> None:
    params = pytest.importorskip("anthropic.types.message_create_params", reason="the vendor's SDK isn't installed")
    adapter = TypeAdapter(params.MessageCreateParamsStreaming)
    request = rich_request()
    drain(adapter.validate_python(request))
    assert set(request) <= set(params.MessageCreateParamsStreaming.__annotations__)
    request["messages"][0]["content"][0]["type"] = "bogus"
    with pytest.raises(ValidationError):  # the check itself can fail
        drain(adapter.validate_python(request))
