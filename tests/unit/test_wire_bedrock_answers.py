"""Answers of Amazon Bedrock's Converse as chat completions: whole, and event streams cut and damaged anywhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

from router.core.errors import (
    RouterError,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from router.core.types import Delta
from router.providers._aws import EventParser
from router.selftest.dialects import bedrock as mock
from router.wire.outbound._bedrock_answer import AnswerStream, decode_answer
from tests.fakes.aws import Spec, Stream
from tests.fakes.converse import (
    CALLS,
    FINISH,
    HEAD,
    NAMES,
    REDACTED,
    USAGES,
    events,
    fixture,
    frames,
    whole,
)
from tests.fakes.folding import fold, pieces

SPEC, STREAM_SPEC = Spec("Converse"), Spec("ConverseStream")


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
            "prompt_tokens_details": {"cached_tokens": 85, "cache_creation_tokens": 10, "cache_write_tokens": 10},
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
