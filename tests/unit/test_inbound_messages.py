"""Anthropic's Messages as callers speak them: requests into chat, chat answers back, whole and streamed."""

from __future__ import annotations

import json
import random
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from router.core.errors import InvalidRequest, NoHealthyTarget, PolicyBlocked, RouterError, UpstreamProtocolError
from router.core.types import Delta, JsonObject
from router.wire import sse
from router.wire.dialects import Translation
from router.wire.inbound import count_tokens, messages

MARK = {"type": "ephemeral"}
USER = {"role": "user", "content": "hi"}


def translated(**fields: object) -> Translation:
    body = {"model": "m", "max_tokens": 9, "messages": [USER], **fields}
    decoded = messages.CODEC.decode(json.dumps(body).encode())
    before = json.dumps(decoded.body)
    translation = messages.CODEC.to_chat(decoded.body)
    assert json.dumps(decoded.body) == before
    return translation


def chat(**fields: object) -> dict[str, Any]:
    return cast("dict[str, Any]", translated(**fields).body)


def turns(*given: object) -> list[dict[str, Any]]:
    return chat(messages=list(given))["messages"]


def text(said: str, **more: object) -> dict[str, object]:
    return {"type": "text", "text": said, **more}


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
TOOL = {"name": "f", "description": "Does f.", "input_schema": SCHEMA}
CHAT_TOOL = {"type": "function", "function": {"name": "f", "description": "Does f.", "parameters": SCHEMA}}
FORMAT = {"type": "json_schema", "schema": SCHEMA}
RESPONSE_FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
FIELDS: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "temperature and top_p": ({"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5, "top_p": 0.9}),
    "stop sequences": ({"stop_sequences": ["a", "b"]}, {"stop": ["a", "b"]}),
    "a stream": ({"stream": True}, {"stream": True}),
    "a user": ({"metadata": {"user_id": "u"}}, {"user": "u"}),
    "tools": ({"tools": [TOOL]}, {"tools": [CHAT_TOOL]}),
    "a tool with a mark": (
        {"tools": [{**TOOL, "type": "custom", "cache_control": MARK}]},
        {"tools": [{**CHAT_TOOL, "cache_control": MARK}]},
    ),
    "any tool": ({"tools": [TOOL], "tool_choice": {"type": "any"}}, {"tools": [CHAT_TOOL], "tool_choice": "required"}),
    "no tool": ({"tools": [TOOL], "tool_choice": {"type": "none"}}, {"tools": [CHAT_TOOL], "tool_choice": "none"}),
    "a named tool, one at a time": (
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True}},
        {
            "tools": [CHAT_TOOL],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "parallel_tool_calls": False,
        },
    ),
    "several at a time": (
        {"tools": [TOOL], "tool_choice": {"type": "auto", "disable_parallel_tool_use": False}},
        {"tools": [CHAT_TOOL], "tool_choice": "auto", "parallel_tool_calls": True},
    ),
    "a choice without tools": ({"tool_choice": {"type": "auto"}}, {}),
    "little thinking": ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"reasoning_effort": "low"}),
    "some thinking": ({"thinking": {"type": "enabled", "budget_tokens": 8000}}, {"reasoning_effort": "medium"}),
    "much thinking": ({"thinking": {"type": "enabled", "budget_tokens": 31_999}}, {"reasoning_effort": "high"}),
    "thinking as it likes": ({"thinking": {"type": "adaptive"}}, {}),
    "no thinking": ({"thinking": {"type": "disabled"}}, {}),
    "an effort": ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, {"reasoning_effort": "xhigh"}),
    "a format": ({"output_config": {"format": FORMAT}}, {"response_format": RESPONSE_FORMAT}),
    "a format of the beta": ({"output_format": FORMAT}, {"response_format": RESPONSE_FORMAT}),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "expected"), FIELDS.values(), ids=FIELDS)
def test_a_field_is_translated(fields: dict[str, object], expected: dict[str, object]) -> None:
    translation = translated(**fields)
    assert translation.body == {"model": "m", "messages": [USER], "max_completion_tokens": 9, **expected}
    assert translation.unsupported == ()
    assert translation.dropped == ()


def test_the_system_prompt_comes_first_with_its_marks() -> None:
    assert chat(system="Be brief.")["messages"][0] == {"role": "system", "content": "Be brief."}
    blocks = [text("a"), text("b", cache_control=MARK)]
    assert chat(system=blocks)["messages"][0] == {"role": "system", "content": blocks}
    assert chat(system=[])["messages"] == [USER]


@pytest.mark.parametrize("as_block", [True, False])
def test_a_client_s_billing_line_is_left_out_and_named(as_block: bool) -> None:
    line = "x-anthropic-billing-header: cc_version=2.1.1; cch=0aaa9;"
    system = [text(line), text("Be brief.")] if as_block else f"{line}\nBe brief."
    translation = translated(system=system)
    assert cast("Any", translation.body)["messages"][0] == {"role": "system", "content": "Be brief."}
    assert translation.dropped == ("system.x-anthropic-billing-header",)


def test_pictures_and_documents_of_a_user_keep_their_order() -> None:
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    content = [
        text("see"),
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}, "cache_control": MARK},
        {"type": "document", "source": pdf, "title": "a.pdf", "context": "of May"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "t"}, "title": "T"},
        {"type": "document", "source": {"type": "content", "content": [text("c1"), text("c2")]}, "cache_control": MARK},
        {"type": "document", "source": {"type": "content", "content": "c3"}},
    ]
    (message,) = turns({"role": "user", "content": content})
    assert message["content"] == [
        text("see"),
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://x/a.png"}, "cache_control": MARK},
        text("of May"),
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
        text("T\n\nt"),
        text("c1"),
        text("c2", cache_control=MARK),
        text("c3"),
    ]


def test_thinking_without_a_signature_goes_back_as_the_reasoning_that_it_was() -> None:
    signed = {"type": "thinking", "thinking": "Hm", "signature": "EqQB"}
    unsigned = [{"type": "thinking", "thinking": text, "signature": ""} for text in ("One", "Two")]
    (message,) = turns({"role": "assistant", "content": [signed, *unsigned, text("So")]})
    assert message["thinking_blocks"] == [signed]
    assert message["reasoning_content"] == "One\n\nTwo"


def test_thinking_calls_and_results_of_a_turn_are_kept() -> None:
    thoughts = [{"type": "thinking", "thinking": "Hm", "signature": "EqQB"}, {"type": "redacted_thinking", "data": "x"}]
    calls = [{"type": "tool_use", "id": f"t{n}", "name": "f", "input": {"a": n, "b": 1.5}} for n in (1, 2)]
    image = {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}}
    results = [
        {"type": "tool_result", "tool_use_id": "t1", "content": [text("ok"), image]},
        {"type": "tool_result", "tool_use_id": "t2", "content": "no", "is_error": True, "cache_control": MARK},
        text("go on"),
    ]
    said = turns(USER, {"role": "assistant", "content": [*thoughts, *calls]}, {"role": "user", "content": results})
    assert said[1] == {
        "role": "assistant",
        "content": None,
        "thinking_blocks": thoughts,
        "tool_calls": [
            {"id": f"t{n}", "type": "function", "function": {"name": "f", "arguments": f'{{"a":{n},"b":1.5}}'}}
            for n in (1, 2)
        ],
    }
    assert said[2:] == [
        {"role": "tool", "tool_call_id": "t1", "content": "ok"},
        {"role": "tool", "tool_call_id": "t2", "content": [text("Error: no", cache_control=MARK)]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/a.png"}}, text("go on")]},
    ]


def test_a_result_without_content_and_one_that_failed_without_say_so() -> None:
    results = [
        {"type": "tool_result", "tool_use_id": "a"},
        {"type": "tool_result", "tool_use_id": "b", "is_error": True},
    ]
    assert [one["content"] for one in turns({"role": "user", "content": results})] == ["", "Error:"]


UNSUPPORTED: dict[str, tuple[dict[str, object], str]] = {
    "a server's tool": ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
    "a tool of Anthropic's make": ({"tools": [TOOL, {"type": "bash_20250124", "name": "bash"}]}, "tools[1].type"),
    "servers": ({"mcp_servers": [{"type": "url", "url": "https://x", "name": "x"}]}, "mcp_servers"),
    "a container": ({"container": "c"}, "container"),
    "a region": ({"inference_geo": "us"}, "inference_geo"),
    "edits of the context": ({"context_management": {"edits": [{"type": "clear_tool_uses_1"}]}}, "context_management"),
    "a cache that is only filled": ({"max_tokens": 0}, "max_tokens"),
    "a choice of tools that isn't known here": ({"tools": [TOOL], "tool_choice": {"type": "maybe"}}, "tool_choice"),
    "an effort that isn't known here": ({"output_config": {"effort": "ultra"}}, "output_config.effort"),
    "a format that isn't known here": ({"output_config": {"format": {"type": "xml"}}}, "output_config.format"),
    "a search result": (
        {"messages": [{"role": "user", "content": [{"type": "search_result", "source": "x", "title": "t"}]}]},
        "messages[0].content[0]",
    ),
    "a result of a server's tool": (
        {"messages": [USER, {"role": "assistant", "content": [{"type": "web_search_tool_result", "content": {}}]}]},
        "messages[1].content[0]",
    ),
    "an uploaded image": (
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}]},
        "messages[0].content[0].source",
    ),
    "citations": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "document",
                            "source": {"type": "text", "media_type": "text/plain", "data": "x"},
                            "citations": {"enabled": True},
                        }
                    ],
                }
            ]
        },
        "messages[0].content[0].citations",
    ),
}


@pytest.mark.parametrize(("fields", "name"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_what_chat_can_not_say_is_named(fields: dict[str, object], name: str) -> None:
    assert translated(**fields).unsupported == (name,)


DROPPED: dict[str, tuple[dict[str, object], str]] = {
    "top_k": ({"top_k": 5}, "top_k"),
    "the tier": ({"service_tier": "auto"}, "service_tier"),
    "thinking that is cleared": (
        {"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}},
        "context_management",
    ),
    "a mark for all": ({"cache_control": MARK}, "cache_control"),
    "how thinking is shown": ({"thinking": {"type": "adaptive", "display": "omitted"}}, "thinking.display"),
    "examples of a tool": ({"tools": [{**TOOL, "input_examples": []}]}, "tools.input_examples"),
    "a field that nobody knows": ({"my name is Ann": 1}, "unknown"),
}


@pytest.mark.parametrize(("fields", "name"), DROPPED.values(), ids=DROPPED)
def test_a_knob_without_a_counterpart_is_left_out_and_named(fields: dict[str, object], name: str) -> None:
    translation = translated(**fields)
    assert translation.dropped == (name,)
    assert translation.unsupported == ()


REFUSED: dict[str, tuple[dict[str, object], str | None]] = {
    "no limit": ({"max_tokens": None}, "max_tokens"),
    "a limit below nothing": ({"max_tokens": -1}, "max_tokens"),
    "no message": ({"messages": []}, "messages"),
    "an empty model": ({"model": ""}, "model"),
    "a role of nobody": ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
    "content of a wrong type": ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
    "a block without a type": ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0]"),
    "a picture in the system prompt": ({"system": [{"type": "image", "text": ""}]}, "system[0].type"),
    "a hot temperature": ({"temperature": 1.5}, "temperature"),
    "a stream of a wrong type": ({"stream": "yes"}, "stream"),
    "a call without input": (
        {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "x", "name": "f"}]}]},
        "messages[0].content[0]",
    ),
}


@pytest.mark.parametrize(("fields", "param"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused_by_name(fields: dict[str, object], param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        translated(**fields)
    assert caught.value.param == param
    assert "SECRET" not in caught.value.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["type", "text", "content", "source", "role", "id", "name", "input", "tool_use_id", "data", "x"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
NAMES = ["model", "messages", "max_tokens", "system", "tools", "tool_choice", "thinking", "metadata", "output_config",
         "context_management", "stop_sequences", "stream", "cache_control"]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), JSON), st.lists(JSON, max_size=3))
def test_whatever_a_caller_sends_is_read_or_refused(fields: dict[str, object], blocks: list[object]) -> None:
    typed = [{"type": kind, **block} for block in blocks if isinstance(block, dict)
             for kind in ("text", "image", "document", "tool_use", "tool_result", "thinking")]  # fmt: skip
    body = {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": role, "content": typed} for role in ("user", "assistant")],
    }
    for codec in (messages.CODEC, count_tokens.CODEC):
        try:
            codec.to_chat(codec.decode(json.dumps(body | fields).encode()).body)
        except InvalidRequest:
            continue


def test_a_count_has_no_limit_and_is_said_by_no_chat() -> None:
    decoded = count_tokens.CODEC.decode(b'{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}')
    assert not decoded.stream
    assert count_tokens.CODEC.to_chat(decoded.body).unsupported == ("count_tokens",)


@pytest.mark.parametrize(
    "betas",
    ["", "context-1m-2025-08-07", "claude-code-20250219, interleaved-thinking-2025-05-14", "output-128k-2025-02-19",
     "mid-conversation-system-clear-at-2026-08-21", "server-side-fallback-2026-06-01"],
)  # fmt: skip
def test_betas_that_exist_travel(betas: str) -> None:
    picked = dict(messages.CODEC.headers({"anthropic-beta": betas, "anthropic-version": "2023-06-01", "cookie": "x"}))
    assert picked.get("anthropic-beta", "") == betas.replace(" ", "")
    assert picked["anthropic-version"] == "2023-06-01"
    assert "cookie" not in picked


def test_every_beta_that_the_sdk_knows_travels() -> None:
    known = pytest.importorskip("anthropic.types.anthropic_beta_param").AnthropicBetaParam
    names = [name for inner in known.__args__ if inner is not str for name in inner.__args__]
    assert len(names) > 30
    for name in names:
        assert messages.CODEC.headers({"anthropic-beta": name}) == (("anthropic-beta", name),)


# --- answers ----------------------------------------------------------------------------------------------------------


def completion(message: dict[str, object], finish: str = "stop", **more: object) -> Delta:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return Delta(payload=json.dumps({"id": "c1", "model": "gpt", "choices": [choice], **more}).encode())


def whole(delta: Delta, **request: object) -> dict[str, Any]:
    return json.loads(messages.CODEC.encoder(cast("JsonObject", request)).whole(delta))


THINKS = {"thinking": {"type": "enabled", "budget_tokens": 2000}}
CALL = {"id": "call.1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 80, "cache_creation_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


def test_a_whole_answer_is_translated() -> None:
    thought = {"type": "thinking", "thinking": "Hm", "signature": "EqQB"}
    message = {"content": "Ja", "reasoning_content": "Hm", "thinking_blocks": [thought], "tool_calls": [CALL]}
    answer = whole(completion(message, "tool_calls", usage=USAGE), **THINKS)
    assert answer == {
        "id": "c1",
        "type": "message",
        "role": "assistant",
        "model": "gpt",
        "content": [thought, text("Ja"), {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}}],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 15,
            "cache_creation_input_tokens": 5,
            "cache_read_input_tokens": 80,
            "output_tokens": 7,
            "output_tokens_details": {"thinking_tokens": 3},
        },
    }
    types = pytest.importorskip("anthropic.types")
    TypeAdapter(types.Message).validate_python(answer)


def test_usage_that_nobody_told_is_null() -> None:
    assert whole(completion({"content": "x"}))["usage"] == {"input_tokens": None, "output_tokens": None}


STOPS = {
    "stop": ("end_turn", None),
    "length": ("max_tokens", None),
    "tool_calls": ("tool_use", None),
    "content_filter": ("refusal", None),
    "something": ("end_turn", None),
}


@pytest.mark.parametrize(("finish", "stop"), STOPS.items())
def test_a_finish_reason_becomes_a_stop_reason(finish: str, stop: tuple[str, None]) -> None:
    answer = whole(completion({"content": "x"}, finish))
    assert (answer["stop_reason"], answer["stop_sequence"]) == stop


def test_a_stop_sequence_that_the_upstream_names_is_named() -> None:
    choice = {"index": 0, "message": {"content": "x"}, "finish_reason": "stop", "stop_reason": "END"}
    delta = Delta(payload=json.dumps({"choices": [choice]}).encode())
    assert whole(delta, stop_sequences=["END"])["stop_sequence"] == "END"
    assert whole(delta)["stop_reason"] == "end_turn"


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"{}", b'{"choices":[{}]}', b'{"choices":[{"message":{"content":3}}]}']
)
def test_a_whole_answer_that_is_none_is_the_upstream_s_fault(payload: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        whole(Delta(payload=payload))


def test_arguments_that_are_no_object_are_the_upstream_s_fault_unless_the_limit_cut_them() -> None:
    call = {**CALL, "function": {"name": "f", "arguments": '{"a": '}}
    with pytest.raises(UpstreamProtocolError):
        whole(completion({"tool_calls": [call]}, "tool_calls"))
    assert whole(completion({"tool_calls": [call]}, "length"))["content"][0]["input"] == {}


def chunks(*deltas: dict[str, object], finish: str = "stop", usage: object = None) -> list[Delta]:
    made = [{"id": "c1", "model": "gpt", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    made.append({"id": "c1", "model": "gpt", "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if usage:
        made.append({"id": "c1", "model": "gpt", "choices": [], "usage": usage})
    return [Delta(payload=json.dumps(one).encode()) for one in made]


def events(deltas: list[Delta], **request: object) -> list[dict[str, Any]]:
    encoder = messages.CODEC.encoder(cast("JsonObject", request))
    data = b"".join([*(encoder.frames(delta) for delta in deltas), encoder.end()])
    parsed = sse.Parser().feed(data)
    found = [json.loads(event.data) for event in parsed]
    assert [event.name for event in parsed] == [one["type"].encode() for one in found]
    return found


def fold(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put a stream's blocks together as the SDK does; blocks come one after another, each begun and ended once."""
    blocks: list[dict[str, Any]] = []
    is_open = False
    pieces = ""
    for event in found:
        match event["type"]:
            case "content_block_start":
                assert not is_open
                assert event["index"] == len(blocks)
                blocks.append(dict(event["content_block"]))
                is_open, pieces = True, ""
            case "content_block_delta":
                assert is_open
                assert event["index"] == len(blocks) - 1
                delta, block = event["delta"], blocks[-1]
                match delta["type"]:
                    case "input_json_delta":
                        pieces += delta["partial_json"]
                    case "signature_delta":
                        block["signature"] = delta["signature"]
                    case kind:
                        name = kind.removesuffix("_delta")
                        block[name] += delta[name]
            case "content_block_stop":
                assert is_open
                assert event["index"] == len(blocks) - 1
                is_open = False
                if blocks[-1]["type"] == "tool_use":
                    blocks[-1]["input"] = json.loads(pieces or "{}")
            case _:
                assert not is_open
    return blocks


def test_a_streamed_answer_begins_with_its_message_and_ends_with_its_counts() -> None:
    found = events(chunks({"role": "assistant", "content": ""}, {"content": "J"}, {"content": "a"}, usage=USAGE))
    assert [one["type"] for one in found] == [
        "message_start", "content_block_start", "content_block_delta", "content_block_delta", "content_block_stop",
        "message_delta", "message_stop",
    ]  # fmt: skip
    assert fold(found) == [text("Ja")]
    assert found[-2]["usage"]["input_tokens"] == 15
    assert found[-2]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    types = pytest.importorskip("anthropic.types")
    for one in found:
        TypeAdapter(types.RawMessageStreamEvent).validate_python(one)


def piece(index: int, arguments: str, name: str | None = None) -> dict[str, object]:
    function = {"arguments": arguments, **({"name": name} if name else {})}
    return {"tool_calls": [{"index": index, **({"id": f"call_{index}"} if name else {}), "function": function}]}


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_blocks_come_in_order_however_the_chunks_of_calls_interleave(seed: int) -> None:
    chance = random.Random(seed)
    inputs: list[dict[str, Any]] = [{"city": "Köln", "deep": {"a": [n, "}"]}} for n in range(chance.randint(1, 4))]
    waiting: list[list[dict[str, object]]] = []
    for index, one in enumerate(inputs):
        written = json.dumps(one)
        cuts = sorted(chance.randrange(len(written) + 1) for _ in range(chance.randrange(6)))
        pieces = [written[a:b] for a, b in zip([0, *cuts], [*cuts, len(written)], strict=True)]
        waiting.append([piece(index, "", f"f{index}"), *(piece(index, part) for part in pieces)])
    deltas: list[dict[str, object]] = [{"content": "Let me "}, {"content": "look."}]
    begun = 0
    while any(waiting):
        ready = [number for number, rest in enumerate(waiting) if rest and number <= begun]
        number = chance.choice(ready)
        deltas.append(waiting[number].pop(0))
        begun = max(begun, number + 1)
    first, *calls = fold(events(chunks(*deltas, finish="tool_calls")))
    assert first == text("Let me look.")
    assert [(call["id"], call["name"], call["input"]) for call in calls] == [
        (f"call_{index}", f"f{index}", one) for index, one in enumerate(inputs)
    ]


def test_calls_that_come_one_after_another_are_not_held_back() -> None:
    encoder = messages.CODEC.encoder({})
    deltas = chunks(piece(0, "", "f"), piece(0, '{"a":'), piece(0, " 1}"), piece(1, "", "g"), piece(1, '{"b"'))
    said = [encoder.frames(delta) for delta in deltas[:-1]]
    assert b'"partial_json":" 1}"' in said[2]
    assert b'"name":"g"' in said[3]
    assert b'{\\"b\\"' in said[4]


def test_a_signature_ends_its_thinking_and_withheld_thinking_comes_whole() -> None:
    thought = {"type": "thinking", "thinking": "Hm, yes", "signature": "EqQB"}
    withheld = {"type": "redacted_thinking", "data": "xyz"}
    deltas = chunks(
        {"reasoning_content": "Hm, "}, {"reasoning_content": "yes"}, {"thinking_blocks": [thought]},
        {"thinking_blocks": [withheld]}, {"reasoning_content": "More"}, {"content": "Ja"},
    )  # fmt: skip
    assert fold(events(deltas, **THINKS)) == [
        thought, withheld, {"type": "thinking", "thinking": "More", "signature": ""}, text("Ja"),
    ]  # fmt: skip
    assert fold(events(deltas)) == [text("Ja")]
    assert fold(events(chunks({"thinking_blocks": [thought]}), **THINKS)) == [thought]


@pytest.mark.parametrize(
    "deltas",
    [
        [piece(0, "{}")],  # a call without a name
        [piece(0, '{"a": 1}', "f"), piece(1, "{}", "g"), piece(0, "more")],
    ],
)
def test_a_stream_of_calls_that_makes_no_sense_is_the_upstream_s_fault(deltas: list[dict[str, object]]) -> None:
    with pytest.raises(UpstreamProtocolError):
        events(chunks(*deltas))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("x", param="p"), "invalid_request_error"),
        (PolicyBlocked("x"), "permission_error"),
        (NoHealthyTarget("x"), "overloaded_error"),
        (RouterError("x"), "api_error"),
    ],
)
def test_errors_have_anthropic_s_shape_and_our_code(error: RouterError, kind: str) -> None:
    error.request_id = "r1"
    body = json.loads(messages.CODEC.error(error))
    assert body["type"] == "error"
    assert body["request_id"] == "r1"
    assert body["error"] == {"type": kind, "message": "x", "code": error.code} | ({"param": "p"} if error.param else {})
    assert messages.CODEC.error_frame(error) == b"event: error\ndata: " + messages.CODEC.error(error) + b"\n\n"
