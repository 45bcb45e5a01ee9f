"""The detector of leaks sees through what a leak could hide behind, and sees nothing where nothing is."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.fakes.sight import Sight

CARD = "4556 7375-8689 9855"
ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in JSON": lambda text: json.dumps({"a": [text]}),
    "escaped in JSON": lambda text: '{"a": "' + "".join(f"\\u{ord(char):04x}" for char in text) + '"}',
    "JSON in JSON": lambda text: json.dumps({"a": json.dumps({"b": json.dumps([text])})}),
    "in an event of a stream": lambda text: f"data: {json.dumps({'a': text})}\n\n",
    "as a key": lambda text: json.dumps({text: 1}),
    "base64": lambda text: base64.b64encode(f"number {text} there".encode()).decode(),
    "base64 in JSON": lambda text: json.dumps({"a": f"see {base64.b64encode(text.encode()).decode()}"}),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(f"??>{text}".encode()).decode(),
    "percent": lambda text: f"https://x.test/?q={quote(text)}",
    "hexadecimal": lambda text: text.encode().hex(),
    "reversed": lambda text: text[::-1],
    "HTML": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "without separators": lambda text: text.replace(" ", "").replace("-", ""),
    "with others": lambda text: text.replace(" ", "/").replace("-", "."),
    "full width": lambda text: "".join(chr(ord(char) + 0xFEE0) if char.isdigit() else char for char in text),
    "a number": lambda text: json.dumps({"a": int(text.replace(" ", "").replace("-", ""))}),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_secret_is_seen_through_an_encoding(name: str) -> None:
    assert Sight(ENCODINGS[name](CARD).encode()).holds(CARD)


@pytest.mark.parametrize("name", ENCODINGS)
def test_another_number_is_not_taken_for_it(name: str) -> None:
    assert not Sight(ENCODINGS[name](CARD.replace("9", "3")).encode()).holds(CARD)
