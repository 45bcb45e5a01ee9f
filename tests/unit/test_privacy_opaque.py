"""Signatures of thinking are passed over in their place, and nowhere else; text that hides there is read."""

from __future__ import annotations

import base64
import bz2
import gzip
import random
from typing import Any

import pytest

from router.core.types import JsonObject
from router.privacy.leaves import leaves
from router.privacy.opaque import is_client, is_sealed

CHANCE = random.Random(8)
PRIVATE = "Patient Maria Gonzalez, SSN 536-22-8726, was diagnosed with diabetes on 12 March."


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def signature() -> str:
    """Make one, of 200 characters or more: fields with lengths in front, the model's name among them, the rest random."""
    name = b"claude-sonnet-4-5-20250929"
    parts = [
        b"\x12" + CHANCE.randbytes(CHANCE.randint(90, 600)),
        b"\x1a" + bytes([len(name)]) + name,
        CHANCE.randbytes(64),
    ]
    return encoded(b"".join(parts if CHANCE.random() < 0.5 else parts[::2]))


def request(block: dict[str, Any], role: str = "assistant") -> JsonObject:
    return {"messages": [{"role": "user", "content": "hi"}, {"role": role, "content": [block]}]}


def is_read(body: JsonObject, value: str) -> bool:
    return any(leaf.text == value for leaf in leaves(body).leaves)


def test_hardly_any_of_2000_signatures_is_taken_for_text() -> None:
    assert sum(not is_sealed(signature()) for _ in range(2000)) <= 4


def test_a_signature_is_passed_over_in_an_assistant_s_thinking_alone() -> None:
    value = signature()
    sealed = {"type": "thinking", "thinking": "Hm", "signature": value}
    withheld = {"type": "redacted_thinking", "data": value}
    assert not is_read(request(sealed), value)
    assert not is_read(request(withheld), value)
    chat: JsonObject = {"messages": [{"role": "assistant", "content": "x", "thinking_blocks": [sealed]}]}
    assert not is_read(chat, value)
    assert is_read(request(sealed), "Hm")
    for body in (
        request(sealed, "user"),
        request({"type": "text", "text": value}),
        request({"type": "text", "text": "x", "signature": value}),
        request({"type": "thinking", "thinking": value, "signature": ""}),
        request({"type": "thinking", "thinking": "", "data": value}),
        {"messages": [], "signature": value, "metadata": {"signature": value}},
    ):
        assert is_read(body, value)


def googles(value: str, role: str = "assistant") -> list[JsonObject]:
    """Put a signature where Gemini's go: beside an assistant's text, and beside its call."""
    extra: JsonObject = {"google": {"thought_signature": value}}
    call: JsonObject = {
        "id": "c",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": extra,
    }
    own: list[JsonObject] = [{"content": "x", "extra_content": extra}, {"content": None, "tool_calls": [call]}]
    return [{"messages": [{"role": "user", "content": "hi"}, {"role": role, **one}]} for one in own]


def test_google_s_signatures_are_passed_over_beside_an_assistant_s_text_and_calls_alone() -> None:
    for _ in range(500):
        value = encoded(CHANCE.randbytes(CHANCE.randint(150, 3000)))
        assert not any(is_read(body, value) for body in googles(value))
    for body in (
        *googles(value, "user"),
        *googles(value, "tool"),
        {"messages": [{"role": "assistant", "content": "x", "google": {"thought_signature": value}}]},
        {"messages": [{"role": "assistant", "extra_content": {"thought_signature": value}}]},
        {"messages": [{"role": "assistant", "extra_content": {"google": {"other": value}}}]},
        {"messages": [{"role": "assistant", "extra_content": {"google": {"a": {"thought_signature": value}}}}]},
        {"messages": [], "extra_content": {"google": {"thought_signature": value}}},
        {"input": [{"role": "assistant", "extra_content": {"google": {"thought_signature": value}}}]},
    ):
        assert is_read(body, value)


@pytest.mark.parametrize(
    "hidden", [PRIVATE, encoded(PRIVATE.encode()), encoded(CHANCE.randbytes(400) + PRIVATE.encode())]
)
def test_text_in_the_place_of_google_s_signature_is_read(hidden: str) -> None:
    assert all(is_read(body, hidden) for body in googles(hidden))


@pytest.mark.parametrize(
    "hidden",
    [
        PRIVATE,
        encoded(PRIVATE.encode()),
        encoded(PRIVATE.encode("utf-16")),
        encoded(PRIVATE.encode("utf-16-le")),
        encoded(("Größe und Straße " * 9).encode("latin-1")),
        encoded("患者的姓名是王小明，电话是一三八零零一三八零零零，住在北京市海淀区中关村大街二十七号。".encode()),
        encoded(gzip.compress(PRIVATE.encode() * 3)),
        encoded(bz2.compress(PRIVATE.encode() * 3)),
        PRIVATE.encode().hex(),
        b"My SSN is 536-22-8726".hex(),
        base64.b32encode(PRIVATE.encode()).decode(),
        "PatientMariaGonzalezWasDiagnosedWithDiabetesIn1984AndLivesAt27MarketStreetInSpringfieldSince1999WithHerSonTom",
        encoded(CHANCE.randbytes(200) + b"536-22-8726" + CHANCE.randbytes(200)),
        encoded(CHANCE.randbytes(200) + b"maria@example.com" + CHANCE.randbytes(200)),
        encoded(CHANCE.randbytes(200) + b"Maria Gonzalez has asthma" + CHANCE.randbytes(200)),
        encoded(CHANCE.randbytes(200) + b"claude-536-22-8726" + CHANCE.randbytes(200)),
        encoded(b"x"),
        "",
    ],
)
def test_text_in_the_place_of_a_signature_is_read(hidden: str) -> None:
    assert not is_sealed(hidden)
    assert is_read(request({"type": "thinking", "thinking": "Hm", "signature": hidden}), hidden) is bool(hidden)


UUID = "8b3a9a52-7a0f-4ce1-9d0b-2f5d1c9e4a77"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"user_{'0a1b2c3d' * 8}_account__session_{UUID}", True),
        (f"user_{'0a1b2c3d' * 8}_account_{UUID}_session_{UUID}", True),
        (f'{{"device_id":"{"0a1b2c3d" * 8}","account_uuid":"","session_id":"{UUID}"}}', True),
        ("maria.gonzalez@example.com", False),
        (f"user_maria_account__session_{UUID}", False),
        (f"user_{'0a1b2c3d' * 8}_account__session_{UUID} and SSN 536-22-8726", False),
    ],
)
def test_a_client_s_own_ids_are_known_by_their_make(value: str, expected: bool) -> None:
    assert is_client(value) is expected
    assert is_read({"metadata": {"user_id": value}}, value) is not expected
    assert is_read({"user_id": value, "messages": [{"content": value}]}, value)


def test_the_bytes_of_a_picture_are_not_read_for_nobody_may_have_it_anyway() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo" * 40}
    reading = leaves(request({"type": "image", "source": source}, "user"))
    assert reading.unreadable == ("image",)
    assert reading.chars < 50


@pytest.mark.parametrize(
    ("source", "unreadable"),
    [
        ({"type": "text", "media_type": "text/plain", "data": "hello"}, ()),
        ({"type": "content", "content": [{"type": "text", "text": "hello"}]}, ()),
        ({"type": "content", "content": [{"type": "image", "source": {}}]}, ("image",)),
        ({"type": "base64", "media_type": "application/pdf", "data": "hello"}, ("document",)),
        ({"type": "url", "url": "https://x/hello"}, ("document",)),
        ({"type": "file", "file_id": "hello"}, ("document",)),
        ({"type": "text"}, ("document",)),
    ],
)
def test_a_document_that_brings_its_text_is_readable(source: dict[str, Any], unreadable: tuple[str, ...]) -> None:
    reading = leaves(request({"type": "document", "source": source}, "user"))
    assert reading.unreadable == unreadable
    if not unreadable:
        assert any(leaf.text == "hello" for leaf in reading.leaves)
