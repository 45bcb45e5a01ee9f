"""A provider's encrypted thinking keeps nothing at home by itself, and hides nothing either."""

from __future__ import annotations

import base64
import random
from typing import Any

import pytest

from router.core.types import JsonObject
from router.privacy.leaves import MAX_NODES, MAX_SEALED_CHARS, Walk, leaves
from router.privacy.opaque import is_sealed

PLACES = 500


def body(item: dict[str, Any]) -> JsonObject:
    return {"model": "m", "input": [{"role": "user", "content": "Go on"}, item]}


def encrypted(chance: random.Random, number: int) -> str:
    """Make what looks like a provider's: base64, 200 to 5000 characters, of either alphabet, with a version byte or not."""
    raw = (b"\x80\0\0\0\0i" if number % 3 == 0 else b"") + chance.randbytes(chance.randint(200, 5000) * 3 // 4)
    encode = base64.urlsafe_b64encode if number % 2 else base64.b64encode
    text = encode(raw).decode()
    return text.rstrip("=") if number % 5 == 0 else text


def texts(item: dict[str, Any]) -> list[str]:
    return [leaf.text for leaf in leaves(body(item)).leaves]


@pytest.mark.parametrize("kind", ["reasoning", "compaction"])
def test_random_bytes_in_their_place_are_passed_over(kind: str) -> None:
    chance = random.Random(1)
    read = 0
    for number in range(PLACES):
        text = encrypted(chance, number)
        read += text in texts({"type": kind, "id": "rs_1", "encrypted_content": text})
    assert read == 0


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "role": "user", "content": "x", "encrypted_content": "%"},
        {"type": "function_call_output", "call_id": "c", "output": "%"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "%"}]},
        {"type": "reasoning", "summary": [], "note": {"encrypted_content": "%"}},
    ],
)
def test_anywhere_else_they_are_read_as_text(item: dict[str, Any]) -> None:
    text = encrypted(random.Random(2), 1)

    def put(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: put(one) for name, one in value.items()}
        return [put(one) for one in value] if isinstance(value, list) else text if value == "%" else value

    assert text in texts(put(item))


@pytest.mark.parametrize(
    "said",
    [
        "My SSN is 536-22-8726",
        "sk_live_5KEjuCApYaziLriKggM71aMh",
        "sk-proj-" + base64.urlsafe_b64encode(random.Random(5).randbytes(117)).decode(),
        base64.b64encode(random.Random(6).randbytes(48)).decode(),
        base64.b64encode(b"My SSN is 536-22-8726 and my card is 4111 1111 1111 1111").decode(),
        base64.b64encode(
            random.Random(3).randbytes(900) + b" My SSN is 536-22-8726 " + random.Random(4).randbytes(900)
        ).decode(),
        base64.b64encode(
            random.Random(3).randbytes(900) + b"maria@example.com" + random.Random(4).randbytes(900)
        ).decode(),
    ],
)
def test_what_can_be_read_in_their_place_is_read(said: str) -> None:
    assert not is_sealed(said)
    assert said in texts({"type": "reasoning", "summary": [], "encrypted_content": said})


@pytest.mark.parametrize(
    ("item", "unreadable"),
    [
        ({"type": "item_reference", "id": "x"}, "item_reference"),
        ({"type": "image_generation_call", "id": "x", "result": "iVBORw0KGgo"}, "image_generation_call"),
        ({"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot"}}, "computer_call_output"),
        ({"type": "hologram"}, "unknown"),
        ({"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "image_url": "https://x/y"}]}, "input_image"),
        ({"type": "function_call_output", "call_id": "c", "output": [{"type": "input_file", "file_id": "f"}]}, "input_file"),
    ],
)  # fmt: skip
def test_items_without_text_are_unreadable(item: dict[str, Any], unreadable: str) -> None:
    assert leaves(body(item)).unreadable == (unreadable,)


@pytest.mark.parametrize(
    ("part", "unreadable"),
    [
        ({"type": "input_image", "image_url": "https://x/y.png"}, ("input_image",)),
        ({"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}, ("input_image",)),
        ({"type": "input_file", "file_id": "f"}, ("input_file",)),
        ({"type": "hologram", "id": "x"}, ("unknown",)),
        ({"type": "input_text", "text": "x"}, ()),
        ("x", ()),
    ],
)
def test_what_a_variable_of_a_stored_prompt_brings_along_is_unreadable_unless_it_is_text(
    part: Any, unreadable: tuple[str, ...]
) -> None:
    prompt = {"id": "pmpt_1", "variables": {"v": part}}
    assert leaves({"model": "m", "prompt": prompt}).unreadable == unreadable


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": "x"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "x"}]},
        {"type": "web_search_call", "id": "ws", "action": {"type": "search", "query": "x"}},
        {
            "type": "shell_call_output",
            "call_id": "c",
            "output": [{"stdout": "x", "stderr": "", "outcome": {"type": "exit"}}],
        },
    ],
)
def test_items_with_text_are_readable(item: dict[str, Any]) -> None:
    reading = leaves(body(item))
    assert reading.unreadable == ()
    assert "x" in [leaf.text for leaf in reading.leaves]


def test_many_long_ones_are_checked_a_few_at_a_time_and_a_far_too_long_one_is_read() -> None:
    long = base64.b64encode(random.Random(7).randbytes(60_000)).decode()
    walk = Walk({"model": "m", "input": [{"type": "reasoning", "encrypted_content": long}] * 20})
    steps = 1
    while not walk.step(MAX_NODES):
        steps += 1
    assert steps >= 20
    assert long not in [leaf.text for leaf in walk.reading.leaves]
    longer = base64.b64encode(random.Random(8).randbytes(MAX_SEALED_CHARS)).decode()
    assert longer in texts({"type": "reasoning", "encrypted_content": longer})
