"""Every text of a request is read, wherever it stands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router.privacy.leaves import MAX_NODES, Walk, leaves

SECRET = "856-45-6789"

TEXT_URI = "data:text/plain;base64,TXkgU1NOIGlzIDUzNi0yMi04NzI2"


def user(content: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}]}


def call(arguments: str) -> dict[str, Any]:
    function = {"name": "f", "arguments": arguments}
    return {"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": function}]}]}


FIELDS: dict[str, dict[str, Any]] = {
    "system": {"messages": [{"role": "system", "content": SECRET}]},
    "developer": {"messages": [{"role": "developer", "content": SECRET}]},
    "user": user(SECRET),
    "assistant": {"messages": [{"role": "assistant", "content": SECRET}]},
    "tool result": {"messages": [{"role": "tool", "tool_call_id": "1", "content": SECRET}]},
    "name": {"messages": [{"role": "user", "name": SECRET, "content": "hi"}]},
    "content part": user([{"type": "text", "text": SECRET}]),
    "refusal": {"messages": [{"role": "assistant", "refusal": SECRET}]},
    "reasoning": {"messages": [{"role": "assistant", "reasoning_content": SECRET}]},
    "tool call arguments": call(json.dumps({"ssn": SECRET})),
    "tool call id": {"messages": [{"role": "tool", "tool_call_id": SECRET, "content": "hi"}]},
    "tool description": {"tools": [{"type": "function", "function": {"name": "f", "description": SECRET}}]},
    "tool parameter enum": {"tools": [{"function": {"parameters": {"properties": {"a": {"enum": [SECRET]}}}}}]},
    "tool parameter name": {"tools": [{"function": {"parameters": {"properties": {SECRET: {"type": "string"}}}}}]},
    "response format": {"response_format": {"json_schema": {"schema": {"description": SECRET}}}},
    "user field": {"user": SECRET},
    "metadata": {"metadata": {"note": SECRET}},
    "metadata key": {"metadata": {SECRET: "yes"}},
    "stop": {"stop": [SECRET]},
    "stop string": {"stop": SECRET},
    "prediction": {"prediction": {"type": "content", "content": SECRET}},
    "model": {"model": SECRET},
    "type": {"messages": [{"role": "user", "content": "hi", "type": SECRET}]},
    "role": {"messages": [{"role": SECRET, "content": "hi"}]},
    "unknown field": {"x": {"y": [{"z": SECRET}]}},
    "input of responses": {"input": [{"role": "user", "content": [{"type": "input_text", "text": SECRET}]}]},
    "instructions": {"instructions": SECRET},
    "anthropic tool result": user([{"type": "tool_result", "content": [{"type": "text", "text": SECRET}]}]),
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_text_is_read_wherever_it_stands(field: str) -> None:
    reading = leaves(FIELDS[field])
    assert any(SECRET in leaf.text or SECRET in leaf.key for leaf in reading.leaves)
    assert reading.unreadable == ()


@pytest.mark.parametrize("field", [field for field in FIELDS if "key" not in field and field != "tool parameter name"])
def test_the_path_of_a_leaf_leads_to_its_text(field: str) -> None:
    for leaf in leaves(FIELDS[field]).leaves:
        value: Any = FIELDS[field]
        for part in leaf.path:
            value = value[part]
        assert leaf.text in (value, "")


def test_long_numbers_are_read_with_their_key_and_short_ones_not() -> None:
    reading = leaves(
        {
            "metadata": {
                "card": 4539578763621486,
                "age": 42,
                "big": 4.5e9,
                "part": 536228726.5,
                "not": float("nan"),
                "ok": True,
                "none": None,
            }
        }
    )
    assert {(leaf.key, leaf.text) for leaf in reading.leaves} == {
        ("card", "4539578763621486"), ("age", ""), ("big", "4500000000"), ("part", "536228726\n~\n5362287265"), ("not", ""), ("ok", ""), ("none", ""),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (0.4539578763621486, ["4539578763621486"]),
        (4539578763621486.0, ["4539578763621486"]),
        (4.539578763621486e42, ["4539578763621486"]),
        (-85645678.9, ["-85645678\n~\n856456789"]),
        (0.7, []),
        (float("inf"), []),
        ([4539, 5787, 6362, 1486], ["4539 5787 6362 1486"]),
        ([4539.0, 5787.0, 6362.0, 1486.0], ["4539 5787 6362 1486"]),
        ([4, 5, 3, 9, 5, 7, 8, 7, 6, 3, 6, 2, 1, 4, 8, 6], ["4, 5, 3, 9, 5, 7, 8, 7, 6, 3, 6, 2, 1, 4, 8, 6"]),
        ([1, 2, 3], []),
        ([0.25, 0.5], []),
        ([0.1234567890123456] * 16, []),
        ([0.1234567890123456] * 15 + [4539578763621486.5], ["4539578763621486"]),
    ],
)
def test_a_number_is_read_however_it_is_written(value: object, texts: list[str]) -> None:
    assert [leaf.text for leaf in leaves({"seed": value}).leaves] == texts  # type: ignore[dict-item]


def test_protocol_words_are_not_scanned() -> None:
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}], "tool_choice": "auto"}
    assert [leaf.text for leaf in leaves(body).leaves] == ["hi"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (user([{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]), "image_url"),
        (user([{"type": "input_audio", "input_audio": {"data": "AAAA"}}]), "input_audio"),
        (user([{"type": "file", "file": {"file_id": "f"}}]), "file"),
        (user([{"type": "ssn_856456789", "x": "y"}]), "unknown"),
        (user([{"no": "type"}]), "unknown"),
        (user("broken \ud800 text"), "text"),
        (user("nul \x00 text"), "text"),
        ({"attachment": "data:image/png;base64,iVBORw0KGgo="}, "data"),
        ({"attachment": "data:text/plain;base64,/////w=="}, "data"),
        ({"attachment": "data:text/plain;base64,not base64"}, "data"),
        (user([{"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}}]), "file"),
        (user([{"type": "file", "file": {"file_data": TEXT_URI, "file_id": "f"}}]), "file"),
        ({"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, "audio"),
        ({"prompt": [[1212, 318]]}, "tokens"),
        ({"seed": 10**40}, "number"),
        ({"seed": -(10**5000)}, "number"),
        ({"x": list(range(MAX_NODES + 1))}, "nesting"),
    ],
)
def test_what_is_not_text_is_reported_as_unreadable(body: dict[str, Any], kind: str) -> None:
    assert leaves(body).unreadable == (kind,)


@pytest.mark.parametrize(
    "body",
    [
        {"attachment": TEXT_URI},
        user([{"type": "file", "file": {"file_data": TEXT_URI, "filename": "notes.txt"}}]),
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_data": TEXT_URI}]}]},
    ],
)
def test_a_text_in_a_data_url_is_read(body: dict[str, Any]) -> None:
    reading = leaves(body)
    assert reading.unreadable == ()
    assert TEXT_URI in [leaf.text for leaf in reading.leaves]


def test_the_link_of_an_image_is_read_all_the_same() -> None:
    url = "https://x.example/u?email=maria.lopez@northbank.com"
    reading = leaves(user([{"type": "image_url", "image_url": {"url": url}}]))
    assert url in [leaf.text for leaf in reading.leaves]


def test_deep_nesting_is_unreadable_instead_of_an_error() -> None:
    body: Any = "deep"
    for _ in range(500):
        body = [body]
    assert leaves({"x": body}).unreadable == ("nesting",)


def test_the_texts_of_one_message_are_joined_and_its_name_is_not() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    message = {"role": "user", "name": "n", "content": parts}
    reading = leaves({"messages": [message, {"role": "user", "content": "c"}]})
    assert [[reading.leaves[i].text for i in joint] for joint in reading.joints] == [["a", "b"]]


def test_a_joint_reaches_over_short_parts_and_ends_behind_a_long_one() -> None:
    parts = [{"type": "text", "text": text} for text in ("a", "b", "c" * 80, "d")]
    reading = leaves(user(parts))
    assert [[reading.leaves[i].text[0] for i in joint] for joint in reading.joints] == [["a", "b", "c"], ["c", "d"]]


def test_a_walk_can_be_taken_in_steps_of_any_size() -> None:
    whole = leaves(FIELDS["anthropic tool result"])
    for nodes in (1, 2, 3, 5, 100):
        walk = Walk(FIELDS["anthropic tool result"])
        while not walk.step(nodes):
            pass
        assert walk.reading == whole


def test_characters_bytes_and_values_are_counted() -> None:
    reading = leaves({"metadata": {"größe": "né"}})
    assert (reading.chars, reading.bytes, reading.nodes) == (7, 10, 3)


@pytest.mark.parametrize("value", [[], [[]], ["x"], [1], [None], [{}]])
def test_a_key_over_a_list_is_read(value: object) -> None:
    assert SECRET in [leaf.key for leaf in leaves({"metadata": {SECRET: value}}).leaves]  # type: ignore[dict-item]
