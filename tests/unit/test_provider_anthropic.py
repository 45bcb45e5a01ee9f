"""The Anthropic provider: answers translated back, whole and streamed, and all of it over real HTTP on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from router.core.errors import (
    LocalityViolation,
    RouterError,
    UnsupportedFeature,
    UpstreamAuthFailed,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from router.core.ports import Clocks
from router.core.types import Cleared, Delta, Locality, Target, Usage
from router.providers import anthropic
from router.wire import sse
from router.wire.outbound.anthropic import (
    AnswerStream,
    decode_answer,
)
from tests.fakes import values
from tests.fakes.folding import fold, pieces

FIXTURES = Path(__file__).parent.parent / "fixtures" / "anthropic"
USER = {"role": "user", "content": "hi"}
USER_TURN = {"role": "user", "content": [{"type": "text", "text": "hi"}]}


def call(call_id: str, arguments: str, name: str = "weather") -> dict[str, object]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


# --- answers ----------------------------------------------------------------------------------------------------------

TEXT_USAGE = Usage(input_tokens=100, output_tokens=7, cached_input_tokens=85, cache_write_tokens=5)
TOOLS_USAGE = Usage(input_tokens=100, output_tokens=40, reasoning_tokens=12)
CALLS = [call("toolu_01", '{"city":"Köln","days":1.0}'), call("toolu_02", "{}", "now")]


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def streamed(chunks: Iterable[bytes]) -> list[Delta]:
    parser, answer = sse.Parser(), AnswerStream("claude", 123)
    return [delta for chunk in chunks for event in parser.feed(chunk) for delta in answer.feed(event.data)]


def answer(**fields: object) -> bytes:
    return json.dumps({**json.loads(fixture("text.json")), **fields}).encode()


def test_a_whole_text_answer_becomes_a_completion() -> None:
    delta = decode_answer(fixture("text.json"), "claude", 123)
    assert json.loads(delta.payload) == {
        "id": "msg_01A",
        "object": "chat.completion",
        "created": 123,
        "model": "claude-x",
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
            "prompt_tokens_details": {"cached_tokens": 85, "cache_creation_tokens": 5, "cache_write_tokens": 5},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }
    assert (delta.usage, delta.finish_reason, delta.usage_only) == (TEXT_USAGE, "stop", False)


def test_thinking_and_tool_calls_of_a_whole_answer_are_kept() -> None:
    delta = decode_answer(fixture("tools.json"), "claude", 123)
    assert json.loads(delta.payload)["choices"][0]["message"] == {
        "role": "assistant",
        "content": "I'll look.",
        "reasoning_content": "Two cities, two calls.",
        "thinking_blocks": [{"type": "thinking", "thinking": "Two cities, two calls.", "signature": "EqQB"}],
        "tool_calls": CALLS,
    }
    assert (delta.usage, delta.finish_reason) == (TOOLS_USAGE, "tool_calls")


def test_an_answer_of_calls_alone_has_no_content() -> None:
    content = [{"type": "tool_use", "id": "t", "name": "now", "input": {}}]
    payload = decode_answer(answer(content=content, stop_reason="tool_use"), "claude", 1).payload
    assert json.loads(payload)["choices"][0]["message"]["content"] is None


REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "something_new": "stop",
}


@pytest.mark.parametrize(("reason", "finish"), REASONS.items())
def test_a_stop_reason_becomes_a_finish_reason(reason: str, finish: str) -> None:
    assert decode_answer(answer(stop_reason=reason), "claude", 1).finish_reason == finish
    deltas = streamed([fixture("text.sse").replace(b"end_turn", reason.encode())])
    assert deltas[-2].finish_reason == finish
    assert json.loads(deltas[-2].payload)["choices"][0]["finish_reason"] == finish


BROKEN = {
    "no JSON": b"<html>",
    "empty": b"",
    "cut": fixture("text.json")[:100],
    "an error": b'{"type":"error","error":{"type":"api_error","message":"no luck"}}',
    "no stop reason": answer(stop_reason=None),
    "invalid UTF-8": fixture("text.json").replace(b"Tag", b"\xff"),
}


@pytest.mark.parametrize("payload", BROKEN.values(), ids=BROKEN)
def test_a_whole_answer_that_is_none_is_a_protocol_error(payload: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        decode_answer(payload, "claude", 1)


def test_a_text_stream_begins_with_the_role_and_ends_with_finish_and_usage() -> None:
    deltas = streamed([fixture("text.sse")])
    chunks = [json.loads(delta.payload) for delta in deltas]
    assert [[choice["delta"] for choice in chunk["choices"]] for chunk in chunks] == [
        [{"role": "assistant", "content": "Guten "}],
        [{"content": "Tag 👋"}],
        [{}],
        [],
    ]
    assert [delta.finish_reason for delta in deltas] == [None, None, "stop", None]
    assert [delta.usage_only for delta in deltas] == [False, False, False, True]
    first, *rest = (delta.usage for delta in deltas)
    assert first is not None
    assert first.input_tokens == TEXT_USAGE.input_tokens  # a stream that is cut is billed by it
    assert rest == [None, None, TEXT_USAGE]
    assert [delta.chars for delta in deltas] == [6, 5, 0, 0]
    assert chunks[-1]["usage"] == json.loads(decode_answer(fixture("text.json"), "claude", 1).payload)["usage"]
    assert {(chunk["id"], chunk["object"], chunk["created"], chunk["model"]) for chunk in chunks} == {
        ("msg_01A", "chat.completion.chunk", 123, "claude-x")
    }


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, len(fixture("tools.sse"))), max_size=40))
def test_a_stream_cut_anywhere_folds_into_the_whole_answer(cuts: list[int]) -> None:
    deltas = streamed(pieces(fixture("tools.sse"), cuts))
    whole = decode_answer(fixture("tools.json"), "claude", 123)
    assert fold(deltas) == json.loads(whole.payload)["choices"][0]["message"]
    assert (deltas[-1].usage, deltas[-2].finish_reason) == (whole.usage, whole.finish_reason)


def test_a_stream_that_comes_byte_by_byte_is_the_same() -> None:
    data = fixture("tools.sse")
    assert streamed(data[index : index + 1] for index in range(len(data))) == streamed([data])


def events(name: str) -> list[dict[str, Any]]:
    return [json.loads(event.data) for event in sse.Parser().feed(fixture(name))]


def replay(sequence: Iterable[object]) -> list[Delta]:
    stream = AnswerStream("claude", 123)
    return [delta for event in sequence for delta in stream.feed(json.dumps(event).encode())]


def test_tool_blocks_that_interleave_keep_their_own_indexes() -> None:
    sequence = events("tools.sse")
    first, second = ([e for e in sequence if e.get("index") == index] for index in (2, 3))
    others = [e for e in sequence if e.get("index") not in (2, 3)]
    woven = [first[0], second[0], *first[1:], *second[1:]]
    assert fold(replay([*others[:-2], *woven, *others[-2:]]))["tool_calls"] == CALLS


def test_a_tool_block_that_starts_with_its_whole_input_sends_it_once() -> None:
    sequence = [e for e in events("tools.sse") if e.get("delta", {}).get("type") != "input_json_delta"]
    for event in sequence:
        if event.get("index") == 2 and "content_block" in event:
            event["content_block"]["input"] = {"city": "Bonn"}
    calls = fold(replay(sequence))["tool_calls"]
    assert [json.loads(each["function"]["arguments"]) for each in calls] == [{"city": "Bonn"}, {}]


def test_nothing_is_yielded_before_the_first_piece_of_content() -> None:
    assert replay([*events("text.sse")[:3]]) == []


def test_an_answer_without_content_still_has_role_finish_and_usage() -> None:
    sequence = [event for event in events("text.sse") if not event["type"].startswith("content_block")]
    first, last = replay(sequence)
    assert json.loads(first.payload)["choices"][0]["delta"] == {"role": "assistant"}
    assert first.finish_reason == "stop"
    assert last.usage_only


def test_events_and_blocks_of_unknown_types_are_passed_over() -> None:
    sequence = events("text.sse")
    news = [
        {"type": "something_new", "delta": 3},
        {"type": "content_block_start", "index": 9, "content_block": {"type": "something_thinking", "data": "x"}},
        {"type": "content_block_delta", "index": 9, "delta": {"type": "something_delta", "value": 1}},
        {"type": "content_block_delta", "index": 9, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        {"type": "content_block_stop", "index": 9},
    ]
    assert replay([*sequence[:3], *news, *sequence[3:]]) == replay(sequence)


def test_usage_that_only_the_end_reports_is_read() -> None:
    sequence = events("text.sse")
    sequence[0]["message"]["usage"] = {"input_tokens": 0, "output_tokens": 0}
    sequence[-2]["usage"] = {"input_tokens": 8, "cache_read_input_tokens": 2, "output_tokens": 4}
    assert replay(sequence)[-1].usage == Usage(input_tokens=10, cached_input_tokens=2, output_tokens=4)


@pytest.mark.parametrize("kind", ["overloaded_error", "api_error", "rate_limit_error"])
def test_an_error_event_says_that_the_upstream_is_unavailable(kind: str) -> None:
    error = {"type": "error", "error": {"type": kind, "message": "SECRET"}}
    with pytest.raises(UpstreamUnavailable, match=kind) as caught:
        replay([*events("text.sse")[:4], error])
    assert "SECRET" not in caught.value.message


DISORDER: dict[str, list[object]] = {
    "content before the message": events("text.sse")[1:],
    "a start without its message": [{"type": "message_start"}],
    "a piece of a block that never started": [events("text.sse")[0], *events("text.sse")[3:]],
    "a block without content": [events("text.sse")[0], {"type": "content_block_start", "index": 0}],
    "an end without a stop reason": [*events("text.sse")[:6], {"type": "message_stop"}],
    "no object": [3],
    "no type": [{}],
    "a field of a wrong type": [events("text.sse")[0], {"type": "content_block_stop", "index": "0"}],
}


@pytest.mark.parametrize("sequence", DISORDER.values(), ids=DISORDER)
def test_a_stream_out_of_order_is_a_protocol_error(sequence: list[object]) -> None:
    with pytest.raises(UpstreamProtocolError):
        replay(sequence)


def test_payloads_fit_the_types_that_clients_read_them_with() -> None:
    chat = pytest.importorskip("openai.types.chat", reason="OpenAI's SDK isn't installed")
    for name in ("text", "tools"):
        whole = TypeAdapter(chat.ChatCompletion).validate_json(decode_answer(fixture(f"{name}.json"), "c", 1).payload)
        assert whole.usage is not None
        chunks = [
            TypeAdapter(chat.ChatCompletionChunk).validate_json(delta.payload)
            for delta in streamed([fixture(f"{name}.sse")])
        ]
        assert chunks[-1].usage == whole.usage
        assert not chunks[-1].choices


def test_the_recorded_shapes_fit_the_vendors_own_types() -> None:
    types = pytest.importorskip("anthropic.types", reason="the vendor's SDK isn't installed")
    for name in ("text", "tools"):
        TypeAdapter(types.Message).validate_json(fixture(f"{name}.json"))
        for event in events(f"{name}.sse"):
            if event["type"] != "ping":
                TypeAdapter(types.RawMessageStreamEvent).validate_python(event)


# --- over HTTP --------------------------------------------------------------------------------------------------------

CLOCKS = Clocks(ttft_s=5, total_s=10)


class Upstream:
    """An HTTP server on loopback that answers every request with the same scripted bytes."""

    def __init__(self, status: int, content_type: str, body: Iterable[bytes], headers: str, *, hang: bool) -> None:
        self.head = f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\nconnection: close\r\n{headers}\r\n"
        self.body = list(body)
        self.hang = hang
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.left = asyncio.Event()
        """Set when a client goes away."""
        self.tasks: set[asyncio.Task[None] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.current_task())
        try:
            await self.answer(reader, writer)
        except ConnectionError:
            self.left.set()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append((lines[0], headers, json.loads(body)))
        writer.write(self.head.encode())
        for piece in self.body:
            writer.write(piece)
            await writer.drain()
        if self.hang:
            await reader.read()
            self.left.set()


@asynccontextmanager
async def upstream(
    status: int = 200,
    content_type: str = "application/json",
    body: Iterable[bytes] = (),
    headers: str = "",
    *,
    hang: bool = False,
    config: Mapping[str, object] | None = None,
) -> AsyncGenerator[tuple[Upstream, anthropic.Anthropic]]:
    scripted = Upstream(status, content_type, body, headers, hang=hang)
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = {"base_url": url, "api_key": "sk-ant-1", **(config or {})}
    provider = anthropic.build(anthropic.Config.model_validate(settings), "claude")
    try:
        yield scripted, provider
    finally:
        await provider.aclose()
        server.close()
        await asyncio.wait_for(asyncio.gather(*(task for task in scripted.tasks if task)), 5)


def cleared(*, stream: bool = False, provider: str = "claude", **body: object) -> Cleared:
    target = Target(
        group="g", deployment="claude/x", provider=provider, upstream_model="claude-x", locality=Locality.ANY
    )
    full: Any = {"model": "g", "messages": [USER], **body}
    return values.cleared(target, full, stream=stream)


async def collect(provider: anthropic.Anthropic, permit: Cleared) -> list[Delta]:
    return [delta async for delta in provider.send(permit, CLOCKS)]


@pytest.mark.anyio
async def test_a_whole_answer_comes_back_over_http() -> None:
    async with upstream(body=[fixture("tools.json")]) as (server, provider):
        (delta,) = await collect(provider, cleared(temperature=0.5))
    assert json.loads(delta.payload)["choices"][0]["message"]["tool_calls"] == CALLS
    ((line, headers, body),) = server.requests
    assert line == "POST /v1/messages HTTP/1.1"
    assert headers["x-api-key"] == "sk-ant-1"
    assert headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in headers
    assert body == {"model": "claude-x", "max_tokens": 4096, "messages": [USER_TURN], "temperature": 0.5}


@pytest.mark.anyio
async def test_the_configuration_sets_limit_and_headers() -> None:
    config: dict[str, object] = {"default_max_tokens": 9, "headers": {"Anthropic-Beta": "x-1"}}
    async with upstream(body=[fixture("text.json")], config=config) as (server, provider):
        await collect(provider, cleared())
    _, headers, body = server.requests[0]
    assert (body["max_tokens"], headers["anthropic-beta"]) == (9, "x-1")


@pytest.mark.anyio
@pytest.mark.parametrize("size", [7, 1_000_000])
async def test_a_stream_comes_back_over_http(size: int) -> None:
    data = fixture("tools.sse")
    body = [data[start : start + size] for start in range(0, len(data), size)]
    async with upstream(content_type="text/event-stream; charset=utf-8", body=body) as (server, provider):
        deltas = await collect(provider, cleared(stream=True))
    assert fold(deltas)["tool_calls"] == CALLS
    assert deltas[-1].usage == TOOLS_USAGE
    assert server.requests[0][2]["stream"] is True


@pytest.mark.anyio
async def test_a_stream_ends_with_its_message_even_if_the_upstream_holds_the_line() -> None:
    async with upstream(content_type="text/event-stream", body=[fixture("text.sse")], hang=True) as (_, provider):
        deltas = await asyncio.wait_for(collect(provider, cleared(stream=True)), 5)
    assert deltas[-1].usage_only


@pytest.mark.anyio
async def test_closing_the_generator_cancels_the_upstream() -> None:
    head = fixture("text.sse").split(b"event: content_block_stop")[0]
    async with upstream(content_type="text/event-stream", body=[head], hang=True) as (server, provider):
        async with aclosing(provider.send(cleared(stream=True), CLOCKS)) as deltas:
            assert await asyncio.wait_for(anext(deltas), 5)
        await asyncio.wait_for(server.left.wait(), 5)


STREAM_FAULTS: dict[str, tuple[str, bytes, type[RouterError]]] = {
    "cut between events": (
        "text/event-stream",
        fixture("text.sse").split(b"event: message_stop")[0],
        UpstreamProtocolError,
    ),
    "cut within an event": ("text/event-stream", fixture("text.sse")[:-20], UpstreamProtocolError),
    "empty": ("text/event-stream", b"", UpstreamProtocolError),
    "garbage": ("text/event-stream", b"data: <html>\n\n", UpstreamProtocolError),
    "no stream": ("application/json", fixture("text.json"), UpstreamProtocolError),
    "overloaded": (
        "text/event-stream",
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"no luck"}}\n\n',
        UpstreamUnavailable,
    ),
}


@pytest.mark.anyio
@pytest.mark.parametrize(("content_type", "body", "kind"), STREAM_FAULTS.values(), ids=STREAM_FAULTS)
async def test_a_broken_stream_is_an_error(content_type: str, body: bytes, kind: type[RouterError]) -> None:
    async with upstream(content_type=content_type, body=[body]) as (_, provider):
        with pytest.raises(kind):
            await collect(provider, cleared(stream=True))


STATUSES: list[tuple[int, str, type[RouterError]]] = [
    (400, "invalid_request_error", UpstreamRejected),
    (401, "authentication_error", UpstreamAuthFailed),
    (403, "permission_error", UpstreamAuthFailed),
    (404, "not_found_error", UpstreamUnavailable),
    (429, "rate_limit_error", UpstreamRateLimited),
    (500, "api_error", UpstreamUnavailable),
    (529, "overloaded_error", UpstreamUnavailable),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "code", "kind"), STATUSES, ids=[code for _, code, _ in STATUSES])
async def test_an_error_status_becomes_our_error(status: int, code: str, kind: type[RouterError]) -> None:
    body = {"type": "error", "error": {"type": code, "message": "SECRET"}, "request_id": "req_1"}
    script = [json.dumps(body).encode()]
    async with upstream(status, body=script, headers="retry-after: 3\r\n") as (_, provider):
        with pytest.raises(kind) as caught:
            await collect(provider, cleared(stream=True))
    assert type(caught.value) is kind
    assert "SECRET" not in caught.value.message
    if status in (429, 529):
        assert caught.value.retry_after_s == 3


@pytest.mark.anyio
async def test_a_request_that_cannot_be_translated_is_never_sent() -> None:
    async with upstream(body=[fixture("text.json")]) as (server, provider):
        with pytest.raises(UnsupportedFeature):
            await collect(provider, cleared(n=2))
    assert server.requests == []


@pytest.mark.anyio
async def test_a_clearance_for_another_provider_sends_nothing() -> None:
    async with upstream(body=[fixture("text.json")]) as (server, provider):
        with pytest.raises(LocalityViolation):
            await collect(provider, cleared(provider="other"))
    assert server.requests == []


def test_an_unknown_key_of_the_configuration_is_refused() -> None:
    with pytest.raises(ValidationError):
        anthropic.Config.model_validate({"base_url": "https://api.anthropic.com", "max_tokens": 1})


def test_the_capabilities_are_what_the_translation_can_do() -> None:
    assert frozenset({"tools", "vision", "files", "json_schema"}) == anthropic.CAPABILITIES
