"""An upstream with OpenAI's chat completions that acts as a model would: calls tools, keeps to a schema, answers in words."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

CITIES = ("Oslo", "Bergen")
TEXT = "Hello from the cloud."
SUMMARY = "It is 7 degrees in Oslo and 9 in Bergen."
STRUCTURED = {"city": "Oslo", "degrees": 7}
USAGE = {
    "prompt_tokens": 30,
    "completion_tokens": 12,
    "total_tokens": 42,
    "prompt_tokens_details": {"cached_tokens": 10},
    "completion_tokens_details": {"reasoning_tokens": 4},
}


class Assistant:
    """One server; `received` holds the body of every request."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.url = ""

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        self.received.append(body)
        message, finish = act(body)
        head = {"id": "chatcmpl-7", "created": 1, "model": body["model"]}
        if not body.get("stream"):
            choices = [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}]
            return JSONResponse({**head, "object": "chat.completion", "choices": choices, "usage": USAGE})
        return StreamingResponse(_events(head, message, finish, body), media_type="text/event-stream")


def act(body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Choose (message, finish reason) as a model might."""
    said: dict[str, Any] = {"role": "assistant", "content": TEXT}
    if body["messages"][-1]["role"] == "tool":
        return {**said, "content": SUMMARY}, "stop"
    structured = (body.get("response_format") or {}).get("type") == "json_schema"
    if structured:
        return {**said, "content": json.dumps(STRUCTURED)}, "stop"
    if not body.get("tools"):
        return said, "stop"
    name = body["tools"][0]["function"]["name"]
    choice = body.get("tool_choice")
    wants_answer = choice == "required" or isinstance(choice, dict)
    arguments = [STRUCTURED] if wants_answer else [{"city": city} for city in CITIES]
    calls = [
        {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(each)}}
        for number, each in enumerate(arguments)
    ]
    return {**said, "content": None, "tool_calls": calls}, "tool_calls"


async def _events(
    head: dict[str, Any], message: dict[str, Any], finish: str, body: dict[str, Any]
) -> AsyncIterator[bytes]:
    """Stream a message in small pieces; those of parallel calls come in turns."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "" if message["content"] else None}]
    deltas += [{"content": piece} for piece in _pieces(message["content"] or "")]
    calls = message.get("tool_calls", [])
    for number, call in enumerate(calls):
        deltas.append({"tool_calls": [{"index": number, **call, "function": {**call["function"], "arguments": ""}}]})
    parts = [list(_pieces(call["function"]["arguments"])) for call in calls]
    for step in range(max(map(len, parts), default=0)):
        for number, part in enumerate(parts):
            if step < len(part):
                deltas.append({"tool_calls": [{"index": number, "function": {"arguments": part[step]}}]})
    ends: list[str | None] = [*[None] * len(deltas), finish]
    for delta, end in zip([*deltas, {}], ends, strict=True):
        choices = [{"index": 0, "delta": delta, "finish_reason": end, "logprobs": None}]
        yield _frame({**head, "object": "chat.completion.chunk", "choices": choices})
    if (body.get("stream_options") or {}).get("include_usage"):
        yield _frame({**head, "object": "chat.completion.chunk", "choices": [], "usage": USAGE})
    yield b"data: [DONE]\n\n"


def _pieces(text: str) -> list[str]:
    return [text[start : start + 5] for start in range(0, len(text), 5)]


def _frame(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


@asynccontextmanager
async def assistant() -> AsyncGenerator[Assistant]:
    """Run one on loopback."""
    one = Assistant()
    app = Starlette(routes=[Route("/v1/chat/completions", one._chat, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(30):
            while not server.started:
                await asyncio.sleep(0.01)
        one.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
        yield one
    finally:
        server.should_exit = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(serving, 10)
