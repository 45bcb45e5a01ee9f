"""Gemini's answers as chat completions, whole and streamed: content, calls, reasons, usage, and every way to break off."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import pytest
from google.genai import types
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from router.core.errors import (
    RouterError,
    UpstreamAuthFailed,
    UpstreamFiltered,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from router.core.types import Delta, Usage
from router.providers._google import google_refusal
from router.wire.outbound.gemini_answer import AnswerStream, Asked, decode_answer
from tests.fakes.gemini import Json, error, fixture, whole

NAMES = ("text", "tools", "logprobs", "safety", "grounded", "image", "several")
TEXT_USAGE = Usage(input_tokens=100, output_tokens=7, cached_input_tokens=64)
TOOLS_USAGE = Usage(input_tokens=100, output_tokens=40, reasoning_tokens=12, audio_input_tokens=30)


def asked(choices: int = 1) -> Asked:
    def refused(status: int, body: bytes) -> RouterError:
        return google_refusal("gemini", status, body, None)

    return Asked(who="gemini", model="m", created_s=123, choices=choices, refused=refused)


def decoded(events: list[Json]) -> Delta:
    return decode_answer(json.dumps(whole(events)).encode(), asked())


def completion(events: list[Json]) -> dict[str, Any]:
    return json.loads(decoded(events).payload)


def streamed(events: Iterable[Json], choices: int = 1) -> list[Delta]:
    answer = AnswerStream(asked(choices))
    deltas = [delta for event in events for delta in answer.feed(json.dumps(event).encode())]
    return deltas + answer.end()


def fed(payload: bytes) -> list[Delta]:
    """What a stream of one event makes."""
    answer = AnswerStream(asked())
    return answer.feed(payload) + answer.end()


def fold(deltas: Iterable[Delta], choice: int = 0) -> dict[str, Any]:
    """Put a stream's chunks of one choice together, as a client does."""
    message: dict[str, Any] = {}
    calls: list[dict[str, Any]] = []
    for delta in deltas:
        for one in json.loads(delta.payload)["choices"]:
            if one["index"] != choice:
                continue
            for key, value in one["delta"].items():
                match key:
                    case "tool_calls":
                        for part in value:
                            assert part.pop("index") == len(calls)
                            calls.append(part)
                    case "extra_content":
                        message.setdefault(key, {"google": {}})["google"] |= value["google"]
                    case "images":
                        message.setdefault(key, []).extend(value)
                    case _:
                        message[key] = message.get(key, "") + value
    return message | ({"tool_calls": calls} if calls else {})


def without_made_up_ids(message: dict[str, Any]) -> dict[str, Any]:
    for call in message.get("tool_calls", ()):
        call["id"] = re.sub(r"^call_[0-9a-f]{24}$", "call_", call["id"])
    return message


@pytest.mark.parametrize("name", [*NAMES, "blocked"])
def test_the_recorded_shapes_fit_the_vendor_s_own_types(name: str) -> None:
    for event in [*fixture(name), whole(fixture(name))]:
        assert types.GenerateContentResponse.model_validate(event)


@pytest.mark.parametrize("name", NAMES)
def test_payloads_fit_the_types_that_clients_read_them_with(name: str) -> None:
    one = ChatCompletion.model_validate_json(decoded(fixture(name)).payload)
    chunks = [ChatCompletionChunk.model_validate_json(delta.payload) for delta in streamed(fixture(name))]
    assert one.usage is not None
    assert chunks[-1].usage == one.usage
    assert not chunks[-1].choices
    assert all(chunk.id == "resp-1" for chunk in chunks)


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_folds_into_the_whole_answer(name: str) -> None:
    deltas = streamed(fixture(name))
    one = completion(fixture(name))
    for choice in one["choices"]:
        message = without_made_up_ids(choice["message"])
        streamed_message = without_made_up_ids(fold(deltas, choice["index"]))
        assert {"content": None if "tool_calls" in message else ""} | streamed_message == message
    finishes = [delta.finish_reason for delta in deltas if delta.finish_reason]
    assert finishes == [choice["finish_reason"] for choice in one["choices"]]


def test_a_whole_text_answer_becomes_a_completion() -> None:
    delta = decoded(fixture("text"))
    answer = json.loads(delta.payload)
    signature = answer["choices"][0]["message"].pop("extra_content")["google"]["thought_signature"]
    assert signature == fixture("text")[2]["candidates"][0]["content"]["parts"][0]["thoughtSignature"]
    assert answer == {
        "id": "resp-1",
        "object": "chat.completion",
        "created": 123,
        "model": "gemini-3-flash-preview",
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
            "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
    }
    assert (delta.usage, delta.finish_reason) == (TEXT_USAGE, "stop")


def test_thoughts_calls_signatures_and_usage_are_kept_and_ids_are_unique() -> None:
    delta = decoded(fixture("tools"))
    message = json.loads(delta.payload)["choices"][0]["message"]
    assert message["reasoning_content"] == "Two cities, two calls."
    assert message["content"] == "I'll look."
    calls = message["tool_calls"]
    assert [one["function"]["name"] for one in calls] == ["weather", "now", "weather"]
    assert [json.loads(one["function"]["arguments"]) for one in calls] == [
        {"city": "Köln", "days": 1.0},
        {},
        {"city": "Bonn"},
    ]
    assert calls[0]["id"] == "fc-1"
    assert len({one["id"] for one in calls}) == 3
    assert "thought_signature" in calls[0]["extra_content"]["google"]
    assert "extra_content" not in calls[1]
    assert (delta.usage, delta.finish_reason) == (TOOLS_USAGE, "tool_calls")


def test_an_answer_of_calls_alone_has_no_content() -> None:
    parts = [{"functionCall": {"name": "now"}}]
    event = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
    message = completion([event])["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"][0]["function"]["arguments"] == "{}"


def test_logprobs_come_back_with_their_bytes() -> None:
    content = completion(fixture("logprobs"))["choices"][0]["logprobs"]["content"]
    assert [one["token"] for one in content] == ["Ja", " é"]
    assert content[1]["bytes"] == list(" é".encode())
    assert [top["logprob"] for top in content[0]["top_logprobs"]] == [-0.25, -2.0]
    chunks = [json.loads(delta.payload) for delta in streamed(fixture("logprobs"))]
    assert [chunk["choices"][0]["logprobs"] is not None for chunk in chunks[:-1]] == [True, False]


def test_sources_and_citations_are_kept() -> None:
    google = completion(fixture("grounded"))["choices"][0]["message"]["extra_content"]["google"]
    assert google["grounding_metadata"]["groundingChunks"][0]["web"]["uri"] == "https://example.com/a"
    assert google["citation_metadata"]["citationSources"][0]["uri"] == "https://example.com/b"


def test_an_image_is_a_part_beside_the_content() -> None:
    message = completion(fixture("image"))["choices"][0]["message"]
    assert message["images"] == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]


REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MALFORMED_FUNCTION_CALL": UpstreamProtocolError,
    "UNEXPECTED_TOOL_CALL": UpstreamProtocolError,
    "OTHER": UpstreamProtocolError,
    "SOMETHING_NEW": UpstreamProtocolError,
    "PUP_LIMITED_DISABLED": UpstreamAuthFailed,
}


@pytest.mark.parametrize(("reason", "expected"), REASONS.items())
def test_a_reason_to_stop_is_a_finish_reason_or_an_error(reason: str, expected: Any) -> None:
    events = fixture("text")
    events[-1]["candidates"][0]["finishReason"] = reason
    if isinstance(expected, str):
        assert decoded(events).finish_reason == expected
        assert streamed(events)[-2].finish_reason == expected
        return
    for read in (decoded, streamed):
        with pytest.raises(expected):
            read(events)


def test_every_reason_that_the_vendor_knows_is_decided() -> None:
    for reason in types.FinishReason:
        events = fixture("text")
        events[-1]["candidates"][0]["finishReason"] = reason.value
        try:
            assert decoded(events).finish_reason in ("stop", "length", "content_filter")
        except RouterError as error:
            assert not error.http_status < 500, reason  # noqa: PT017 both are decisions


def test_a_prompt_that_is_refused_is_filtered_and_names_the_reason() -> None:
    for read in (decoded, streamed):
        with pytest.raises(UpstreamFiltered, match="PROHIBITED_CONTENT"):
            read(fixture("blocked"))


def test_an_answer_that_counts_nothing_has_no_usage() -> None:
    events = fixture("text")
    for event in events:
        event.pop("usageMetadata", None)
    assert decoded(events).usage is None
    assert "usage" not in completion(events)
    assert not streamed(events)[-1].usage_only


def test_calls_in_one_chunk_and_over_chunks_count_on() -> None:
    chunks = [json.loads(delta.payload) for delta in streamed(fixture("tools"))]
    calls = [call for chunk in chunks for one in chunk["choices"] for call in one["delta"].get("tool_calls", ())]
    assert [call["index"] for call in calls] == [0, 1, 2]


def test_choices_of_a_stream_keep_apart() -> None:
    deltas = streamed(fixture("several"), choices=2)
    assert [fold(deltas, index)["content"] for index in (0, 1)] == ["one more", "two more"]
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["stop", "length"]


@pytest.mark.parametrize("name", ["text", "tools", "several"])
def test_a_stream_that_ends_before_its_last_event_is_an_error(name: str) -> None:
    events = fixture(name)
    for count in range(len(events)):
        with pytest.raises(UpstreamProtocolError, match="ended before"):
            streamed(events[:count], choices=2 if name == "several" else 1)


def test_a_choice_that_never_came_is_an_error() -> None:
    with pytest.raises(UpstreamProtocolError, match="ended before"):
        streamed(fixture("text"), choices=2)


BROKEN: dict[str, bytes] = {
    "no JSON": b"<html>",
    "empty": b"",
    "a list": b"[]",
    "no candidates": b"{}",
    "no reason to stop": json.dumps(fixture("text")[0]).encode(),
    "invalid UTF-8": json.dumps(whole(fixture("text"))).encode().replace(b"Tag", b"\xff"),
    "arguments that are no object": b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"x","args":[]}}]},"finishReason":"STOP"}]}',
    "code that was run": b'{"candidates":[{"content":{"parts":[{"executableCode":{"code":"1"}}]},"finishReason":"STOP"}]}',
    "a sound": b'{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"audio/wav","data":"AA=="}}]},"finishReason":"STOP"}]}',
    "nested too deeply": b'{"candidates":[{"groundingMetadata":' + b"[" * 100_000,
}


@pytest.mark.parametrize("payload", BROKEN.values(), ids=BROKEN)
def test_an_answer_that_is_none_is_a_protocol_error(payload: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        decode_answer(payload, asked())
    with pytest.raises(UpstreamProtocolError):
        fed(payload)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(429, "RESOURCE_EXHAUSTED", UpstreamRateLimited), (503, "UNAVAILABLE", UpstreamUnavailable)],
)
def test_an_error_in_a_stream_is_what_it_is_as_a_status(status: int, code: str, kind: type[RouterError]) -> None:
    with pytest.raises(kind) as caught:
        streamed([*fixture("text")[:1], error(status, code)[1]])
    assert "SECRET" not in caught.value.message
