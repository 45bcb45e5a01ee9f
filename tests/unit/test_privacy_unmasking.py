"""Values go back into every place of an answer that can hold text, and a broken answer is the upstream's fault."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from router.core.errors import UpstreamProtocolError
from router.core.types import Delta, Dialect, JsonValue
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


def tokens(*texts: str) -> list[dict[str, Any]]:
    return [
        {"token": text, "bytes": [*text.encode()], "logprob": -1.0, "top_logprobs": [{"token": text, "logprob": -1.0}]}
        for text in texts
    ]


def test_tokens_of_a_whole_answer_add_up_to_its_text() -> None:
    restored = restore(
        unmasker(),
        message={"content": f"To {ANN}<"},
        logprobs={"content": tokens("To ", ANN[:5], ANN[5:9], ANN[9:], "<"), "refusal": None},
        finish_reason="stop",
    )
    told = restored["logprobs"]["content"]
    assert [one["token"] for one in told] == ["To ", "", "", 'Ann "Al" Lee', "<"]
    assert [bytes(one["bytes"]).decode() for one in told] == [one["token"] for one in told]


@pytest.mark.parametrize("at_end", [False, True])
def test_tokens_of_a_stream_add_up_to_its_text(at_end: bool) -> None:
    one, said, told = unmasker(), "", ""
    pieces = [*("To ", ANN[:5], ANN[5:9], ANN[9:]), "!", "<"]
    for piece in pieces:
        is_last = at_end and piece == "<"
        choice = restore(
            one,
            delta={"content": piece},
            logprobs={"content": tokens(piece), "refusal": None},
            finish_reason="stop" if is_last else None,
        )
        said += choice["delta"]["content"]
        told += "".join(token["token"] for token in choice["logprobs"]["content"])
    if not at_end:
        last = restore(one, delta={}, logprobs=None, finish_reason="stop")
        said += last["delta"]["content"]
        told += "".join(token["token"] for token in last["logprobs"]["content"])
    assert said == told == 'To Ann "Al" Lee!<'


def completion(one: Unmasker, **choice: Any) -> dict[str, Any]:
    payload = msgspec.json.encode({"choices": [{"index": 0, **choice}]})
    delta = Delta(payload=payload, dialect=Dialect.COMPLETIONS)
    return msgspec.json.decode(one.restore(delta)[-1].payload)["choices"][0]


def test_tokens_of_a_completion_add_up_to_its_text_and_say_where_they_stand() -> None:
    texts = ["To ", ANN[:5], ANN[5:], "!"]
    offsets = [0, 3, 8, 3 + len(ANN)]
    held = {"tokens": texts, "token_logprobs": [-1] * 4, "top_logprobs": [{ANN: -1}] * 4, "text_offset": offsets}
    restored = completion(unmasker(), text="".join(texts), logprobs=held, finish_reason="stop")
    told = restored["logprobs"]
    assert told["tokens"] == ["To ", "", 'Ann "Al" Lee', "!"]
    assert told["text_offset"] == [0, 3, 3, 3 + len('Ann "Al" Lee')]
    assert told["top_logprobs"] == [{'Ann "Al" Lee': -1}] * 4


def test_a_whole_completion_that_does_not_say_that_it_is_over_holds_nothing_back() -> None:
    one = Unmasker(VAULT, is_whole=True)
    assert completion(one, text="Hi <PERS", logprobs=None)["text"] == "Hi <PERS"


def test_what_stands_beside_the_text_is_restored_and_what_is_opaque_is_not() -> None:
    beside = {
        "annotations": [{"type": "url_citation", "url_citation": {"title": ANN}}],
        "citations": [{"text": ANN, "sources": [{"id": ANN, "document": {ANN: ANN}}]}],
        "extra_content": {"google": {"thought_signature": ANN, "grounding_metadata": {"webSearchQueries": [ANN]}}},
        "audio": {"id": ANN, "data": ANN, "transcript": ANN},
    }
    for name in ("message", "delta"):
        restored = restore(unmasker(), **{name: beside})[name]
        assert restored["annotations"][0]["url_citation"]["title"] == 'Ann "Al" Lee'
        assert restored["citations"][0]["sources"] == [{"id": ANN, "document": {'Ann "Al" Lee': 'Ann "Al" Lee'}}]
        assert restored["extra_content"]["google"]["thought_signature"] == ANN
        assert restored["extra_content"]["google"]["grounding_metadata"] == {"webSearchQueries": ['Ann "Al" Lee']}
        assert restored["audio"] == {"id": ANN, "data": ANN, "transcript": 'Ann "Al" Lee'}


def test_thinking_blocks_that_come_in_pieces_are_restored() -> None:
    one, said = unmasker(), ""
    for piece in ("So ", ANN[:5], ANN[5:], "?<"):
        (block,) = restore(one, delta={"thinking_blocks": [{"type": "thinking", "thinking": piece}]})["delta"][
            "thinking_blocks"
        ]
        said += block["thinking"]
    (block,) = restore(one, delta={"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "s"}]})[
        "delta"
    ]["thinking_blocks"]
    assert said + block["thinking"] == 'So Ann "Al" Lee?<'


def test_a_text_is_given_out_before_what_follows_it() -> None:
    one = unmasker()
    assert restore(one, delta={"reasoning_content": "is <PERS"})["delta"]["reasoning_content"] == "is "
    assert restore(one, delta={"content": "So <"})["delta"] == {"reasoning_content": "<PERS", "content": "So "}
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}
    assert restore(one, delta={"tool_calls": [call]})["delta"] == {"content": "<", "tool_calls": [call]}


def test_tokens_of_a_response_add_up_to_its_text() -> None:
    one, told = unmasker(), ""
    place = {"item_id": "i", "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": tokens(piece)}
        for piece in ("To ", ANN[:5], ANN[5:], "!<")
    ]
    whole = tokens("To ", ANN[:5], ANN[5:], "!<")
    events.append({"type": "response.output_text.done", **place, "text": f"To {ANN}!<", "logprobs": whole})
    for number, event in enumerate(events):
        payload = msgspec.json.encode({**event, "sequence_number": number})
        for delta in one.restore(Delta(payload=payload, dialect=Dialect.RESPONSES, event=event["type"].encode())):
            restored = msgspec.json.decode(delta.payload)
            joined = "".join(token["token"] for token in restored["logprobs"])
            if restored["type"].endswith("done"):
                assert joined == restored["text"] == 'To Ann "Al" Lee!<'
            else:
                told += joined
    assert told == 'To Ann "Al" Lee!<'
