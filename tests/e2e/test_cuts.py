"""However an upstream's stream is cut, of whichever kind and for whichever dialect: all of it, or an error that clients raise."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

from router.selftest.dialects import bedrock, cohere
from tests.fakes.cloud import chunk
from tests.fakes.cloud_responses import events, frames, message
from tests.fakes.scripted import Reply
from tests.fakes.upstreams import KINDS, Upstreams, every_upstream

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

TEXT = "Hello there, 你好 and goodbye"
QUESTION: Any = [{"role": "user", "content": "Hi"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": QUESTION},
    "/v1/completions": {"prompt": "Hi"},
    "/v1/responses": {"input": "Hi"},
    "/v1/messages": {"messages": QUESTION, "max_tokens": 9},
}
PIECES = [TEXT[start : start + 7] for start in range(0, len(TEXT), 7)]
RANDOM_CUTS = 200


def _named(found: list[dict[str, Any]]) -> list[bytes]:
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in found]


def _claude() -> list[bytes]:
    usage = {"input_tokens": 9, "output_tokens": 2}
    start = {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": [], "stop_reason": None,
             "stop_sequence": None, "usage": usage}  # fmt: skip
    deltas: list[dict[str, Any]] = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}} for piece in PIECES
    ]
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    return _named(
        [
            {"type": "message_start", "message": start},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            *deltas,
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": stop, "usage": usage},
            {"type": "message_stop"},
        ]
    )


def _gemini() -> list[dict[str, Any]]:
    parts = [{"content": {"role": "model", "parts": [{"text": piece}]}} for piece in PIECES]
    parts[-1]["finishReason"] = "STOP"
    return [{"candidates": [part], "modelVersion": "g", "responseId": "r"} for part in parts]


def _completions() -> list[bytes]:
    head = {"id": "c", "object": "text_completion", "created": 1, "model": "ok"}
    texts = [{"text": piece, "index": 0, "logprobs": None, "finish_reason": None} for piece in PIECES]
    texts.append({"text": "", "index": 0, "logprobs": None, "finish_reason": "stop"})
    return [*(b"data: %b\n\n" % json.dumps({**head, "choices": [one]}).encode() for one in texts), b"data: [DONE]\n\n"]


def whole_stream(kind: str, path: str) -> list[bytes]:
    """The events of an upstream's whole answer, as bytes."""
    match kind, path:
        case "all", "/v1/responses":
            return frames(events({"model": "ok"}, [message(TEXT)]))
        case "all", "/v1/completions":
            return _completions()
        case "claude", _:
            return _claude()
        case "gemini", _:
            return [b"data: " + json.dumps(one).encode() + b"\r\n\r\n" for one in _gemini()]
        case "cohere", _:
            return list(cohere.events("m", TEXT))
        case "bedrock", _:
            return list(bedrock.events("m", TEXT))
        case _:
            deltas = [chunk("ok", {"content": piece}) for piece in PIECES]
            return [chunk("ok", {"role": "assistant"}), *deltas, chunk("ok", {}, "stop"), b"data: [DONE]\n\n"]


def cut_at(upstreams: Upstreams, stream: list[bytes], place: int, *, clean: bool) -> None:
    """Let every upstream send so many bytes of this stream; `clean`: Gemini's cut looks like an end."""
    cloud, fake = upstreams.stack.cloud, upstreams.gemini
    cloud.events = cloud.frames = stream
    cloud.cut = place
    fake.script = lambda model, body: _gemini()
    fake.cut_at, fake.clean_cut = place, clean
    kind = bedrock.STREAM_TYPE if stream[0][:1] == b"\0" else "text/event-stream"
    upstreams.others.answer = lambda asked: Reply([b"".join(stream)[:place]], content_type=kind)


@pytest.fixture(scope="module")
async def upstreams(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Upstreams]:
    folder, privacy = tmp_path_factory.mktemp("cuts"), {"scan": {"enabled": False}}
    async with every_upstream(folder, {**privacy}, fallback_local=False) as one:
        yield one


def said(value: Any) -> str:
    """Join the texts of an event, whatever its dialect."""
    match value:
        case {"choices": [{"delta": {"content": str(text)}}]} | {"choices": [{"text": str(text)}]}:
            return text
        case {"type": "response.output_text.delta", "delta": str(text)}:
            return text
        case {"type": "content_block_delta", "delta": {"text": str(text)}}:
            return text
        case _:
            return ""


def outcome(path: str, answer: httpx.Response) -> str:
    """Say how an answer ended: `status`, `error` or `whole`; anything else is a failure."""
    is_anthropic = path == "/v1/messages"
    if answer.status_code != 200:
        assert answer.json()["error"]["code"] in (
            "upstream_unavailable",
            "upstream_protocol_error",
            "all_targets_failed",
        )
        assert ("type" in answer.json()) is is_anthropic
        return "status"
    datas = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    told = [json.loads(data) for data in datas if data != "[DONE]"]
    text = "".join(map(said, told))
    assert TEXT.startswith(text)
    if "error" in told[-1] and told[-1].get("type", "error") == "error":
        assert datas[-1] != "[DONE]"
        assert told[-1]["error"]["code"] == "stream_interrupted"
        return "error"
    assert text == TEXT
    if path == "/v1/responses" or is_anthropic:
        assert told[-1]["type"] in ("response.completed", "message_stop")
    else:
        assert datas[-1] == "[DONE]"
    return "whole"


@pytest.fixture(scope="module")
async def clients(upstreams: Upstreams) -> AsyncGenerator[dict[str, Any]]:
    """The official client's method for each path."""
    url = upstreams.stack.url
    async with (
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as ours,
        anthropic.AsyncAnthropic(base_url=url, api_key="x", max_retries=0) as theirs,
    ):
        yield {
            "/v1/chat/completions": ours.chat.completions.create,
            "/v1/completions": ours.completions.create,
            "/v1/responses": ours.responses.create,
            "/v1/messages": theirs.messages.create,
        }


async def read(create: Any, kind: str, path: str) -> str:
    """Read a stream with the official client; return its text, or raise what that raises."""
    stream: AsyncIterator[Any] = await create(model=kind, stream=True, **BODIES[path])
    return "".join([said(event.to_dict()) async for event in stream])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", BODIES)
async def test_a_cut_stream_is_whole_or_an_error_that_the_client_raises(
    upstreams: Upstreams, clients: dict[str, Any], path: str, kind: str
) -> None:
    stream = whole_stream(kind, path)
    size = len(b"".join(stream))
    edges = [0, *itertools.accumulate(len(event) for event in stream)]
    chance = random.Random(f"{kind} {path}")
    counts = {"whole": 0, "status": 0, "error": 0}
    raised = 0
    body = {"model": kind, **BODIES[path], "stream": True}
    async with httpx.AsyncClient(base_url=upstreams.stack.url, trust_env=False, timeout=20) as http:
        for place in [*edges, *(chance.randrange(size) for _ in range(RANDOM_CUTS))]:
            cut_at(upstreams, stream, place, clean=place == size or place % 2 == 0)
            ended = outcome(path, await http.post(path, json=body))
            counts[ended] += 1
            try:
                assert await read(clients[path], kind, path) == TEXT
                assert ended == "whole"
            except (openai.APIError, anthropic.APIError):
                assert ended != "whole"
                raised += 1
    assert counts["whole"] >= 1
    assert counts["status"] >= 1
    assert counts["error"] >= 20
    assert raised == counts["status"] + counts["error"]
