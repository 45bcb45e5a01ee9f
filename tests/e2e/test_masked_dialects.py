"""Masked requests through every dialect to every kind of upstream: no value leaves, no placeholder comes back."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from router.selftest.dialects import bedrock
from tests.fakes.cloud_responses import call, message, thought
from tests.fakes.scripted import Asked, Reply
from tests.fakes.upstreams import KINDS, Upstreams, every_upstream

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

MAIL = "maria.gonzalez@example.com"
PLACEHOLDER = re.compile(r"<[A-Z_]+_[A-Z2-7]{6,}>")
PROMPT = f"Write to {MAIL} about it"
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}
DIALECTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "messages": [{"role": "user", "content": PROMPT}],
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}],
    },
    "/v1/completions": {"prompt": PROMPT},
    "/v1/responses": {"input": PROMPT, "tools": [{"type": "function", "name": "weather", "parameters": WEATHER}]},
    "/v1/messages": {
        "messages": [{"role": "user", "content": PROMPT}],
        "max_tokens": 2000,
        "tools": [{"name": "weather", "input_schema": WEATHER}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    },
}


@pytest.fixture(scope="module")
async def upstreams(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Upstreams]:
    privacy: dict[str, object] = {"on_sensitive": "mask", "scan": {"deadline_ms": 8000}}
    async with every_upstream(tmp_path_factory.mktemp("masked"), privacy) as one:
        one.stack.cloud.recording = True
        yield one


@pytest.fixture
async def http(upstreams: Upstreams) -> AsyncGenerator[httpx.AsyncClient]:
    # A named session gives its values the same placeholders in every request.
    headers = {"x-router-session": "masked"}
    async with httpx.AsyncClient(base_url=upstreams.stack.url, trust_env=False, timeout=60, headers=headers) as one:
        yield one


def pieces(text: str) -> list[str]:
    return [text[start : start + 5] for start in range(0, len(text), 5)]


def claude_events(name: str) -> list[dict[str, Any]]:
    """Think, speak, cite and call, with a placeholder in each."""
    usage = {"input_tokens": 9, "output_tokens": 2}
    start = {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": [], "stop_reason": None,
             "stop_sequence": None, "usage": usage}  # fmt: skip
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [
        (
            {"type": "thinking", "thinking": "", "signature": ""},
            [
                *({"type": "thinking_delta", "thinking": piece} for piece in pieces(f"So {name}?<")),
                {"type": "signature_delta", "signature": "c2lnbmF0dXJl"},
            ],
        ),
        ({"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(f"To {name}!")]),
        (
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}},
            [{"type": "input_json_delta", "partial_json": piece} for piece in pieces(json.dumps({"city": name}))],
        ),
    ]
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    for index, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    stop = {"stop_reason": "tool_use", "stop_sequence": None}
    return [*events, {"type": "message_delta", "delta": stop, "usage": usage}, {"type": "message_stop"}]


def claude_whole(name: str) -> dict[str, Any]:
    content = [
        {"type": "thinking", "thinking": f"So {name}?<", "signature": "c2lnbmF0dXJl"},
        {"type": "text", "text": f"To {name}!"},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": name}},
    ]
    return {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": content,
            "stop_reason": "tool_use", "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 2}}  # fmt: skip


def gemini_events(name: str) -> list[dict[str, Any]]:
    def event(part: dict[str, Any], **more: Any) -> dict[str, Any]:
        usage = {"promptTokenCount": 5, "candidatesTokenCount": 5, "totalTokenCount": 10}
        candidate = {"content": {"role": "model", "parts": [part]}, **more}
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "g", "responseId": "r"}

    grounding = {
        "webSearchQueries": [f"who is {name}"],
        "groundingChunks": [{"web": {"uri": "https://example.com", "title": f"About {name}"}}],
        "groundingSupports": [{"segment": {"text": f"To {name}", "endIndex": 9}, "groundingChunkIndices": [0]}],
    }
    return [
        *(event({"text": piece, "thought": True}) for piece in pieces(f"So {name}?<")),
        *(event({"text": piece}) for piece in pieces(f"To {name}!")),
        event({"functionCall": {"name": "weather", "args": {"city": name}}}),
        event({"text": ""}, finishReason="STOP", groundingMetadata=grounding),
    ]


def cohere_reply(name: str, *, stream: bool) -> Reply:
    citation = {
        "start": 3,
        "end": 9,
        "text": name,
        "sources": [{"type": "document", "id": "d", "document": {"x": name}}],
    }
    usage = {"tokens": {"input_tokens": 10, "output_tokens": 10}}
    arguments = json.dumps({"city": name})
    if not stream:
        content = [{"type": "thinking", "thinking": f"So {name}?<"}, {"type": "text", "text": f"To {name}!"}]
        calls = [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": arguments}}]
        said = {"role": "assistant", "content": content, "tool_calls": calls, "citations": [citation]}
        whole = {"id": "c", "finish_reason": "TOOL_CALL", "message": said, "usage": usage}
        return Reply([json.dumps(whole).encode()])
    call_ = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    events: list[tuple[str, Any]] = [
        ("message-start", {"role": "assistant"}),
        ("content-start", {"content": {"type": "thinking", "thinking": ""}}),
        *(("content-delta", {"content": {"thinking": piece}}) for piece in pieces(f"So {name}?<")),
        ("content-end", None),
        ("content-start", {"content": {"type": "text", "text": ""}}),
        *(("content-delta", {"content": {"text": piece}}) for piece in pieces(f"To {name}!")),
        ("citation-start", {"citations": citation}),
        ("citation-end", None),
        ("content-end", None),
        ("tool-call-start", {"tool_calls": call_}),
        *(("tool-call-delta", {"tool_calls": {"function": {"arguments": piece}}}) for piece in pieces(arguments)),
        ("tool-call-end", None),
    ]
    frames = [{"type": kind, "id": "c", "index": 0, "delta": {"message": said}} for kind, said in events]
    frames.append({"type": "message-end", "id": "c", "delta": {"finish_reason": "TOOL_CALL", "usage": usage}})
    lines = [f"event: {frame['type']}\ndata: {json.dumps(frame)}\n\n".encode() for frame in frames]
    return Reply(lines, content_type="text/event-stream")


def bedrock_reply(name: str, *, stream: bool) -> Reply:
    usage = {"inputTokens": 10, "outputTokens": 10, "totalTokens": 20}
    if not stream:
        content = [
            {"reasoningContent": {"reasoningText": {"text": f"So {name}?<", "signature": "c2ln"}}},
            {"text": f"To {name}!"},
            {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": name}}},
        ]
        said = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "tool_use"}
        return Reply([json.dumps({**said, "usage": usage, "metrics": {"latencyMs": 1}}).encode()])
    deltas = [
        *((0, {"reasoningContent": {"text": piece}}) for piece in pieces(f"So {name}?<")),
        (0, {"reasoningContent": {"signature": "c2ln"}}),
        *((1, {"text": piece}) for piece in pieces(f"To {name}!")),
        *((2, {"toolUse": {"input": piece}}) for piece in pieces(json.dumps({"city": name}))),
    ]
    events: list[tuple[str, Any]] = [("messageStart", {"role": "assistant"})]
    for index in range(3):
        if index == 2:
            start = {"toolUse": {"toolUseId": "t1", "name": "weather"}}
            events.append(("contentBlockStart", {"contentBlockIndex": 2, "start": start}))
        events += [("contentBlockDelta", {"contentBlockIndex": at, "delta": one}) for at, one in deltas if at == index]
        events.append(("contentBlockStop", {"contentBlockIndex": index}))
    events += [("messageStop", {"stopReason": "tool_use"}), ("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})]
    return Reply([bedrock.event(*event) for event in events], content_type=bedrock.STREAM_TYPE)


def script(upstreams: Upstreams, kind: str, name: str, *, stream: bool) -> None:
    """Let each upstream of this kind answer with the placeholder in every place it has."""
    cloud = upstreams.stack.cloud
    tool = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": json.dumps({"city": name})}}
    cloud.turn = lambda body: {"reasoning_content": f"So {name}?<", "content": f"To {name}!", "tool_calls": [tool]}
    cloud.answer = lambda body: f"To {name}!"
    cloud.respond = lambda body: [
        {**thought(), "summary": [{"type": "summary_text", "text": f"So {name}?<"}]},
        message(f"To {name}!"),
        call("weather", {"city": name}, "c1"),
    ]
    lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in claude_events(name)]
    is_claude = kind == "claude"
    cloud.events = lines if is_claude else None
    cloud.payload = json.dumps(claude_whole(name)).encode() if is_claude else None
    upstreams.gemini.script = lambda model, body: gemini_events(name)

    def answer(asked: Asked) -> Reply:
        reply = cohere_reply if asked.path == "/v2/chat" else bedrock_reply
        return reply(name, stream=stream)

    upstreams.others.answer = answer


def left(upstreams: Upstreams) -> bytes:
    """All that the upstreams were sent, which is forgotten then."""
    cloud = upstreams.stack.cloud
    sent = [one.everything for one in cloud.requests]
    sent += [json.dumps(one.body).encode() for one in upstreams.gemini.requests]
    sent += [one.body for one in upstreams.others.requests]
    for kept in (cloud.received, cloud.requests, cloud.headers, upstreams.gemini.requests, upstreams.others.requests):
        kept.clear()
    return b"\n".join(sent)


def texts(value: Any, place: tuple[Any, ...], found: dict[tuple[Any, ...], str]) -> None:
    """Join the texts of each place over a stream's events."""
    if isinstance(value, str):
        found[place] += value
    elif isinstance(value, dict):
        at = next((value[name] for name in ("output_index", "index") if name in value), None)
        for name, inner in value.items():
            texts(inner, (*place, name, at), found)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            texts(inner, (*place, index), found)


async def placeholder(upstreams: Upstreams, http: httpx.AsyncClient) -> str:
    """Learn what the session calls the address."""
    left(upstreams)
    await http.post("/v1/chat/completions", json={"model": "chat-only", **DIALECTS["/v1/chat/completions"]})
    return PLACEHOLDER.findall(left(upstreams).decode())[0]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", DIALECTS)
async def test_no_value_leaves_and_no_placeholder_comes_back(
    upstreams: Upstreams, http: httpx.AsyncClient, path: str, kind: str, stream: bool
) -> None:
    script(upstreams, "", "x", stream=False)
    name = await placeholder(upstreams, http)
    script(upstreams, kind, name, stream=stream)
    answer = await http.post(path, json={"model": kind, **DIALECTS[path], "stream": stream})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-router-locality"] == "cloud"
    sent = left(upstreams)
    assert name.encode() in sent
    assert MAIL.encode() not in sent
    lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")] if stream else [answer.text]
    found: dict[tuple[Any, ...], str] = defaultdict(str)
    for line in lines:
        texts(json.loads(line), (), found)
    assert not PLACEHOLDER.search(answer.text)
    assert not [place for place, text in found.items() if PLACEHOLDER.search(text)]
    assert f"To {MAIL}!" in found.values()
    if path == "/v1/completions":
        return
    arguments = [text for text in found.values() if re.match(r'\{\s*"city"', text)]
    called = [json.loads(text)["city"] for text in arguments] or [text for text in found.values() if text == MAIL]
    assert called
    assert set(called) == {MAIL}
    assert any(text.startswith(f"So {MAIL}?<") for text in found.values())
