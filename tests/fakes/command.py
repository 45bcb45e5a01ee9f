"""Recorded answers of Cohere's v2 chat, whole and streamed, and what they come to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from router.core.types import Delta, Usage
from router.wire import sse
from router.wire.outbound.cohere import decode_answer

FIXTURES = Path(__file__).parent.parent / "fixtures" / "cohere"
NAMES = ("text", "tools", "thinking")
USER = {"role": "user", "content": "hi"}
PLAIN = {"model": "command-x", "messages": [USER], "stream": False}


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def call(call_id: str, arguments: str, name: str = "weather") -> dict[str, object]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


USAGES = {
    "text": Usage(input_tokens=100, output_tokens=7, cached_input_tokens=85),
    "tools": Usage(input_tokens=100, output_tokens=40),
    "thinking": Usage(input_tokens=100, output_tokens=20),
}
CALLS = [call("weather_01", '{"city":"Köln","days":1.0}'), call("now_02", "{}", "now")]
FINISH = {"text": "stop", "tools": "tool_calls", "thinking": "stop"}


def whole(name: str) -> Delta:
    return decode_answer(fixture(f"{name}.json"), "co", "command-x", 123)


def events(name: str) -> list[dict[str, Any]]:
    return [json.loads(event.data) for event in sse.Parser().feed(fixture(name))]
