"""Walks a request body and collects every text in it, protocol or not; knows no recognizer."""

from __future__ import annotations

import re
from typing import NamedTuple

from router.core.types import JsonObject, JsonValue

Path = tuple[str | int, ...]

READABLE = frozenset(
    (
        "text input_text output_text refusal thinking redacted_thinking reasoning reasoning_text "
        "summary_text tool_use tool_result tool_call function_call function_call_output message"
    ).split()
)
"""Types of content parts that hold their meaning as text. Any other part in a content list is unreadable."""

CONSTANTS = frozenset(
    (
        "system developer user assistant tool function text object string number integer boolean array "
        "null json_schema json_object auto none required low medium high input_text output_text refusal "
        "tool_use tool_result message ephemeral default flex priority image_url input_audio file detailed "
        "concise"
    ).split()
)
"""Values that are protocol, whatever key they stand under, and so aren't scanned."""

KEYS = frozenset(
    (
        "messages role content type text name model tool_calls function arguments id tools parameters "
        "properties description required enum items additionalProperties strict schema json_schema "
        "response_format metadata user stop prediction temperature top_p n stream stream_options "
        "include_usage max_tokens max_completion_tokens seed logprobs top_logprobs logit_bias "
        "presence_penalty frequency_penalty parallel_tool_calls tool_choice tool_call_id reasoning_effort "
        "service_tier store modalities audio image_url url detail input_audio data format file file_id "
        "file_data filename refusal title default anyOf oneOf allOf $ref $defs input instructions "
        "cache_control system source media_type tool_use_id is_error thinking signature call_id output "
        "summary"
    ).split()
)
"""Keys that are protocol. Every other key is scanned too, with its value: `ssn: 856456789`."""

MIN_DIGITS = 7
"""Shorter numbers identify nobody."""

MAX_DEPTH, MAX_NODES = 200, 100_000
"""A body with more levels or values than this isn't walked to its end: it counts as unreadable."""

JOINT = 64
"""Characters on each side of a seam between two texts that belong together."""

OPAQUE = frozenset(
    (
        "image_url input_image image input_audio audio file input_file document video_url input_video "
        "video container_upload computer_screenshot search_result item_reference"
    ).split()
)
"""Types that a report may name; any other is `unknown`, since a caller can write anything there."""

_DATA_URI = re.compile(r"data:[^,]{0,200};base64,")
_LONE = re.compile("[\x00\ud800-\udfff]")


class Leaf(NamedTuple):
    """One text of the body: a string, the digits of a number, or a key alone (then `text` is empty)."""

    path: Path
    text: str
    key: str = ""
    """The key it stands under, if that isn't protocol; scanned in front of the text."""


class Reading(NamedTuple):
    """All that can be read of a body, and the kinds of what can't."""

    leaves: list[Leaf]
    unreadable: tuple[str, ...]
    """`image_url`, `input_audio`, an unknown part type, `text` (broken characters), `nesting`; each once."""
    joints: list[tuple[int, ...]]
    """Indexes of leaves that a reader sees as one text: a text part or turn and what follows it of the same author."""
    chars: int


class _Walk:
    def __init__(self) -> None:
        self.leaves: list[Leaf] = []
        self.unreadable: dict[str, None] = {}
        self.chars = 0
        self.nodes = 0

    def visit(self, value: JsonValue, path: Path, key: str, depth: int, readable: bool = True) -> None:
        """Collect the texts under `value`; `key` is its own key if that must be scanned."""
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            self.unreadable["nesting"] = None
        elif isinstance(value, str):
            is_data = _DATA_URI.match(value) is not None
            if is_data and readable:
                self.unreadable["data"] = None
            self.add(path, "" if is_data or value in CONSTANTS else value, key)
        elif isinstance(value, dict):
            self.add(path, "", key)
            for name, item in value.items():
                self.visit(item, (*path, name), "" if name in KEYS else name, depth + 1, readable)
        elif isinstance(value, list):
            if self.nodes > MAX_NODES:
                return
            if not value:
                self.add(path, "", key)
            is_content = bool(path) and path[-1] == "content"
            if path[:1] in (("input",), ("prompt",)) and any(type(item) is int for item in value):
                self.unreadable["tokens"] = None
            for index, item in enumerate(value):
                self.visit(item, (*path, index), key, depth + 1, self.part(item) if is_content else readable)
        else:
            self.add(path, _digits(value), key)

    def add(self, path: Path, text: str, key: str) -> None:
        """Note one text, made fit to travel to a worker."""
        if not text and not key:
            return
        if _LONE.search(text) or _LONE.search(key):
            self.unreadable["text"] = None
            text, key = _LONE.sub("�", text), _LONE.sub("�", key)
        self.leaves.append(Leaf(path, text, key))
        self.chars += len(text) + len(key)

    def part(self, item: JsonValue) -> bool:
        """Say whether an item of a content list is text, and note its type if not."""
        if isinstance(item, str):
            return True
        kind = item.get("type") if isinstance(item, dict) else None
        if isinstance(kind, str) and kind in READABLE:
            return True
        self.unreadable[kind if isinstance(kind, str) and kind in OPAQUE else "unknown"] = None
        return False


def _digits(value: float | bool | None) -> str:
    """Write the whole part of a number as text if it has 7 digits; longer ones than any card or account are nobody's."""
    if value is None or isinstance(value, bool) or not abs(value) <= 10**40:
        return ""
    digits = str(int(value))
    return digits if len(digits.lstrip("-")) >= MIN_DIGITS else ""


def _author(path: Path, roles: dict[Path, str]) -> tuple[Path, str]:
    """Name the list a leaf's message stands in and the message's role."""
    message = path[:2]
    return path[:1], roles.get(message, "")


def _joints(leaves: list[Leaf], body: JsonObject) -> list[tuple[int, ...]]:
    """Chain each text of a message with the next texts of the same author, up to `JOINT` characters of them."""
    roles: dict[Path, str] = {}
    for name in ("messages", "input"):
        turns = body.get(name)
        for index, turn in enumerate(turns if isinstance(turns, list) else []):
            role = turn.get("role") if isinstance(turn, dict) else None
            roles[(name, index)] = role if isinstance(role, str) else ""
    texts: dict[tuple[Path, str], list[int]] = {}
    for index, leaf in enumerate(leaves):
        is_text = "content" in leaf.path[-2:] or ("content" in leaf.path and leaf.path[-1] == "text")
        if leaf.path[:2] not in roles or not is_text or not leaf.text:
            continue
        texts.setdefault(_author(leaf.path, roles), []).append(index)
    return [_chain(leaves, indexes, place) for indexes in texts.values() for place in range(len(indexes) - 1)]


def _chain(leaves: list[Leaf], indexes: list[int], place: int) -> tuple[int, ...]:
    """Take the text at `place` and those behind it, the last of which may be cut."""
    end, chars = place + 1, 0
    while end < len(indexes) and chars < JOINT:
        chars += len(leaves[indexes[end]].text)
        end += 1
    return tuple(indexes[place:end])


def leaves(body: JsonObject) -> Reading:
    """Read a whole body: every string, every number of 7 digits or more, every key that isn't protocol.

    Skipped are only values equal to a protocol constant (`CONSTANTS`), shorter numbers, truth values, and the
    bytes of parts that are reported as unreadable anyway.
    """
    walk = _Walk()
    walk.visit(body, (), "", 0)
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else []:
        if isinstance(message, dict) and message.get("audio") is not None:
            walk.unreadable["audio"] = None
    return Reading(walk.leaves, tuple(walk.unreadable), _joints(walk.leaves, body), walk.chars)
