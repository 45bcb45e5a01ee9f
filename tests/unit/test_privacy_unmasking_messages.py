"""Masked values go back into Anthropic's answers: whole, and in streams with placeholders cut anywhere."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.core.types import Delta, Dialect
from router.privacy.masking import Vault
from router.privacy.unmasking import Unmasker

VAULT = Vault(bytes(32))
ANN = VAULT.placeholder("PERSON", 'Ann "Al" Lee\\')
MAIL = VAULT.placeholder("EMAIL_ADDRESS", "ann@example.com")
SIGNATURE = f"EqQB{ANN}"
FIELD = {"text": "text", "thinking": "thinking"}
PIECE = {"text": "text_delta", "thinking": "thinking_delta", "tool_use": "input_json_delta"}


def restored(deltas: list[Delta], response_format: Any = None) -> list[Delta]:
    one = Unmasker(VAULT, response_format)
    return [out for delta in deltas for out in one.restore(delta)]


def whole(*content: dict[str, Any], response_format: Any = None) -> list[dict[str, Any]]:
    payload = json.dumps({"type": "message", "role": "assistant", "content": list(content)}).encode()
    (out,) = restored([Delta(payload=payload, dialect=Dialect.MESSAGES)], response_format)
    return json.loads(out.payload)["content"]


def event(kind: str, **fields: Any) -> Delta:
    payload = json.dumps({"type": kind, **fields}).encode()
    return Delta(payload=payload, dialect=Dialect.MESSAGES, event=kind.encode())


def streamed(blocks: list[dict[str, Any]], cuts: random.Random) -> list[Delta]:
    """Write the events of an answer, each text cut at random."""
    events = [event("message_start", message={"content": []}), event("ping")]
    for index, block in enumerate(blocks):
        kind = block["type"]
        if kind not in PIECE:
            events.append(event("content_block_start", index=index, content_block=block))
        else:
            text = json.dumps(block["input"]) if kind == "tool_use" else block[FIELD[kind]]
            start = {**block, "input": {}} if kind == "tool_use" else {**block, FIELD[kind]: ""}
            start.pop("signature", None)
            events.append(event("content_block_start", index=index, content_block=start))
            edges = sorted(cuts.randrange(len(text) + 1) for _ in range(cuts.randrange(12)))
            name = {"tool_use": "partial_json"}.get(kind, kind)
            for begin, end in zip([0, *edges], [*edges, len(text)], strict=True):
                delta = {"type": PIECE[kind], name: text[begin:end]}
                events.append(event("content_block_delta", index=index, delta=delta))
            if "signature" in block:
                delta = {"type": "signature_delta", "signature": block["signature"]}
                events.append(event("content_block_delta", index=index, delta=delta))
        events.append(event("content_block_stop", index=index))
    return [*events, event("message_delta", delta={"stop_reason": "end_turn"}, usage={}), event("message_stop")]


def fold(deltas: list[Delta]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    pieces = ""
    ended: set[int] = set()
    for delta in deltas:
        one = json.loads(delta.payload)
        assert delta.event == one["type"].encode()
        match one["type"]:
            case "content_block_start":
                blocks.append(one["content_block"])
                pieces = ""
            case "content_block_delta":
                assert one["index"] not in ended
                kind, block = one["delta"]["type"], blocks[one["index"]]
                if kind == "input_json_delta":
                    pieces += one["delta"]["partial_json"]
                elif kind == "signature_delta":
                    block["signature"] = one["delta"]["signature"]
                else:
                    assert "signature" not in block, "text after its signature"
                    name = kind.removesuffix("_delta")
                    block[name] += one["delta"][name]
            case "content_block_stop":
                ended.add(one["index"])
                if blocks[one["index"]]["type"] == "tool_use":
                    blocks[one["index"]]["input"] = json.loads(pieces)
            case _:
                pass
    return blocks


TEXT = st.lists(
    st.sampled_from([ANN, MAIL, "<", "<PERS", "<PERSON_", ">", "x", "\n", "é", " and ", '"', "\\"]), max_size=8
)
BLOCK = st.one_of(
    st.builds(lambda parts: {"type": "text", "text": "".join(parts)}, TEXT),
    st.builds(lambda parts: {"type": "thinking", "thinking": "".join(parts), "signature": SIGNATURE}, TEXT),
    st.builds(
        lambda one, two: {
            "type": "tool_use",
            "id": "t",
            "name": "f",
            "input": {"a": "".join(one), "b": [{ANN: "".join(two)}]},
        },
        TEXT,
        TEXT,
    ),
    st.just({"type": "redacted_thinking", "data": f"x{ANN}"}),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(BLOCK, max_size=4), st.integers(0, 2**32))
def test_a_stream_cut_anywhere_is_restored_as_the_whole_answer_is(blocks: list[dict[str, Any]], seed: int) -> None:
    expected = whole(*json.loads(json.dumps(blocks)))
    assert fold(restored(streamed(blocks, random.Random(seed)))) == expected


def test_every_text_of_a_whole_answer_is_restored_and_nothing_opaque_is() -> None:
    said, thought, used, kept = whole(
        {"type": "text", "text": f"Hi {ANN}", "citations": [{"type": "char_location", "cited_text": ANN}]},
        {"type": "thinking", "thinking": ANN, "signature": SIGNATURE},
        {"type": "tool_use", "id": ANN, "name": "f", "input": {"to": [MAIL, 3, None], MAIL: {"deep": ANN}}},
        {"type": "redacted_thinking", "data": ANN},
    )
    assert said["text"] == 'Hi Ann "Al" Lee\\'
    assert said["citations"][0]["cited_text"] == 'Ann "Al" Lee\\'
    assert thought == {"type": "thinking", "thinking": 'Ann "Al" Lee\\', "signature": SIGNATURE}
    assert used["input"] == {"to": ["ann@example.com", 3, None], "ann@example.com": {"deep": 'Ann "Al" Lee\\'}}
    assert used["id"] == ANN
    assert kept["data"] == ANN


def test_text_that_was_asked_for_as_json_stays_json() -> None:
    content = {"type": "text", "text": json.dumps({"name": ANN})}
    schema = {"type": "json_schema", "json_schema": {}}
    (out,) = whole(content, response_format=schema)
    assert json.loads(out["text"]) == {"name": 'Ann "Al" Lee\\'}
    (block,) = fold(restored(streamed([content], random.Random(1)), schema))
    assert block["text"] == out["text"]


def test_what_a_block_without_an_end_holds_back_is_given_out_before_the_answer_s() -> None:
    events = [
        event("content_block_start", index=0, content_block={"type": "text", "text": "<PER"}),
        event("content_block_delta", index=0, delta={"type": "citations_delta", "citation": {"cited_text": MAIL}}),
        event("message_delta", delta={"stop_reason": "max_tokens"}),
    ]
    out = [json.loads(delta.payload) for delta in restored(events)]
    assert out[0]["content_block"]["text"] == ""
    assert out[1]["delta"]["citation"]["cited_text"] == "ann@example.com"
    assert out[2]["delta"] == {"type": "text_delta", "text": "<PER"}
    assert out[3]["type"] == "message_delta"


@pytest.mark.parametrize(
    "payload", [{"type": "content_block_delta"}, {"type": 3}, {"content": 1}, {"type": "message", "content": [1]}]
)
def test_events_of_other_shapes_pass(payload: dict[str, Any]) -> None:
    (out,) = restored([Delta(payload=json.dumps(payload).encode(), dialect=Dialect.MESSAGES)])
    assert json.loads(out.payload) == payload


def test_a_count_passes() -> None:
    (out,) = restored([Delta(payload=b'{"input_tokens":3}', dialect=Dialect.COUNT_TOKENS)])
    assert out.payload == b'{"input_tokens":3}'


def test_thinking_blocks_of_a_chat_answer_are_restored() -> None:
    block = {"type": "thinking", "thinking": ANN, "signature": SIGNATURE}
    for place in ("message", "delta"):
        payload = {"choices": [{"index": 0, place: {"thinking_blocks": [dict(block)]}}]}
        (out,) = restored([Delta(payload=json.dumps(payload).encode())])
        (thought,) = json.loads(out.payload)["choices"][0][place]["thinking_blocks"]
        assert thought == {**block, "thinking": 'Ann "Al" Lee\\'}
