"""Recorded answers of Amazon Bedrock's Converse, whole and as event streams, and what they come to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from router.core.types import Delta, Usage
from router.selftest.dialects import bedrock as mock
from router.wire.outbound._bedrock_answer import decode_answer
from router.wire.outbound._hub import Head

FIXTURES = Path(__file__).parent.parent / "fixtures" / "bedrock"
NAMES = ("text", "tools", "thinking")
MISTRAL = "mistral.mistral-large-2407-v1:0"
ARN = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc123"
TURN = {"role": "user", "content": [{"text": "hi"}]}
THINKING = {"type": "thinking", "thinking": "Two and two.", "signature": "EqMBsig=="}
REDACTED = {"type": "redacted_thinking", "data": "ErUB-opaque"}


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def call(call_id: str, arguments: str, name: str = "weather") -> dict[str, object]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


HEAD = Head(id="chatcmpl-r", model="m", created_s=123)
USAGES = {
    "text": Usage(input_tokens=100, output_tokens=7, cached_input_tokens=85, cache_write_tokens=10),
    "tools": Usage(input_tokens=100, output_tokens=40),
    "thinking": Usage(input_tokens=50, output_tokens=60),
}
CALLS = [call("tooluse_01", '{"city":"Köln","days":1.0}'), call("tooluse_02", "{}", "now")]
FINISH = {"text": "stop", "tools": "tool_calls", "thinking": "stop"}


def whole(name: str) -> Delta:
    return decode_answer(fixture(f"{name}.json"), "aws", HEAD)


def events(name: str) -> list[tuple[str, dict[str, Any]]]:
    return [(kind, fields) for kind, fields in json.loads(fixture(f"{name}.events.json"))]


def frames(name: str) -> list[bytes]:
    return [mock.event(kind, fields) for kind, fields in events(name)]
