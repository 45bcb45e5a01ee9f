"""The Responses API in both directions: what becomes of each field of a request, and that answers are what the SDK expects."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from router.core.errors import InvalidRequest, StreamInterrupted, UpstreamProtocolError
from router.core.types import Delta, Dialect
from router.wire.dialects import codec
from router.wire.inbound.responses import error_frame
from router.wire.inbound.responses_answer import ResponsesEncoder
from tests.fakes.cloud import completion, pieces
from tests.fakes.cloud_responses import call, events, message, thought

CODEC = codec(Dialect.RESPONSES)
EVENT = TypeAdapter[Any](ResponseStreamEvent)
RESPONSE = TypeAdapter(Response)
PARAMETERS = {"type": "object", "properties": {"q": {"type": "string"}}}


def chat(**body: Any) -> dict[str, Any]:
    return dict(CODEC.to_chat({"model": "m", "input": "Hi", **body}).body)


def messages(*items: dict[str, Any], **body: Any) -> Any:
    return chat(input=list(items), **body)["messages"]


# -- requests


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "m"}, "input"),
        ({"model": "m", "input": []}, "input"),
        ({"model": "", "input": "x"}, "model"),
        ({"model": "m" * 300, "input": "x"}, "model"),
        ({"input": "x"}, None),
        ({"model": "m", "input": 1}, "input"),
        ({"model": "m", "input": ["x"]}, "input[0]"),
        ({"model": "m", "input": [{"type": 1}]}, "input[0].type"),
        ({"model": "m", "input": "x", "tools": [1]}, "tools[0]"),
        ({"model": "m", "input": "x", "temperature": 3}, "temperature"),
        ({"model": "m", "input": "x", "temperature": "1"}, "temperature"),
        ({"model": "m", "input": "x", "max_output_tokens": 0}, "max_output_tokens"),
        ({"model": "m", "input": "x", "top_logprobs": 21}, "top_logprobs"),
        ({"model": "m", "input": "x", "store": "no"}, "store"),
        ({"model": "m", "input": "x", "instructions": ["x"]}, "instructions"),
        ({"model": "m", "input": "x", "previous_response_id": 1}, "previous_response_id"),
        ({"model": "m", "input": "x", "text": "json"}, "text"),
    ],
)
def test_a_request_of_the_wrong_shape_is_refused_by_field(body: dict[str, Any], param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CODEC.decode(msgspec.json.encode(body))
    assert caught.value.param == param


@pytest.mark.parametrize(
    "body",
    [
        {"model": "m", "input": "x", "stream": True},
        {"model": "m", "previous_response_id": "resp_1"},
        {"model": "m", "prompt": {"id": "p"}},
        {"model": "m", "input": [{"role": "user", "content": "x"}, {"type": "new_kind", "deep": {"er": 1}}]},
    ],
)
def test_a_request_of_the_right_shape_is_kept_whole(body: dict[str, Any]) -> None:
    decoded = CODEC.decode(msgspec.json.encode(body))
    assert decoded.body == body
    assert (decoded.model, decoded.stream) == ("m", body.get("stream", False))


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ({"instructions": "Be brief"}, {"messages": [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hi"}]}),
        ({"max_output_tokens": 9}, {"max_completion_tokens": 9}),
        ({"temperature": 0.5, "top_p": 0.1}, {"temperature": 0.5, "top_p": 0.1}),
        ({"reasoning": {"effort": "low"}}, {"reasoning_effort": "low"}),
        ({"text": {"verbosity": "low", "format": {"type": "text"}}}, {"verbosity": "low"}),
        ({"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
        (
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}}},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}}},
        ),
        ({"include": ["message.output_text.logprobs"]}, {"logprobs": True}),
        ({"top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
        (
            {"user": "u", "safety_identifier": "s", "prompt_cache_key": "k", "service_tier": "flex", "prompt_cache_retention": "24h"},
            {"user": "u", "safety_identifier": "s", "prompt_cache_key": "k", "service_tier": "flex", "prompt_cache_retention": "24h"},
        ),
        (
            {"tools": [{"type": "function", "name": "f", "parameters": PARAMETERS, "strict": False, "description": "d"}], "parallel_tool_calls": False},
            {
                "tools": [{"type": "function", "function": {"name": "f", "parameters": PARAMETERS, "strict": False, "description": "d"}}],
                "parallel_tool_calls": False,
            },
        ),
        (
            {"tools": [{"type": "function", "name": "f"}], "tool_choice": {"type": "function", "name": "f"}},
            {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": {"type": "function", "function": {"name": "f"}}},
        ),
        (
            {
                "tools": [{"type": "function", "name": "f"}, {"type": "function", "name": "g"}],
                "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]},
            },
            {"tools": [{"type": "function", "function": {"name": "g"}}], "tool_choice": "required"},
        ),
        ({"tool_choice": "auto", "parallel_tool_calls": True}, {}),
        ({"store": True, "metadata": {"a": "b"}}, {}),
    ],
)  # fmt: skip
def test_each_field_becomes_what_chat_completions_call_it(given: dict[str, Any], becomes: dict[str, Any]) -> None:
    translation = CODEC.to_chat({"model": "m", "input": "Hi", **given})
    plain = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    assert translation.body == {**plain, **becomes}
    assert (translation.unsupported, translation.dropped) == ((), ())


@pytest.mark.parametrize(
    ("given", "unsupported"),
    [
        ({"background": True}, ("background",)),
        ({"conversation": "conv_1"}, ("conversation",)),
        ({"prompt": {"id": "p"}}, ("prompt",)),
        ({"moderation": {"model": "m"}}, ("moderation",)),
        ({"previous_response_id": "resp_1"}, ("previous_response_id",)),
        *(
            ({"tools": [{"type": kind}]}, (f"tools.{kind}",))
            for kind in ("web_search", "file_search", "code_interpreter", "computer", "mcp", "image_generation", "local_shell", "custom")
        ),
        ({"tools": [{"type": "My SSN is 1"}]}, ("tools",)),
        ({"tool_choice": {"type": "mcp"}}, ("tool_choice",)),
        ({"text": {"format": {"type": "grammar"}}}, ("text.format",)),
        ({"input": [{"type": "item_reference", "id": "x"}]}, ("item_reference",)),
        ({"input": [{"type": "web_search_call", "id": "x"}]}, ("web_search_call",)),
        ({"input": [{"type": "My SSN is 1"}]}, ("input",)),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, ("input.content.input_image",)),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "f"}]}]}, ("input.content.input_file",)),
        ({"input": [{"role": "user", "content": [{"type": "My SSN"}]}]}, ("input.content",)),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "image_url": "u"}]}]},
            ("function_call_output.output",),
        ),
    ],
)  # fmt: skip
def test_what_chat_can_not_ask_for_is_named_and_never_by_the_callers_words(
    given: dict[str, Any], unsupported: tuple[str, ...]
) -> None:
    assert CODEC.to_chat({"model": "m", "input": "Hi", **given}).unsupported == unsupported


@pytest.mark.parametrize(
    ("given", "dropped"),
    [
        ({"max_tool_calls": 3}, ("max_tool_calls",)),
        ({"truncation": "auto"}, ("truncation",)),
        ({"truncation": "disabled", "background": False}, ()),
        ({"reasoning": {"summary": "auto"}}, ("reasoning.summary",)),
        ({"include": ["reasoning.encrypted_content"]}, ("include",)),
        ({"stream_options": {"include_obfuscation": False}}, ("stream_options",)),
        ({"x_custom": 1, "My SSN is 1": 1}, ("x_custom", "unknown field")),
        ({"input": [{"type": "reasoning", "summary": [], "encrypted_content": "x"}]}, ("input.reasoning.encrypted_content",)),
        ({"input": [{"type": "reasoning", "summary": [{"text": "lost"}]}]}, ("input.reasoning",)),
    ],
)  # fmt: skip
def test_tuning_knobs_are_dropped_by_name(given: dict[str, Any], dropped: tuple[str, ...]) -> None:
    translation = CODEC.to_chat({"model": "m", "input": "Hi", **given})
    assert translation.dropped == dropped
    assert translation.unsupported == ()


def test_parts_of_every_kind_become_those_of_a_chat() -> None:
    parts = [
        {"type": "input_text", "text": "a", "cache_control": {"type": "ephemeral"}},
        {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"},
        {"type": "input_file", "filename": "f", "file_data": "data:text/plain;base64,eA=="},
        {"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}},
    ]
    (one,) = messages({"type": "message", "role": "user", "content": parts})
    assert one["content"] == [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
        {"type": "file", "file": {"filename": "f", "file_data": "data:text/plain;base64,eA=="}},
        {"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}},
    ]


def fc(number: int, name: str = "f") -> dict[str, Any]:
    return {"type": "function_call", "id": f"fc_{number}", "call_id": f"c{number}", "name": name, "arguments": "{}"}


def fco(number: int) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": f"c{number}", "output": "out"}


def calls(*numbers: int) -> list[dict[str, Any]]:
    return [
        {"id": f"c{number}", "type": "function", "function": {"name": "f", "arguments": "{}"}} for number in numbers
    ]


def tool(number: int) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"c{number}", "content": "out"}


@pytest.mark.parametrize(
    ("items", "becomes"),
    [
        ([fc(1), fc(2), fco(1), fco(2)], [{"role": "assistant", "content": None, "tool_calls": calls(1, 2)}, tool(1), tool(2)]),
        (
            [fc(1), fco(1), fc(2), fco(2)],
            [
                {"role": "assistant", "content": None, "tool_calls": calls(1)}, tool(1),
                {"role": "assistant", "content": None, "tool_calls": calls(2)}, tool(2),
            ],
        ),
        (
            [message("I look"), fc(1), fco(1)],
            [{"role": "assistant", "content": "I look", "tool_calls": calls(1)}, tool(1)],
        ),
        (
            [thought(), fc(1), thought(), fc(2), fco(1), fco(2)],
            [
                {"role": "assistant", "content": None, "tool_calls": calls(1, 2), "reasoning_content": "I think.\n\nI think."},
                tool(1), tool(2),
            ],
        ),
        (
            [{"type": "reasoning", "content": [{"type": "reasoning_text", "text": "deep"}], "summary": [{"text": "shallow"}]}, message("x")],
            [{"role": "assistant", "content": "x", "reasoning_content": "deep"}],
        ),
        (
            [{"type": "reasoning", "summary": [], "thinking_blocks": [{"type": "redacted_thinking", "data": "d"}]}, message("x")],
            [{"role": "assistant", "content": "x", "thinking_blocks": [{"type": "redacted_thinking", "data": "d"}]}],
        ),
        ([message("a"), message("b")], [{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}]),
        (
            [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}],
            [{"role": "assistant", "content": None, "refusal": "no"}],
        ),
        ([{"role": "developer", "content": [{"type": "input_text", "text": "x"}]}], [{"role": "developer", "content": "x"}]),
        (
            [{"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]}],
            [{"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
        ),
    ],
)  # fmt: skip
def test_items_of_one_turn_become_one_message(items: list[dict[str, Any]], becomes: list[dict[str, Any]]) -> None:
    assert messages(*items) == becomes


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"x": 1}, "input[0]"),
        ({"type": "function_call", "name": "f", "arguments": "{}"}, "input[0].call_id"),
        ({"type": "function_call", "name": 1, "arguments": "{}", "call_id": "c"}, "input[0].name"),
        ({"type": "function_call_output", "call_id": "c"}, "input[0].output"),
        ({"type": "message", "content": "x"}, "input[0].role"),
        ({"role": "user"}, "input[0].content"),
        ({"role": "user", "content": [1]}, "input[0].content[0]"),
        ({"role": "user", "content": [{"type": "input_text"}]}, "input[0].content[0].text"),
    ],
)
def test_an_item_that_makes_no_sense_is_refused_by_its_place(item: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        messages(item)
    assert caught.value.param == param


# -- answers

FUNCTIONS = [
    {"id": f"c{n}", "type": "function", "function": {"name": f"f{n}", "arguments": f'{{"n": "{n} and"}}'}}
    for n in (1, 2)
]
TURNS: list[dict[str, Any]] = [
    {"content": "Hello there"},
    {"content": "", "refusal": "I can't do that"},
    {"content": "Half", "refusal": "no more"},
    {"content": None, "tool_calls": FUNCTIONS},
    {"content": "I look", "tool_calls": FUNCTIONS, "reasoning_content": "Let me think"},
    {"content": "Known", "reasoning_content": "Let me think"},
    {"content": None},
]


def parsed(frames: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for block in frames.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        found.append(msgspec.json.decode(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def streamed(turn: dict[str, Any], finish: str = "stop", body: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    encoder = ResponsesEncoder(body or {"model": "m", "input": "x"})
    frames = b""
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": piece, "finish_reason": None}]} for piece in pieces(turn)
    ]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    chunks.append(
        {
            "choices": [],
            "usage": {"prompt_tokens": 7, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 2}},
        }
    )
    for one in chunks:
        frames += encoder.frames(Delta(payload=msgspec.json.encode({"model": "up", "created": 1, **one})))
    frames += encoder.end()
    found = parsed(frames)
    assert encoder.final is not None
    assert msgspec.json.decode(encoder.final) == found[-1]["response"]
    return found


def check_sequence(found: list[dict[str, Any]]) -> None:
    """Hold a stream to the order in which the API tells things, and to the SDK's own types."""
    for number, event in enumerate(found):
        assert event["sequence_number"] == number
        EVENT.validate_python(event)
    kinds = [event["type"] for event in found]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] in ("response.completed", "response.incomplete")
    output = found[-1]["response"]["output"]
    texts: dict[tuple[Any, ...], str] = {}
    open_items: dict[int, dict[str, Any]] = {}
    done: dict[int, dict[str, Any]] = {}
    for event in found[2:-1]:
        index = event["output_index"]
        if event["type"] == "response.output_item.added":
            assert index == len(open_items)
            open_items[index] = event["item"]
            continue
        assert index in open_items
        assert index not in done
        if event["type"] == "response.output_item.done":
            done[index] = event["item"]
            continue
        assert event["item_id"] == open_items[index]["id"] == output[index]["id"]
        text, _, what = event["type"].rpartition(".")
        key = (text, index, event.get("content_index"))
        if what == "delta":
            texts[key] = texts.get(key, "") + event["delta"]
        elif what == "done" and "part" not in event:
            said = event.get("text", event.get("refusal", event.get("arguments")))
            assert texts.pop(key, "") == said
    assert not texts
    assert [done[index] for index in range(len(done))] == output


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("finish", ["stop", "length", "content_filter", "tool_calls"])
def test_a_streams_events_are_in_order_and_of_the_sdks_types(turn: dict[str, Any], finish: str) -> None:
    found = streamed(turn, finish)
    check_sequence(found)
    response = found[-1]["response"]
    RESPONSE.validate_python(response)
    reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(finish)
    assert response["status"] == ("incomplete" if reason else "completed")
    assert response["incomplete_details"] == ({"reason": reason} if reason else None)
    assert (response["usage"]["total_tokens"], response["usage"]["input_tokens_details"]["cached_tokens"]) == (12, 2)


@pytest.mark.parametrize("turn", TURNS)
def test_a_whole_answer_holds_what_a_stream_of_it_ends_with(turn: dict[str, Any]) -> None:
    def plain(output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{name: value for name, value in item.items() if name != "id"} for item in output]

    encoder = ResponsesEncoder({"model": "m", "input": "x"})
    whole = msgspec.json.decode(encoder.whole(Delta(payload=completion("m", "", **turn))))
    RESPONSE.validate_python(whole)
    assert plain(whole["output"]) == plain(streamed(turn)[-1]["response"]["output"])


def test_mixed_pieces_of_parallel_calls_stay_apart() -> None:
    found = streamed({"content": "", "tool_calls": FUNCTIONS}, "tool_calls")
    order = [event["output_index"] for event in found if event["type"] == "response.function_call_arguments.delta"]
    assert order[:4] == [0, 1, 0, 1]
    output = found[-1]["response"]["output"]
    assert [item["call_id"] for item in output] == ["c1", "c2"]
    assert [item["arguments"] for item in output] == [one["function"]["arguments"] for one in FUNCTIONS]


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "none", "tools": []}}, "tool_choice.mode"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": {}}}, "tool_choice.tools"),
        ({"reasoning": {"effort": {}}}, "reasoning.effort"),
        ({"text": {"verbosity": 1}}, "text.verbosity"),
        ({"text": {"format": {"type": "json_schema", "name": "n", "schema": 1}}}, "text.format.schema"),
        ({"tools": [{"type": "function", "name": "f", "parameters": []}]}, "tools[0].parameters"),
        ({"user": True}, "user"),
        ({"metadata": {"a": 1}}, "metadata[...]"),
    ],
)
def test_what_the_answer_repeats_is_of_its_type(changed: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CODEC.to_chat(CODEC.decode(msgspec.json.encode({"model": "m", "input": "x", **changed})).body)
    assert caught.value.param == param


def test_thinking_is_an_item_of_its_own_and_blocks_keep_their_signature() -> None:
    encoder = ResponsesEncoder({"model": "m", "input": "x"})
    deltas: list[dict[str, Any]] = [
        {"reasoning_content": "Let", "thinking_blocks": [{"type": "thinking", "thinking": "Let"}]},
        {"reasoning_content": " me", "thinking_blocks": [{"type": "thinking", "thinking": " me"}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "sig"}]},
        {"thinking_blocks": [{"type": "redacted_thinking", "data": "d"}]},
        {"content": "So"},
    ]
    frames = b"".join(
        encoder.frames(Delta(payload=msgspec.json.encode({"choices": [{"index": 0, "delta": delta}]})))
        for delta in deltas
    )
    found = parsed(frames + encoder.end())
    check_sequence(found)
    item = found[-1]["response"]["output"][0]
    assert item["content"] == [{"type": "reasoning_text", "text": "Let me"}]
    blocks = [
        {"type": "thinking", "thinking": "Let me", "signature": "sig"},
        {"type": "redacted_thinking", "data": "d"},
    ]
    assert item["thinking_blocks"] == blocks
    (back,) = messages(*found[-1]["response"]["output"])
    assert (back["thinking_blocks"], back["reasoning_content"]) == (blocks, "Let me")


def test_log_probabilities_and_sources_are_told() -> None:
    logprobs = {
        "content": [
            {
                "token": "Hé",
                "logprob": -0.5,
                "bytes": None,
                "top_logprobs": [{"token": "x", "logprob": -1, "bytes": [120]}],
            }
        ]
    }
    annotations = [
        {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1}}
    ]
    choice = {
        "index": 0,
        "delta": {"content": "Hé", "annotations": annotations},
        "logprobs": logprobs,
        "finish_reason": "stop",
    }
    encoder = ResponsesEncoder({"model": "m", "input": "x"})
    found = parsed(encoder.frames(Delta(payload=msgspec.json.encode({"choices": [choice]}))) + encoder.end())
    for event in found:
        EVENT.validate_python(event)
    (part,) = found[-1]["response"]["output"][0]["content"]
    assert part["annotations"] == [{"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}]
    assert part["logprobs"][0]["bytes"] == list("Hé".encode())
    assert part["logprobs"][0]["top_logprobs"][0]["token"] == "x"


def test_an_answer_repeats_what_was_asked() -> None:
    body = {
        "model": "m", "input": "x", "instructions": "i", "metadata": {"a": "b"}, "temperature": 0.5, "max_output_tokens": 3,
        "tools": [{"type": "function", "name": "f"}], "tool_choice": "required", "text": {"verbosity": "low"},
        "parallel_tool_calls": False, "user": "u", "reasoning": {"effort": "low"},
    }  # fmt: skip
    encoder = ResponsesEncoder(body, previous="resp_0", store=False)
    whole = msgspec.json.decode(encoder.whole(Delta(payload=completion("up", "x"))))
    RESPONSE.validate_python(whole)
    assert whole["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    assert whole["tools"] == [{"type": "function", "name": "f", "parameters": None, "strict": None}]
    same = body.keys() - {"model", "input", "text", "tools"}
    assert {name: whole[name] for name in same} == {name: body[name] for name in same}
    assert (whole["model"], whole["previous_response_id"], whole["store"]) == ("up", "resp_0", False)


def test_native_answers_pass_as_they_came() -> None:
    output = [thought("enc"), message("Hello there"), call("f", {"a": 1}, "c1")]
    encoder = ResponsesEncoder({"model": "m", "input": "x"})
    sent = events({"model": "m"}, output)
    for event in sent:
        EVENT.validate_python(event)
        payload = msgspec.json.encode(event)
        name = event["type"].encode()
        framed = encoder.frames(Delta(payload=payload, dialect=Dialect.RESPONSES, event=name))
        assert framed == b"event: " + name + b"\ndata: " + payload + b"\n\n"
        assert encoder.next_number == event["sequence_number"] + 1
    assert encoder.end() == b""
    assert encoder.final is not None
    assert msgspec.json.decode(encoder.final) == sent[-1]["response"]


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"\xff", b'{"a":' + b"[" * 100_000])
def test_an_answer_that_can_not_be_read_is_the_upstreams_fault(payload: bytes) -> None:
    for one in (Delta(payload=payload), Delta(payload=payload, dialect=Dialect.RESPONSES)):
        with pytest.raises(UpstreamProtocolError):
            ResponsesEncoder({"model": "m"}).frames(one)
    with pytest.raises(UpstreamProtocolError):
        ResponsesEncoder({"model": "m"}).whole(Delta(payload=payload))


@pytest.mark.parametrize(
    "delta",
    [
        {"content": 1},
        {"tool_calls": [1, {"index": 0}, {"index": 0, "function": 2}]},
        {"annotations": [1]},
        {"content": [1, {"text": 2}]},
    ],
)
def test_an_answer_of_odd_shape_still_makes_a_response(delta: dict[str, Any]) -> None:
    encoder = ResponsesEncoder({"model": "m", "input": "x"})
    payload = msgspec.json.encode(
        {"choices": [1, {"index": 0, "delta": delta, "logprobs": 3}], "usage": {"prompt_tokens": "x"}}
    )
    check_sequence(parsed(encoder.frames(Delta(payload=payload)) + encoder.end()))


def test_a_broken_streams_error_event_goes_on_counting() -> None:
    (event,) = parsed(error_frame(StreamInterrupted("the answer broke off"), 7))
    EVENT.validate_python(event)
    assert (event["sequence_number"], event["code"], event["error"]["code"]) == (
        7,
        "stream_interrupted",
        "stream_interrupted",
    )


def test_events_are_numbered_without_a_gap_across_calls() -> None:
    numbers = [event["sequence_number"] for event in streamed(TURNS[4])]
    assert all(later == earlier + 1 for earlier, later in itertools.pairwise(numbers))
