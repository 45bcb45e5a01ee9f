"""Completions of a prompt: what a chat can say of them, and how a chat's answer is written for their callers."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from openai.types import Completion

from router.core.errors import InvalidRequest, UpstreamProtocolError
from router.core.types import Delta, Dialect, JsonObject
from router.privacy.masking import Vault
from router.privacy.unmasking import Unmasker
from router.wire.dialects import Decoded, codec

CODEC = codec(Dialect.COMPLETIONS)


def decoded(**fields: object) -> Decoded:
    return CODEC.decode(json.dumps({"model": "m", "prompt": "Once", **fields}).encode())


def chat(answer: JsonObject, *, usage_only: bool = False) -> Delta:
    return Delta(payload=json.dumps(answer).encode(), usage_only=usage_only)


def chunk(**delta: object) -> JsonObject:
    finish = delta.pop("finish_reason", None)
    choice: Any = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "x", "choices": [choice]}


@pytest.mark.parametrize("prompt", ["Once", ["Once"]])
def test_one_prompt_is_one_message_and_everything_else_stays_as_it_is(prompt: object) -> None:
    fields = {"max_tokens": 5, "temperature": 0.5, "stop": ["x"], "user": "u", "x_new": {"a": [1]}, "stream": True}
    translation = CODEC.to_chat(decoded(prompt=prompt, **fields).body)
    assert translation.body == {"model": "m", **fields, "messages": [{"role": "user", "content": "Once"}]}
    assert translation.unsupported == translation.dropped == ()
    assert not translation.bound


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"prompt": ["a", "b"]}, ("prompt",)),
        ({"suffix": "end"}, ("suffix",)),
        ({"echo": True}, ("echo",)),
        ({"best_of": 2}, ("best_of",)),
        ({"logprobs": 0}, ("logprobs",)),
        ({"prompt": ["a", "b"], "logprobs": 5, "echo": True}, ("prompt", "echo", "logprobs")),
        ({"suffix": "", "echo": False, "best_of": 1, "logprobs": None}, ()),
    ],
)
def test_what_a_chat_can_not_say_is_named(fields: dict[str, object], named: tuple[str, ...]) -> None:
    assert CODEC.to_chat(decoded(**fields).body).unsupported == named


@pytest.mark.parametrize("prompt", [[1, 2, 3], [[1, 2], [3]]])
def test_tokens_are_of_one_model_s_vocabulary_and_bind_the_request_to_it(prompt: object) -> None:
    translation = CODEC.to_chat(decoded(prompt=prompt).body)
    assert translation.unsupported == ("prompt",)
    assert translation.bound


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt"),
        ({"prompt": [[1], "a"]}, "prompt"),
        ({"prompt": {"a": 1}}, "prompt"),
        ({"prompt": ["a"] * 2049}, "prompt"),
        ({"echo": "yes"}, "echo"),
        ({"best_of": 0}, "best_of"),
        ({"best_of": 21}, "best_of"),
        ({"logprobs": -1}, "logprobs"),
        ({"n": 0}, "n"),
        ({"temperature": 3}, "temperature"),
        ({"model": ""}, "model"),
    ],
)
def test_what_makes_no_sense_is_refused_by_the_field_s_name(fields: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decoded(**fields)
    assert caught.value.param == param


def test_a_chat_s_answer_is_written_as_a_text_completion_that_openai_s_client_reads() -> None:
    answer: Any = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "x",
        "system_fingerprint": "fp",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "upon"}, "finish_reason": "stop"},
            {"index": 1, "message": {"role": "assistant", "content": None, "refusal": "No."}, "finish_reason": "stop"},
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }
    whole = Completion.model_validate_json(CODEC.encoder({}).whole(chat(answer)))
    assert whole.object == "text_completion"
    assert [(one.index, one.text, one.finish_reason) for one in whole.choices] == [
        (0, "upon", "stop"),
        (1, "No.", "stop"),
    ]
    assert whole.usage is not None
    assert whole.usage.total_tokens == 3


@pytest.mark.parametrize("asked", [False, True])
def test_a_chat_s_stream_is_written_chunk_by_chunk_with_its_usage_if_asked(asked: bool) -> None:
    encoder = CODEC.encoder({"stream_options": {"include_usage": True}} if asked else {})
    usage: Any = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}, "id": "c"}
    events = b"".join(
        [
            encoder.frames(chat(chunk(role="assistant", content=""))),
            encoder.frames(chat(chunk(reasoning_content="hm"))),
            encoder.frames(chat(chunk(content="upon"))),
            encoder.frames(chat(chunk(finish_reason="stop"))),
            encoder.frames(chat(usage, usage_only=True)),
            encoder.end(),
        ]
    )
    *lines, done = [line.removeprefix(b"data: ") for line in events.split(b"\n\n") if line]
    assert done == b"[DONE]"
    read = [json.loads(line) for line in lines]
    assert [one["object"] for one in read] == ["text_completion"] * (4 if asked else 3)
    assert [choice["text"] for one in read for choice in one["choices"]] == ["", "upon", ""]
    assert read[0]["choices"][0]["reasoning_content"] == "hm"
    assert read[2]["choices"][0]["finish_reason"] == "stop"


def test_an_answer_in_the_same_dialect_passes_byte_for_byte() -> None:
    payload = b'{"id": "cmpl",  "choices": [{"text":"a","logprobs":{"tokens":["a"]}}], "x": 1e3}'
    delta = Delta(payload=payload, dialect=Dialect.COMPLETIONS)
    assert CODEC.encoder({}).whole(delta) == payload
    assert CODEC.encoder({}).frames(delta) == b"data: " + payload + b"\n\n"


def test_an_answer_that_can_not_be_read_is_the_upstream_s_fault() -> None:
    with pytest.raises(UpstreamProtocolError):
        CODEC.encoder({}).whole(Delta(payload=b"[1]"))


VAULT = Vault(bytes(32))
ANN = VAULT.placeholder("PERSON", "Ann Lee")


@pytest.mark.parametrize("cut", range(1, len(ANN)))
def test_values_go_back_into_a_text_however_it_is_cut(cut: int) -> None:
    one = Unmasker(VAULT)
    said = ""
    for piece, finish in ((f"I am {ANN[:cut]}", None), (f"{ANN[cut:]} <PERS", None), ("", "stop")):
        payload = msgspec.json.encode({"choices": [{"index": 0, "text": piece, "finish_reason": finish}]})
        for delta in one.restore(Delta(payload=payload, dialect=Dialect.COMPLETIONS)):
            said += json.loads(delta.payload)["choices"][0]["text"]
    assert said == "I am Ann Lee <PERS"
