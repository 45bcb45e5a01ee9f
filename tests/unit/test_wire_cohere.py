"""Cohere's v2 chat, translated both ways and judged by Cohere's own SDK."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from typing import Any, get_type_hints

import cohere
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter, ValidationError

from router.core.errors import (
    InvalidRequest,
    RouterError,
    UnsupportedFeature,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from router.core.types import Delta
from router.wire import sse
from router.wire.outbound.cohere import AnswerStream, decode_answer, encode_request
from tests.fakes.command import CALLS, FINISH, NAMES, PLAIN, USAGES, USER, call, events, fixture, whole
from tests.fakes.folding import fold, pieces
from tests.fakes.hub_bodies import BODIES

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Says it.", "parameters": SCHEMA}}
NOW = {"type": "function", "function": {"name": "now"}}
NOW_SENT = {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}
NAMED = {"type": "function", "function": {"name": "weather"}}


def encoded(body: Mapping[str, object], *, stream: bool = False) -> tuple[dict[str, Any], tuple[str, ...]]:
    full: Any = {"model": "group", "messages": [USER], **body}
    data, dropped = encode_request(full, model="command-x", stream=stream)
    return json.loads(data), dropped


def conversation(*messages: object) -> list[dict[str, Any]]:
    return encoded({"messages": messages})[0]["messages"]


# --- requests ---------------------------------------------------------------------------------------------------------

FIELDS: dict[str, tuple[dict[str, object], dict[str, object], tuple[str, ...]]] = {
    "nothing more": ({}, {}, ()),
    "max_tokens is kept": ({"max_tokens": 5}, {"max_tokens": 5}, ()),
    "max_completion_tokens wins": ({"max_tokens": 5, "max_completion_tokens": 6}, {"max_tokens": 6}, ()),
    "temperature is kept": ({"temperature": 0}, {"temperature": 0}, ()),
    "top_p is p": ({"top_p": 0.5}, {"p": 0.5}, ()),
    "no nucleus is the largest p": ({"top_p": 1}, {"p": 0.99}, ()),
    "the smallest p": ({"top_p": 0}, {"p": 0.01}, ()),
    "top_k is k": ({"top_k": 40}, {"k": 40}, ()),
    "k is bounded": ({"top_k": 9000}, {"k": 500}, ()),
    "seed is kept": ({"seed": 7}, {"seed": 7}, ()),
    "a seed below zero is dropped": ({"seed": -1}, {}, ("seed",)),
    "a seed of 70 bits is dropped": ({"seed": 2**70}, {}, ("seed",)),
    "penalties are bounded": (
        {"frequency_penalty": 1.5, "presence_penalty": 0.5},
        {"frequency_penalty": 1.0, "presence_penalty": 0.5},
        (),
    ),
    "rewards for repetition are dropped": (
        {"frequency_penalty": -1, "presence_penalty": -0.1},
        {},
        ("frequency_penalty", "presence_penalty"),
    ),
    "one stop word becomes a list": ({"stop": "END"}, {"stop_sequences": ["END"]}, ()),
    "empty stop words are none": ({"stop": [""]}, {}, ()),
    "logprobs": ({"logprobs": True}, {"logprobs": True}, ()),
    "effort none": ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}, ()),
    "effort low": ({"reasoning_effort": "low"}, {"thinking": {"type": "enabled", "token_budget": 1024}}, ()),
    "effort within a limit": (
        {"reasoning_effort": "high", "max_tokens": 400},
        {"thinking": {"type": "enabled", "token_budget": 300}, "max_tokens": 400},
        (),
    ),
    "an unknown effort is dropped": ({"reasoning_effort": "cosmic"}, {}, ("reasoning_effort",)),
    "thinking by budget": (
        {"thinking": {"type": "enabled", "budget_tokens": 77}},
        {"thinking": {"type": "enabled", "token_budget": 77}},
        (),
    ),
    "thinking off": ({"thinking": {"type": "disabled"}}, {"thinking": {"type": "disabled"}}, ()),
    "Cohere's own fields": (
        {"documents": ["a", {"id": "1", "data": {"text": "b"}}], "citation_options": {"mode": "FAST"}, "priority": 3},
        {"documents": ["a", {"id": "1", "data": {"text": "b"}}], "citation_options": {"mode": "FAST"}, "priority": 3},
        (),
    ),
    "what has no place is named": (
        {"user": "u", "logit_bias": {"1": 2}, "parallel_tool_calls": False, "service_tier": "flex", "x y": 1},
        {},
        ("logit_bias", "other", "parallel_tool_calls", "service_tier", "user"),
    ),
    "parallel calls are the rule": ({"parallel_tool_calls": True}, {}, ()),
    "harmless values of features pass": (
        {"n": 1, "logprobs": False, "top_logprobs": 0, "response_format": {"type": "text"}, "modalities": ["text"]},
        {},
        (),
    ),
    "JSON": ({"response_format": {"type": "json_object"}}, {"response_format": {"type": "json_object"}}, ()),
    "JSON by a schema": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": SCHEMA}}},
        {"response_format": {"type": "json_object", "json_schema": SCHEMA}},
        (),
    ),
    "JSON by a schema beside its type": (
        {"response_format": {"type": "json_object", "schema": SCHEMA}},
        {"response_format": {"type": "json_object", "json_schema": SCHEMA}},
        (),
    ),
}


@pytest.mark.parametrize(("body", "expected", "dropped"), FIELDS.values(), ids=FIELDS)
def test_a_field_is_translated(body: dict[str, object], expected: dict[str, object], dropped: tuple[str, ...]) -> None:
    request, named = encoded(body)
    assert request == {**PLAIN, **expected}
    assert named == dropped


def test_no_caller_makes_a_header_of_any_length_or_shape() -> None:
    _, dropped = encoded({f"knob{number:03}": 1 for number in range(500)} | {"a\r\nset-cookie: b": 1})
    assert len(dropped) == 33 - 1
    assert "other" in dropped


CHOICES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "not said": ({}, {"tools": [WEATHER, NOW_SENT]}),
    "auto": ({"tool_choice": "auto"}, {"tools": [WEATHER, NOW_SENT]}),
    "none": ({"tool_choice": "none"}, {"tools": [WEATHER, NOW_SENT], "tool_choice": "NONE"}),
    "required": ({"tool_choice": "required"}, {"tools": [WEATHER, NOW_SENT], "tool_choice": "REQUIRED"}),
    "named": ({"tool_choice": NAMED}, {"tools": [WEATHER], "tool_choice": "REQUIRED"}),
}


@pytest.mark.parametrize(("body", "expected"), CHOICES.values(), ids=CHOICES)
def test_tools_and_their_choice_are_translated(body: dict[str, object], expected: dict[str, object]) -> None:
    assert encoded({"tools": [WEATHER, NOW], **body})[0] == {**PLAIN, **expected}


def test_strict_tools_are_strict_together_or_not_at_all() -> None:
    strict = {"type": "function", "function": {**WEATHER["function"], "strict": True}}  # type: ignore[dict-item]
    request, dropped = encoded({"tools": [strict]})
    assert (request["strict_tools"], dropped) == (True, ())
    request, dropped = encoded({"tools": [strict, NOW]})
    assert ("strict_tools" in request, dropped) == (False, ("tools.strict",))


def test_a_conversation_keeps_its_roles_and_its_parts() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}},
        {"type": "text", "text": "what is it?", "cache_control": {"type": "ephemeral"}},
    ]
    request, dropped = encoded(
        {"messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts, "name": "Bo"}]}
    )
    assert request["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [parts[0], {"type": "text", "text": "what is it?"}]},
    ]
    assert dropped == ("cache_control", "messages.name")


def test_what_stands_beside_calls_is_their_plan_and_thinking_comes_back() -> None:
    assert conversation(
        USER,
        {
            "role": "assistant",
            "content": "I'll look.",
            "reasoning_content": "Hm.",
            "tool_calls": [call("c1", '{"city": "Bonn"}'), call("c2", "", "now")],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "sun"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "document", "document": {"data": {"t": "5 pm"}}}]},
        {"role": "assistant", "content": "Sun.", "thinking_blocks": [{"type": "thinking", "thinking": "Ah."}]},
    ) == [
        USER,
        {
            "role": "assistant",
            "tool_calls": [call("c1", '{"city": "Bonn"}'), call("c2", "{}", "now")],
            "tool_plan": "I'll look.",
            "content": [{"type": "thinking", "thinking": "Hm."}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "sun"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "document", "document": {"data": {"t": "5 pm"}}}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Ah."}, {"type": "text", "text": "Sun."}]},
    ]


def user(*parts: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def assistant(*calls: object) -> dict[str, object]:
    return {"messages": [USER, {"role": "assistant", "tool_calls": list(calls)}]}


JSON = {"response_format": {"type": "json_object"}}
REFUSED: dict[str, tuple[dict[str, object], type[RouterError], str]] = {
    "several choices": ({"n": 2}, UnsupportedFeature, "n"),
    "top logprobs": ({"logprobs": True, "top_logprobs": 3}, UnsupportedFeature, "top_logprobs"),
    "audio out": ({"audio": {"voice": "x"}}, UnsupportedFeature, "audio"),
    "audio among the modalities": ({"modalities": ["text", "audio"]}, UnsupportedFeature, "modalities"),
    "audio in": (user({"type": "input_audio", "input_audio": {}}), UnsupportedFeature, "messages[0].content[0]"),
    "a file": (user({"type": "file", "file": {}}), UnsupportedFeature, "messages[0].content[0]"),
    "functions of old": ({"functions": [{"name": "x"}]}, UnsupportedFeature, "functions"),
    "web search": ({"web_search_options": {}}, UnsupportedFeature, "web_search_options"),
    "JSON beside tools": ({**JSON, "tools": [WEATHER]}, UnsupportedFeature, "response_format"),
    "JSON beside documents": ({**JSON, "documents": ["a"]}, UnsupportedFeature, "response_format"),
    "a grammar": ({"response_format": {"type": "grammar"}}, UnsupportedFeature, "response_format"),
    "six stop words": ({"stop": list("abcdef")}, UnsupportedFeature, "stop"),
    "a function message of old": (
        {"messages": [{"role": "function", "content": "y"}]},
        UnsupportedFeature,
        "messages[0].role",
    ),
    "a custom tool": ({"tools": [{"type": "custom", "custom": {}}]}, UnsupportedFeature, "tools[0]"),
    "a choice among some": (
        {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools"}},
        UnsupportedFeature,
        "tool_choice",
    ),
    "an unknown tool choice": ({"tools": [WEATHER], "tool_choice": "maybe"}, InvalidRequest, "tool_choice"),
    "a choice of no tool": ({"tools": [NOW], "tool_choice": NAMED}, InvalidRequest, "tool_choice"),
    "a call of a custom tool": (assistant({"id": "c"}), UnsupportedFeature, "messages[1].tool_calls[0]"),
    "a call without an id": (assistant(call("", "{}")), InvalidRequest, "messages[1].tool_calls[0].id"),
    "arguments that aren't JSON": (
        assistant(call("c", '{"a": ')),
        InvalidRequest,
        "messages[1].tool_calls[0].function.arguments",
    ),
    "a result of no call": (
        {"messages": [{"role": "tool", "content": "x"}]},
        InvalidRequest,
        "messages[0].tool_call_id",
    ),
    "an image over plain http": (
        user({"type": "image_url", "image_url": {"url": "http://example.com/a.png"}}),
        InvalidRequest,
        "messages[0].content[0].image_url",
    ),
    "documents that are none": ({"documents": [{"text": "x"}]}, InvalidRequest, "documents[0]"),
    "content of a wrong type": ({"messages": [{"role": "user", "content": 3}]}, InvalidRequest, "messages[0].content"),
}


@pytest.mark.parametrize(("body", "kind", "param"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_translated_is_refused_by_name(
    body: dict[str, object], kind: type[RouterError], param: str
) -> None:
    with pytest.raises(kind) as caught:
        encoded(body)
    assert (type(caught.value), caught.value.param) == (kind, param)


TYPES = get_type_hints(cohere.ClientV2.chat)
PARAMETERS = set(inspect.signature(cohere.ClientV2.chat).parameters)


def assert_fits_the_sdk(request: dict[str, Any]) -> None:
    """The names are parameters of the SDK's `chat`, the values of their types."""
    rest = {name: value for name, value in request.items() if name != "stream"}
    assert set(rest) <= PARAMETERS
    for name, value in rest.items():
        TypeAdapter(TYPES[name]).validate_python(value)


def test_a_rich_request_fits_the_vendors_own_types() -> None:
    request, _ = encoded(
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                *user({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}})["messages"],  # type: ignore[misc]
                {"role": "assistant", "content": "ok", "tool_calls": [call("c1", '{"city": "Bonn"}')]},
                {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "sun"}]},
            ],
            "tools": [WEATHER, NOW],
            "tool_choice": "required",
            "reasoning_effort": "low",
            "seed": 1,
            "documents": ["x"],
        },
        stream=True,
    )
    assert_fits_the_sdk(request)
    request["messages"][1]["content"][0]["type"] = "bogus"
    with pytest.raises(ValidationError):  # the check itself can fail
        assert_fits_the_sdk(request)


@settings(max_examples=400, deadline=None)
@given(body=BODIES, stream=st.booleans())
def test_any_body_becomes_a_request_that_fits_or_a_refusal(body: dict[str, Any], stream: bool) -> None:
    refused = 0
    try:
        data, dropped = encode_request(body, model="command-x", stream=stream)
    except RouterError as error:
        refused = error.http_status
    if refused:
        assert 400 <= refused < 500
        return
    assert_fits_the_sdk(json.loads(data))
    assert all(name.isascii() and "," not in name and " " not in name for name in dropped)


# --- answers ----------------------------------------------------------------------------------------------------------


def streamed(chunks: Iterable[bytes]) -> list[Delta]:
    parser, answer = sse.Parser(), AnswerStream("co", "command-x", 123)
    return [delta for chunk in chunks for event in parser.feed(chunk) for delta in answer.feed(event.data)]


def test_a_whole_answer_becomes_a_completion() -> None:
    delta = whole("text")
    assert json.loads(delta.payload) == {
        "id": "c-01",
        "object": "chat.completion",
        "created": 123,
        "model": "command-x",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Guten Tag 👋"},
                "logprobs": {
                    "content": [
                        {"token": "Guten ", "logprob": -0.75, "bytes": list(b"Guten "), "top_logprobs": []},
                        {"token": "Tag 👋", "logprob": -0.125, "bytes": list("Tag 👋".encode()), "top_logprobs": []},
                    ],
                    "refusal": None,
                },
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 7,
            "total_tokens": 107,
            "prompt_tokens_details": {"cached_tokens": 85},
        },
    }


def test_plan_and_calls_of_a_whole_answer_are_kept() -> None:
    message = json.loads(whole("tools").payload)["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "I'll look.", "tool_calls": CALLS}


def test_thinking_and_citations_of_a_whole_answer_are_kept() -> None:
    message = json.loads(whole("thinking").payload)["choices"][0]["message"]
    assert message["reasoning_content"] == "A document says it."
    assert message["content"] == "Bonn's sunny."
    assert message["citations"][0]["sources"][0]["id"] == "doc:0"


def test_what_is_not_reported_is_unknown() -> None:
    answer = json.loads(fixture("text.json"))
    del answer["usage"]["tokens"]
    delta = decode_answer(json.dumps(answer).encode(), "co", "m", 1)
    assert delta.usage is None
    assert "usage" not in json.loads(delta.payload)
    assert "prompt_tokens_details" not in json.loads(whole("tools").payload)["usage"]


REASONS: dict[str, str | type[RouterError]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
    "SOMETHING_NEW": "stop",
    "ERROR": UpstreamUnavailable,
    "TIMEOUT": UpstreamTimeout,
}


@pytest.mark.parametrize(("reason", "expected"), REASONS.items())
def test_a_finish_reason_is_translated_or_an_error(reason: str, expected: str | type[RouterError]) -> None:
    stream = fixture("text.sse").replace(b"COMPLETE", reason.encode())
    answer = fixture("text.json").replace(b"COMPLETE", reason.encode())
    if isinstance(expected, str):
        assert decode_answer(answer, "co", "m", 1).finish_reason == expected
        assert streamed([stream])[-2].finish_reason == expected
        return
    with pytest.raises(expected):
        decode_answer(answer, "co", "m", 1)
    with pytest.raises(expected):
        streamed([stream])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_stream_cut_into_any_pieces_folds_into_the_whole_answer(name: str, data: st.DataObject) -> None:
    sent = fixture(f"{name}.sse")
    deltas = streamed(pieces(sent, data.draw(st.lists(st.integers(0, len(sent)), max_size=40))))
    assert fold(deltas) == json.loads(whole(name).payload)["choices"][0]["message"]
    assert (deltas[-1].usage, deltas[-2].finish_reason) == (USAGES[name], FINISH[name])


def replay(sequence: Iterable[object]) -> list[Delta]:
    stream = AnswerStream("co", "m", 1)
    return [delta for event in sequence for delta in stream.feed(json.dumps(event).encode())]


def test_logprobs_of_a_stream_come_with_their_text() -> None:
    chunks = [json.loads(delta.payload)["choices"] for delta in streamed([fixture("text.sse")])]
    assert chunks[0][0]["logprobs"]["content"][0]["token"] == "Guten "
    assert chunks[2][0]["logprobs"] is None


def test_an_error_at_the_end_of_a_stream_is_one() -> None:
    end = {"type": "message-end", "delta": {"error": "SECRET", "finish_reason": "ERROR"}}
    with pytest.raises(UpstreamUnavailable) as caught:
        replay([*events("text.sse")[:3], end])
    assert "SECRET" not in caught.value.message


def test_events_of_unknown_types_are_passed_over() -> None:
    sequence = events("text.sse")
    news = [{"type": "debug", "prompt": "x"}, {"type": "something-new", "delta": 3}, {"type": "content-end"}]
    assert replay([*sequence[:2], *news, *sequence[2:]]) == replay(sequence)


DISORDER: dict[str, list[object]] = {
    "content before the message": events("text.sse")[1:],
    "a piece of a call that never started": [events("tools.sse")[0], *events("tools.sse")[4:]],
    "an end without a reason": [events("text.sse")[0], {"type": "message-end", "delta": {}}],
    "a delta without content": [events("text.sse")[0], {"type": "content-delta", "index": 0}],
    "a call without a name": [
        events("text.sse")[0],
        {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": {"id": "x"}}}},
    ],
    "no object": [3],
    "no type": [{}],
    "a field of a wrong type": [events("text.sse")[0], {"type": "content-delta", "delta": 3}],
}


@pytest.mark.parametrize("sequence", DISORDER.values(), ids=DISORDER)
def test_a_stream_out_of_order_is_a_protocol_error(sequence: list[object]) -> None:
    with pytest.raises(UpstreamProtocolError):
        replay(sequence)


BROKEN = {
    "no JSON": b"<html>",
    "empty": b"",
    "cut": fixture("text.json")[:100],
    "an error": b'{"message":"no luck","id":"x"}',
    "no reason": fixture("text.json").replace(b"finish_reason", b"fin"),
    "invalid UTF-8": fixture("text.json").replace(b"Tag", b"\xff"),
}


@pytest.mark.parametrize("payload", BROKEN.values(), ids=BROKEN)
def test_a_whole_answer_that_is_none_is_a_protocol_error(payload: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        decode_answer(payload, "co", "m", 1)


@pytest.mark.parametrize("name", NAMES)
def test_payloads_fit_the_types_that_clients_read_them_with(name: str) -> None:
    complete = TypeAdapter(ChatCompletion).validate_json(whole(name).payload)
    chunks = [
        TypeAdapter(ChatCompletionChunk).validate_json(delta.payload) for delta in streamed([fixture(f"{name}.sse")])
    ]
    assert chunks[-1].usage == complete.usage
    assert not chunks[-1].choices
