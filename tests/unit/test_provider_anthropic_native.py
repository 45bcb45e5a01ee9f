"""The Anthropic provider in its own dialect: requests and answers travel as they are, and nothing broken passes for whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core.errors import UpstreamProtocolError, UpstreamUnavailable
from router.core.types import Delta, Dialect
from router.wire import sse
from router.wire.outbound.anthropic import AnswerStream, NativeStream, decode_answer, read_answer, read_count
from tests.unit.test_provider_anthropic import BROKEN, CLOCKS, TOOLS_USAGE, USER, cleared, fixture, pieces, upstream


def through(data: bytes, cuts: Iterable[int] = ()) -> list[Delta]:
    parser, stream = sse.Parser(), NativeStream("claude")
    return [
        delta
        for piece in pieces(data, cuts)
        for event in parser.feed(piece)
        for delta in stream.feed(event.data, event.name)
    ]


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, len(fixture("tools.sse"))), max_size=40))
def test_a_native_stream_comes_through_as_it_is(cuts: list[int]) -> None:
    data = fixture("tools.sse")
    deltas = through(data, cuts)
    assert [(delta.event, delta.payload) for delta in deltas] == [
        (one.name, one.data) for one in sse.Parser().feed(data)
    ]
    assert {delta.dialect for delta in deltas} == {Dialect.MESSAGES}
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["tool_calls"]
    assert [delta.usage for delta in deltas if delta.usage][-1] == TOOLS_USAGE


def test_a_native_stream_is_held_back_until_its_second_event() -> None:
    stream = NativeStream("claude")
    first, *_ = sse.Parser().feed(fixture("text.sse"))
    assert stream.feed(first.data, first.name) == []
    assert stream.feed(b'{"type":"ping"}', b"ping") == []
    with pytest.raises(UpstreamUnavailable) as caught:
        stream.feed(b'{"type":"error","error":{"type":"overloaded_error","message":"SECRET"}}', b"error")
    assert "SECRET" not in caught.value.message


@pytest.mark.parametrize(
    "events",
    [
        [b"nonsense"],
        [b"[]"],
        [b'{"type":"content_block_delta"}'],
        [b'{"type":"message_start","message":{}}', b'{"type":"message_stop"}'],
        [b'{"type":"message_start","message":3}'],
    ],
)
def test_a_native_stream_out_of_order_is_a_protocol_error(events: list[bytes]) -> None:
    stream = NativeStream("claude")
    for event in events[:-1]:
        stream.feed(event, None)
    with pytest.raises(UpstreamProtocolError):
        stream.feed(events[-1], None)


def test_events_that_nobody_knows_come_through() -> None:
    data = fixture("text.sse").replace(
        b"event: content_block_start", b'event: news\ndata: {"type":"news"}\n\nevent: content_block_start', 1
    )
    assert b"news" in [delta.event for delta in through(data)]


def test_a_native_answer_is_read_and_left_as_it_is() -> None:
    delta = read_answer(fixture("tools.json"), "claude")
    assert delta == Delta(
        payload=fixture("tools.json"), dialect=Dialect.MESSAGES, usage=TOOLS_USAGE, finish_reason="tool_calls"
    )


@pytest.mark.parametrize("payload", [payload for what, payload in BROKEN.items() if what != "invalid UTF-8"])
def test_a_native_answer_that_is_none_is_a_protocol_error(payload: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        read_answer(payload, "claude")
    with pytest.raises(UpstreamProtocolError):
        read_count(payload, "claude")


def test_a_count_is_read_and_left_as_it_is() -> None:
    assert read_count(b'{"input_tokens": 7}', "claude").payload == b'{"input_tokens": 7}'


@pytest.mark.anyio
async def test_a_native_request_keeps_its_order_and_its_headers_and_loses_unsigned_thinking() -> None:
    signed = {"type": "thinking", "thinking": "Hm", "signature": "EqQB"}
    content = [{"type": "thinking", "thinking": "not Claude's", "signature": ""}, signed, {"type": "text", "text": "x"}]
    body: Any = {
        "new_field": {"b": 1, "a": 2},
        "model": "g",
        "max_tokens": 5,
        "messages": [USER, {"role": "assistant", "content": content}, USER],
    }
    headers = (("anthropic-version", "2026-10-21"), ("anthropic-beta", "a-2025-01-01,b-2025-01-01"))
    native = msgspec.structs.replace(cleared(), body=body, dialect=Dialect.MESSAGES, headers=headers)
    config = {"headers": {"anthropic-beta": "b-2025-01-01, c-2025-01-01"}}
    async with upstream(body=[fixture("text.json")], config=config) as (scripted, provider):
        deltas = [delta async for delta in provider.send(native, CLOCKS)]
        count = msgspec.structs.replace(native, dialect=Dialect.COUNT_TOKENS)
        with pytest.raises(UpstreamProtocolError):
            [delta async for delta in provider.send(count, CLOCKS)]
    assert (deltas[0].payload, deltas[0].dropped) == (fixture("text.json"), ("messages.thinking",))
    (line, seen, received), (count_line, _, _) = scripted.requests
    assert line.startswith("POST /v1/messages HTTP")
    assert count_line.startswith("POST /v1/messages/count_tokens HTTP")
    assert list(received) == list(body)
    assert received == {
        **body,
        "model": "claude-x",
        "messages": [USER, {"role": "assistant", "content": content[1:]}, USER],
    }
    assert seen["anthropic-version"] == "2026-10-21"
    assert seen["anthropic-beta"] == "b-2025-01-01,c-2025-01-01,a-2025-01-01"


def test_an_answer_too_deep_to_be_read_is_a_protocol_error_and_no_bug() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    block = b'{"type":"tool_use","input":' + deep + b"}"
    whole = b'{"type":"message","id":"i","model":"m","content":[' + block + b'],"usage":{},"stop_reason":"end_turn"}'
    event = b'{"type":"content_block_start","content_block":' + block + b"}"
    for read in (
        lambda: read_answer(whole, "cloud"),
        lambda: decode_answer(whole, "cloud", 0),
        lambda: AnswerStream("cloud", 0).feed(event),
        lambda: NativeStream("cloud").feed(event, None),
    ):
        with pytest.raises(UpstreamProtocolError):
            read()
