"""Chat completions as Gemini's requests: each field by table, and any body checked against the vendor's own types."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from router.core.errors import InvalidRequest, RouterError, UnsupportedFeature
from router.providers import gemini
from router.wire.outbound.gemini import NOT_OURS, encode_request, version
from tests.fakes.gemini import check

MODEL = "gemini-3-flash-preview"
USER = {"role": "user", "content": "hi"}
TURN = {"role": "user", "parts": [{"text": "hi"}]}
SIGNATURE = base64.b64encode(b"what it thought").decode()
SCHEMA = {"type": "object", "properties": {"city": {"$ref": "#/$defs/city"}}, "$defs": {"city": {"type": "string"}}}
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {"name": "weather", "description": "Says the weather.", "parameters": SCHEMA},
}
NOW: dict[str, Any] = {"type": "function", "function": {"name": "now"}}
DECLARED = [{"name": "weather", "description": "Says the weather.", "parametersJsonSchema": SCHEMA}, {"name": "now"}]


def call(call_id: str, arguments: str, name: str = "weather", signature: str | None = None) -> dict[str, object]:
    made: dict[str, object] = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return made | ({"extra_content": {"google": {"thought_signature": signature}}} if signature else {})


def encoded(body: Mapping[str, object], model: str = MODEL) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Translate a request with one user message, but for what `body` says otherwise; return (request, dropped)."""
    full: Any = {"model": "group", "messages": [USER], **body}
    made = encode_request(full, model=model)
    request = json.loads(made.payload)
    check(request, model)
    return request, made.dropped


def sent(body: Mapping[str, object], model: str = MODEL) -> dict[str, Any]:
    return encoded(body, model)[0]


def conversation(*messages: object, model: str = MODEL) -> list[dict[str, Any]]:
    return sent({"messages": messages}, model)["contents"]


def test_a_plain_request_is_one_turn_and_nothing_else() -> None:
    assert encoded({}) == ({"contents": [TURN]}, ())


CONFIG: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "max_tokens": ({"max_tokens": 5}, {"maxOutputTokens": 5}),
    "max_completion_tokens wins": ({"max_tokens": 5, "max_completion_tokens": 6}, {"maxOutputTokens": 6}),
    "temperature": ({"temperature": 1.7}, {"temperature": 1.7}),
    "temperature zero": ({"temperature": 0}, {"temperature": 0}),
    "top_p and top_k": ({"top_p": 0.9, "top_k": 40}, {"topP": 0.9, "topK": 40}),
    "one stop word": ({"stop": "END"}, {"stopSequences": ["END"]}),
    "stop words": ({"stop": ["a", "b"]}, {"stopSequences": ["a", "b"]}),
    "no stop word": ({"stop": None}, {}),
    "an empty stop word": ({"stop": ""}, {}),
    "seed": ({"seed": 7}, {"seed": 7}),
    "penalties": ({"presence_penalty": 1, "frequency_penalty": -1}, {"presencePenalty": 1, "frequencyPenalty": -1}),
    "one choice": ({"n": 1}, {}),
    "several choices": ({"n": 3}, {"candidateCount": 3}),
    "logprobs": ({"logprobs": True}, {"responseLogprobs": True}),
    "top logprobs": ({"logprobs": True, "top_logprobs": 4}, {"responseLogprobs": True, "logprobs": 4}),
    "no logprobs": ({"logprobs": False, "top_logprobs": 0}, {}),
    "plain text": ({"response_format": {"type": "text"}, "modalities": ["text"]}, {}),
    "JSON": ({"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
    "a schema, as it is": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": SCHEMA}}},
        {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA},
    ),
    "Google's own way to say how much to think": (
        {"extra_body": {"google": {"thinking_config": {"thinking_level": "low", "include_thoughts": True}}}},
        {"thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True}},
    ),
    "the stream's options are the router's": ({"stream": True, "stream_options": {"include_usage": True}}, {}),
}


@pytest.mark.parametrize(("body", "config"), CONFIG.values(), ids=CONFIG)
def test_a_field_is_translated(body: dict[str, object], config: dict[str, object]) -> None:
    request, dropped = encoded(body)
    assert request.get("generationConfig", {}) == config
    assert dropped == ()


THOUGHT = {"includeThoughts": True}
EFFORTS: list[tuple[str, str, dict[str, object] | None, bool]] = [
    ("gemini-2.5-flash", "none", {"thinkingBudget": 0}, False),
    ("gemini-2.5-flash", "minimal", {"thinkingBudget": 1024, **THOUGHT}, False),
    ("gemini-2.5-flash", "medium", {"thinkingBudget": 8192, **THOUGHT}, False),
    ("gemini-2.5-flash", "xhigh", {"thinkingBudget": 24576, **THOUGHT}, True),
    ("gemini-2.5-pro", "none", {"thinkingBudget": 128}, True),
    ("gemini-2.5-pro", "high", {"thinkingBudget": 24576, **THOUGHT}, False),
    ("gemini-3-flash-preview", "none", {"thinkingLevel": "MINIMAL"}, True),
    ("gemini-3-flash-preview", "medium", {"thinkingLevel": "MEDIUM", **THOUGHT}, False),
    ("gemini-3-pro-preview", "minimal", {"thinkingLevel": "LOW", **THOUGHT}, False),
    ("gemini-3-pro-preview", "medium", {"thinkingLevel": "HIGH", **THOUGHT}, False),
    ("gemini-3.1-pro-preview", "medium", {"thinkingLevel": "MEDIUM", **THOUGHT}, False),
    ("gemini-flash-latest", "max", {"thinkingLevel": "HIGH", **THOUGHT}, True),
    ("gemini-2.0-flash", "high", None, True),
    ("gemma-3-27b-it", "low", None, True),
]


@pytest.mark.parametrize(("model", "effort", "config", "is_named"), EFFORTS)
def test_effort_is_a_level_or_a_budget_by_the_model_s_generation(
    model: str, effort: str, config: dict[str, object] | None, is_named: bool
) -> None:
    request, dropped = encoded({"reasoning_effort": effort}, model)
    assert request.get("generationConfig", {}).get("thinkingConfig") == config
    assert dropped == (("reasoning_effort",) if is_named else ())


@pytest.mark.parametrize(
    ("model", "generation"),
    [
        ("gemini-2.5-pro", (2, 5)),
        ("models/gemini-1.5-flash-002", (1, 5)),
        ("gemini-3-pro-preview", (3, 0)),
        ("gemini-3.1-pro", (3, 1)),
        ("gemini-pro-latest", (99, 0)),
        ("gemini-embedding", (99, 0)),
        ("gemma-3-27b-it", (0, 0)),
        ("endpoints/123", (0, 0)),
    ],
)
def test_a_generation_is_read_from_the_name(model: str, generation: tuple[int, int]) -> None:
    assert version(model) == generation


KNOBS: dict[str, tuple[dict[str, object], tuple[str, ...]]] = {
    "knobs": (
        {
            "logit_bias": {"1": 5},
            "user": "u",
            "service_tier": "flex",
            "store": True,
            "min_p": 0.1,
            "metadata": {"a": "b"},
        },
        ("logit_bias", "metadata", "min_p", "service_tier", "store", "user"),
    ),
    "knobs that say nothing": ({"logit_bias": {}, "user": None, "store": False, "metadata": {}}, ()),
    "a seed that is too large": ({"seed": 2**40}, ("seed",)),
    "one call at a time": ({"tools": [NOW], "parallel_tool_calls": False}, ("parallel_tool_calls",)),
    "strict": (
        {"tools": [{"type": "function", "function": {"name": "x", "strict": True}}]},
        ("tools.function.strict",),
    ),
    "cache marks of a tool": ({"tools": [{**NOW, "cache_control": {"type": "ephemeral"}}]}, ("cache_control",)),
    "options of a search": (
        {"web_search_options": {"search_context_size": "low"}},
        ("web_search_options.search_context_size",),
    ),
    "what a message has beside its content": (
        {
            "messages": [
                {"role": "user", "name": "ann", "content": [{"type": "text", "text": "x", "cache_control": {"a": 1}}]},
                {
                    "role": "assistant",
                    "content": "y",
                    "reasoning_content": "z",
                    "thinking_blocks": [{"type": "thinking"}],
                },
            ]
        },
        ("cache_control", "messages.name", "messages.reasoning_content", "messages.thinking_blocks"),
    ),
}


@pytest.mark.parametrize(("body", "names"), KNOBS.values(), ids=KNOBS)
def test_what_is_left_out_is_named(body: dict[str, object], names: tuple[str, ...]) -> None:
    assert encoded(body)[1] == names


CHOICES: dict[str, tuple[object, list[dict[str, Any]], object]] = {
    "not said": (None, DECLARED, None),
    "auto": ("auto", DECLARED, {"mode": "AUTO"}),
    "none": ("none", DECLARED, {"mode": "NONE"}),
    "required": ("required", DECLARED, {"mode": "ANY"}),
    "named": (
        {"type": "function", "function": {"name": "now"}},
        DECLARED,
        {"mode": "ANY", "allowedFunctionNames": ["now"]},
    ),
    "one of some": (
        {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NOW]}},
        DECLARED,
        {"mode": "ANY", "allowedFunctionNames": ["now"]},
    ),
    "some, if any": (
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NOW]}},
        DECLARED[1:],
        None,
    ),
}


@pytest.mark.parametrize(("choice", "declared", "config"), CHOICES.values(), ids=CHOICES)
def test_tools_and_their_choice_are_translated(choice: object, declared: object, config: object) -> None:
    request = sent({"tools": [WEATHER, NOW], "tool_choice": choice})
    assert request["tools"] == [{"functionDeclarations": declared}]
    assert request.get("toolConfig") == (None if config is None else {"functionCallingConfig": config})


def test_a_web_search_is_google_s() -> None:
    assert sent({"web_search_options": {}, "tools": [NOW]})["tools"] == [
        {"functionDeclarations": [{"name": "now"}]},
        {"googleSearch": {}},
    ]


def test_a_choice_without_tools_is_none() -> None:
    assert sent({"tools": [], "tool_choice": "auto", "parallel_tool_calls": False}) == {"contents": [TURN]}


def test_system_and_developer_messages_become_the_instruction_and_neighbours_one_turn() -> None:
    request = sent(
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                USER,
                {"role": "developer", "content": [{"type": "text", "text": "Be kind."}, {"type": "text", "text": ""}]},
                {"role": "user", "content": "there"},
                {"role": "assistant", "content": ""},
                {"role": "assistant", "content": None, "refusal": "no"},
            ]
        }
    )
    assert request["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]}
    assert request["contents"] == [
        {"role": "user", "parts": [{"text": "hi"}, {"text": "there"}]},
        {"role": "model", "parts": [{"text": "no"}]},
    ]


def test_parts_keep_their_order() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.PNG?x=1", "detail": "high"}},
        {"type": "text", "text": "what is it?"},
        {"type": "image_url", "image_url": {"url": "data:image/JPG;base64,/9j/4AAQ"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
        {"type": "file", "file": {"file_data": "data:text/plain;charset=utf-8;base64,aGk="}},
    ]
    request, dropped = encoded({"messages": [{"role": "user", "content": parts}]})
    assert request["contents"][0]["parts"] == [
        {"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/a.PNG?x=1"}},
        {"text": "what is it?"},
        {"inlineData": {"mimeType": "image/jpeg", "data": "/9j/4AAQ"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
        {"inlineData": {"mimeType": "text/plain", "data": "aGk="}},
    ]
    assert dropped == ("file.filename", "image_url.detail")


ASKED = {
    "role": "assistant",
    "content": "Looking.",
    "tool_calls": [call("c1", '{"city": "Bonn"}', signature=SIGNATURE), call("c2", "", "now")],
}


def test_calls_and_their_results_are_one_turn_each_in_the_order_of_the_calls() -> None:
    turns = conversation(
        USER,
        ASKED,
        {"role": "tool", "tool_call_id": "c2", "content": '{"time": 12.0}'},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "sun"}]},
        {"role": "user", "content": "and now?"},
    )
    assert turns == [
        TURN,
        {
            "role": "model",
            "parts": [
                {"text": "Looking."},
                {
                    "functionCall": {"id": "c1", "name": "weather", "args": {"city": "Bonn"}},
                    "thoughtSignature": SIGNATURE,
                },
                {"functionCall": {"id": "c2", "name": "now", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "c1", "name": "weather", "response": {"result": "sun"}}},
                {"functionResponse": {"id": "c2", "name": "now", "response": {"time": 12.0}}},
                {"text": "and now?"},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("content", "response"),
    [
        ("", {"result": ""}),
        (None, {"result": ""}),
        ("[1, 2]", {"result": "[1, 2]"}),
        ("3", {"result": "3"}),
        ('{"a": ', {"result": '{"a": '}),
        ('{"a":' * 9_999, {"result": '{"a":' * 9_999}),
    ],
)
def test_a_result_that_is_no_object_is_wrapped(content: object, response: object) -> None:
    turns = conversation(
        USER, {**ASKED, "tool_calls": [call("c1", "{}")]}, {"role": "tool", "tool_call_id": "c1", "content": content}
    )
    assert turns[2]["parts"][0]["functionResponse"]["response"] == response


def test_an_image_among_results_travels_inside_the_result_where_the_model_takes_it() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    result = {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "seen"}, picture]}
    asked = {"role": "assistant", "tool_calls": [call("c1", "{}")]}
    turns = conversation(USER, asked, result)
    assert turns[2]["parts"][0]["functionResponse"]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    ]
    with pytest.raises(UnsupportedFeature):
        conversation(USER, asked, result, model="gemini-2.5-flash")


def test_numbers_in_arguments_and_results_are_sent_as_they_were_written() -> None:
    number = '{"a": 1.0, "b": 12345678901234567890123}'
    body: Any = {
        "messages": [
            USER,
            {"role": "assistant", "tool_calls": [call("c", number)]},
            {"role": "tool", "tool_call_id": "c", "content": number},
        ]
    }
    assert encode_request(body, model=MODEL).payload.count(number.encode()) == 2


def test_a_signature_goes_back_where_it_came_from() -> None:
    signed = {"extra_content": {"google": {"thought_signature": SIGNATURE}}}
    turns = conversation(USER, {"role": "assistant", "content": "Hello.", **signed})
    assert turns[1]["parts"] == [{"text": "Hello.", "thoughtSignature": SIGNATURE}]
    turns = conversation(USER, {"role": "assistant", "content": None, **signed, "tool_calls": [call("c", "{}")]})
    assert turns[1]["parts"][0] == {"text": "", "thoughtSignature": SIGNATURE}


@pytest.mark.parametrize(("model", "signature"), [(MODEL, NOT_OURS), ("gemini-2.5-flash", None)])
def test_a_call_of_another_vendor_s_model_gets_the_signature_that_says_so(model: str, signature: str | None) -> None:
    turns = conversation(
        USER,
        {"role": "assistant", "tool_calls": [call("c1", "{}"), call("c2", "{}")]},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "tool", "tool_call_id": "c2", "content": "2"},
        model=model,
    )
    assert [part.get("thoughtSignature") for part in turns[1]["parts"]] == [signature, None]


def user(*parts: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def assistant(*calls: object, **more: object) -> dict[str, object]:
    return {"messages": [USER, {"role": "assistant", "tool_calls": list(calls), **more}]}


def image(url: str) -> dict[str, object]:
    return user({"type": "image_url", "image_url": {"url": url}})


IMAGE = "messages[0].content[0].image_url"
ARGUMENTS = "messages[1].tool_calls[0].function.arguments"
REFUSED: dict[str, tuple[dict[str, object], type[RouterError], str | None]] = {
    "audio out": ({"modalities": ["text", "audio"], "audio": {"voice": "x"}}, UnsupportedFeature, "audio"),
    "audio among the modalities": ({"modalities": ["text", "audio"]}, UnsupportedFeature, "modalities"),
    "functions of old": ({"functions": [{"name": "x"}]}, UnsupportedFeature, "functions"),
    "a field nobody knows": ({"guided_regex": "a*"}, UnsupportedFeature, "guided_regex"),
    "a field whose name is no name": ({"Ann lives here": 1}, UnsupportedFeature, None),
    "too many choices": ({"n": 9}, UnsupportedFeature, "n"),
    "too many stop words": ({"stop": list("abcdef")}, UnsupportedFeature, "stop"),
    "a grammar": ({"response_format": {"type": "grammar"}}, UnsupportedFeature, "response_format"),
    "top logprobs alone": ({"top_logprobs": 3}, InvalidRequest, "top_logprobs"),
    "an effort nobody knows": ({"reasoning_effort": "huge"}, InvalidRequest, "reasoning_effort"),
    "something else of Google's": (
        {"extra_body": {"google": {"cached_content": "x"}}},
        UnsupportedFeature,
        "extra_body",
    ),
    "a level nobody knows": (
        {"extra_body": {"google": {"thinking_config": {"thinking_level": "x"}}}},
        InvalidRequest,
        "extra_body",
    ),
    "an option of a search": ({"web_search_options": {"x": 1}}, UnsupportedFeature, "web_search_options"),
    "a file by its id": (
        user({"type": "file", "file": {"file_id": "f"}}),
        UnsupportedFeature,
        "messages[0].content[0].file",
    ),
    "a file of another type": (
        user({"type": "file", "file": {"file_data": "data:application/zip;base64,AAAA"}}),
        UnsupportedFeature,
        "messages[0].content[0].file.file_data",
    ),
    "audio of another format": (
        user({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "midi"}}),
        UnsupportedFeature,
        "messages[0].content[0].input_audio.format",
    ),
    "audio that isn't base64": (
        user({"type": "input_audio", "input_audio": {"data": "%", "format": "wav"}}),
        InvalidRequest,
        "messages[0].content[0].input_audio",
    ),
    "a part nobody knows": (user({"type": "video_url"}), UnsupportedFeature, "messages[0].content[0]"),
    "an image part without an image": (user({"type": "image_url"}), InvalidRequest, IMAGE),
    "an image over plain http": (image("http://example.com/a.png"), InvalidRequest, IMAGE),
    "an image whose type isn't known": (image("https://example.com/a"), UnsupportedFeature, IMAGE),
    "an image of another type": (image("data:image/gif;base64,AAAA"), UnsupportedFeature, IMAGE),
    "an image without data": (image("data:image/png;base64,"), InvalidRequest, IMAGE),
    "an image of the system": (
        {"messages": [USER, {"role": "system", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]}]},
        UnsupportedFeature,
        "messages[1].content[0]",
    ),
    "a function message of old": (
        {"messages": [{"role": "function", "name": "x", "content": "y"}]},
        UnsupportedFeature,
        "messages[0].role",
    ),
    "a function call of old": (assistant(function_call={"name": "x"}), UnsupportedFeature, "messages[1].function_call"),
    "an answer's audio": (assistant(audio={"id": "x"}), UnsupportedFeature, "messages[1].audio"),
    "a custom tool": ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, UnsupportedFeature, "tools[0]"),
    "a call of a custom tool": (
        assistant({"id": "c", "type": "custom", "custom": {"name": "x", "input": "y"}}),
        UnsupportedFeature,
        "messages[1].tool_calls[0]",
    ),
    "an unknown tool choice": ({"tools": [NOW], "tool_choice": "maybe"}, InvalidRequest, "tool_choice"),
    "a tool choice of another kind": (
        {"tools": [NOW], "tool_choice": {"type": "custom"}},
        UnsupportedFeature,
        "tool_choice",
    ),
    "nothing but a system message": (
        {"messages": [{"role": "system", "content": "x"}]},
        UnsupportedFeature,
        "messages",
    ),
    "arguments that aren't an object": (assistant(call("c", "[1]")), InvalidRequest, ARGUMENTS),
    "arguments nested too deeply": (assistant(call("c", '{"a":' * 9_999)), InvalidRequest, ARGUMENTS),
    "a signature that is none": (
        assistant(call("c", "{}", signature="{}")),
        InvalidRequest,
        "messages[1].tool_calls[0].extra_content",
    ),
    "a result of no call": (
        {"messages": [{"role": "tool", "content": "x"}]},
        InvalidRequest,
        "messages[0].tool_call_id",
    ),
    "a result of a call that isn't there": (
        {"messages": [USER, {"role": "tool", "tool_call_id": "c", "content": "x"}]},
        InvalidRequest,
        "messages[1].tool_call_id",
    ),
    "content of a wrong type": ({"messages": [{"role": "user", "content": 3}]}, InvalidRequest, "messages[0].content"),
}


@pytest.mark.parametrize(("body", "kind", "param"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_translated_is_refused_by_name(
    body: dict[str, object], kind: type[RouterError], param: str | None
) -> None:
    with pytest.raises(kind) as caught:
        sent(body)
    assert type(caught.value) is kind
    assert caught.value.param == param


def test_images_by_url_are_for_models_that_fetch_them() -> None:
    with pytest.raises(UnsupportedFeature):
        sent(image("https://example.com/a.png"), "gemini-2.0-flash")


def test_a_refusal_never_repeats_what_the_caller_wrote() -> None:
    for body in (
        assistant(call("c", "SECRET")),
        image("ftp://SECRET"),
        {"messages": [{"role": "SECRET", "content": "x"}]},
        user({"type": "SECRET"}),
        {"SECRET": 1},
        {"extra_body": {"google": {"SECRET": 1}}},
        {"web_search_options": {"SECRET": 1}},
    ):
        with pytest.raises((InvalidRequest, UnsupportedFeature)) as caught:
            sent(body)
        assert "SECRET" not in f"{caught.value.message} {caught.value.param}"


def test_the_check_itself_can_fail() -> None:
    for broken in (
        {"contents": [{**TURN, "colour": 1}]},
        {"contents": [TURN], "generationConfig": {"colour": 1}},
        {"contents": [TURN, TURN]},
        {"contents": [TURN], "tools": [{"functionDeclarations": [{"colour": 1}]}]},
        {"contents": [{"role": "model", "parts": [{"functionCall": {"id": "c", "name": "x", "args": {}}}]}]},
    ):
        with pytest.raises(ValueError):
            check(broken, MODEL)


def test_the_capabilities_are_what_the_translation_can_do() -> None:
    everything = "tools vision audio files json_schema json_object logprobs n web_search"
    assert frozenset(everything.split()) == gemini.CAPABILITIES
