"""Values go back into every place of an answer that can hold text, and a broken answer is the upstream's fault."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from router.core.errors import UpstreamProtocolError
from router.core.types import Delta, JsonValue
from router.privacy.masking import Vault
from router.privacy.unmasking import Unmasker

VAULT = Vault(bytes(32))
ANN = VAULT.placeholder("PERSON", 'Ann "Al" Lee')
REST = ANN.removeprefix("<PERS")


def unmasker(response_format: JsonValue = None) -> Unmasker:
    return Unmasker(VAULT, response_format)


def restore(one: Unmasker, **choice: Any) -> dict[str, Any]:
    payload = msgspec.json.encode({"choices": [{"index": 0, **choice}]})
    return msgspec.json.decode(one.restore(Delta(payload=payload))[-1].payload)["choices"][0]


def test_parts_and_legacy_calls_of_a_whole_answer_are_restored() -> None:
    message = {
        "content": [{"type": "text", "text": f"Hi {ANN}"}, {"type": "x"}, "y"],
        "function_call": {"name": "f", "arguments": f'{{"a": "{ANN}"}}'},
    }
    restored = restore(unmasker(), message=message, finish_reason="stop")["message"]
    assert restored["content"][0]["text"] == 'Hi Ann "Al" Lee'
    assert msgspec.json.decode(restored["function_call"]["arguments"]) == {"a": 'Ann "Al" Lee'}


@pytest.mark.parametrize("finish", [{"delta": None}, {}, {"delta": {}}, {"delta": {"content": None}}])
def test_a_finish_chunk_releases_what_is_held_back(finish: dict[str, Any]) -> None:
    one = unmasker()
    assert restore(one, delta={"content": "is <PERS"})["delta"]["content"] == "is "
    assert restore(one, finish_reason="stop", **finish)["delta"]["content"] == "<PERS"


def test_legacy_calls_and_parts_of_a_stream_are_restored() -> None:
    one = unmasker()
    pieces: list[str] = []
    for piece in ('{"a": "<PERS', f'{REST}"}}', "<"):
        pieces.append(
            restore(one, delta={"function_call": {"arguments": piece}})["delta"]["function_call"]["arguments"]
        )
    last = restore(one, delta=None, finish_reason="function_call")["delta"]
    assert "".join(pieces) + last["function_call"]["arguments"] == '{"a": "Ann \\"Al\\" Lee"}<'
    assert restore(one, delta={"content": [{"type": "text", "text": "<PERS"}]})["delta"]["content"][0]["text"] == ""
    assert restore(one, delta={"content": [{"type": "text", "text": REST}]})["delta"]["content"][0]["text"] == (
        'Ann "Al" Lee'
    )


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"{", b'{"a": "\xff"}', b'{"a":' + b"[" * 100_000, b'{"a": "\\ud800"}']
)
def test_an_answer_that_can_not_be_read_is_the_upstreams_fault(payload: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        unmasker().restore(Delta(payload=payload))


def test_content_that_was_asked_for_as_json_stays_json() -> None:
    content = f'{{"name": "{ANN}"}}'
    one = unmasker({"type": "json_schema", "json_schema": {}})
    whole = restore(one, message={"content": content}, finish_reason="stop")["message"]["content"]
    assert msgspec.json.decode(whole) == {"name": 'Ann "Al" Lee'}
    pieces = [restore(one, delta={"content": char})["delta"]["content"] for char in content]
    assert "".join(pieces) == whole
    assert restore(unmasker({"type": "text"}), message={"content": ANN})["message"]["content"] == 'Ann "Al" Lee'
