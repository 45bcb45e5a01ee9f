"""Walks the values of a request body and collects every text in them, protocol or not; knows no recognizer."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from itertools import islice
from math import isfinite
from typing import NamedTuple, cast

import msgspec

from router.core.types import JsonObject, JsonValue
from router.privacy.opaque import is_client, is_googles, is_sealed, seals

Path = tuple[str | int, ...]

READABLE = frozenset(
    (
        "text input_text output_text refusal thinking redacted_thinking reasoning reasoning_text "
        "summary_text tool_use tool_result tool_call function_call function_call_output message"
    ).split()
)
"""Types of content parts that hold their meaning as text. Any other part in a content list is unreadable."""

ENCRYPTED_ITEMS = frozenset(("reasoning", "compaction"))
"""Types of a conversation's items whose `encrypted_content` comes from a provider and goes back to it."""

READABLE_ITEMS = READABLE | frozenset(
    (
        "custom_tool_call custom_tool_call_output web_search_call file_search_call code_interpreter_call "
        "computer_call local_shell_call local_shell_call_output shell_call shell_call_output apply_patch_call "
        "apply_patch_call_output mcp_call mcp_list_tools mcp_approval_request mcp_approval_response compaction "
        "tool_search_call tool_search_output additional_tools"
    ).split()
)
"""Types of a conversation's items that do; a reference, a picture or a screenshot doesn't."""

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
MAX_DIGITS = 40
"""A whole number with more digits than any card or account, and its zeros, has no business in a prompt: it is unreadable."""
MANY_NUMBERS, FEW_NUMBERS = 16, 8
"""A list of so many numbers with a fraction is a vector, of which only whole parts are read; so few may be one number's groups."""

MAX_DEPTH, MAX_NODES = 200, 30_000
"""A body with more levels or values than this isn't walked to its end: it counts as unreadable."""

MAX_SEALED_CHARS, CHECKED_CHARS = 262_144, 50_000
"""Characters that a signature or encrypted thinking may have: a longer one is read as a text, which can't be read. And so
many of them are checked between two pauses, for that costs 0.1 ms a thousand."""

APART = "\n~\n"
"""Stands between two readings of one number; no expression matches across it."""
JOINT = 64
"""Characters on each side of a seam between two texts that belong together."""

OPAQUE = frozenset(
    (
        "image_url input_image image input_audio audio file input_file document video_url input_video "
        "video container_upload computer_screenshot search_result item_reference image_generation_call "
        "computer_call_output"
    ).split()
)
"""Types that a report may name; any other is `unknown`, since a caller can write anything there."""

_TALK = ("messages", "input")
_DATA_URI = re.compile(r"data:[^,]{0,200};base64,")
_TEXT_URI = re.compile(
    r"data:(?:text/[\w.+-]{1,60}|application/(?:json|xml|yaml|x-yaml|csv|x-ndjson|javascript|sql))(?:;charset=utf-8)?;base64,",
    re.IGNORECASE,
)
"""One that a scan opens and reads, as it does all base64."""
_FILES = frozenset(("file", "input_file", "document"))
_LONE = re.compile("[\x00\ud800-\udfff]")
_LONGEST_CONSTANT = max(map(len, CONSTANTS))


class Leaf(msgspec.Struct, frozen=True, gc=False):
    """One text of the body: a string, the digits of a number, or a key alone (then `text` is empty).

    There may be many: the garbage collector, which stops everything, needn't look at them.
    """

    path: Path
    text: str
    key: str = ""
    """The key it stands under, if that isn't protocol; scanned in front of the text."""
    safe_path: Path = ()
    """The path without words of the caller's: a key that isn't protocol is -n, the n-th of its object."""


class Reading(NamedTuple):
    """All that can be read of a value, and the kinds of what can't."""

    leaves: list[Leaf]
    unreadable: tuple[str, ...]
    """`image_url`, `input_audio`, an unknown part type, `text` (broken characters), `number`, `nesting`; each once."""
    joints: list[tuple[int, ...]]
    """Indexes of leaves that a reader sees as one text: parts of one message, the inner ones no longer than `JOINT`."""
    nodes: int
    chars: int
    bytes: int
    """Length of the texts and their keys, as UTF-8."""


class _Frame(NamedTuple):
    """A container that is being read."""

    items: Iterator[tuple[int, tuple[str | int, JsonValue]]]
    path: Path
    safe_path: Path
    key: str | None
    """The key that stands in front of each item; None = its own."""
    depth: int
    readable: bool
    is_content: bool = False
    holds_tokens: bool = False
    is_vector: bool = False


class Walk:
    """Reads one value, as many steps at a time as its caller likes."""

    def __init__(self, value: JsonValue, path: Path = (), key: str = "") -> None:
        """Begin at a value that stands at `path`; `key` is its own key if that must be scanned."""
        self._leaves: list[Leaf] = []
        self._unreadable: dict[str, None] = {}
        self._stack: list[_Frame] = []
        self._joints: list[tuple[int, ...]] = []
        self._chain: list[int] = []
        self._sealed: Path = ()
        """Where the opaque field of the block that is being read would stand."""
        self._is_assistants = False
        """Whether the message that is being read is an assistant's."""
        self._checked_chars = 0
        """Of signatures, in this step."""
        self.nodes = 0
        self.chars = self.bytes = 0
        self._visit(value, path, path, key, len(path), readable=True)

    def step(self, nodes: int) -> bool:
        """Read on, at most this many values, and fewer where they take long; say whether that was the last."""
        stack = self._stack
        self._checked_chars = 0
        for _ in range(nodes):
            if self._checked_chars > CHECKED_CHARS:
                return False
            if not stack:
                return True
            items, path, safe_path, key, depth, readable, is_content, holds_tokens, is_vector = stack[-1]
            entry = next(items, None)
            if entry is None:
                stack.pop()
                continue
            number, (name, value) = entry
            is_protocol = key is not None or name in KEYS
            own = key if key is not None else "" if is_protocol else str(name)
            inner = (*path, name)
            safe = inner if is_protocol and safe_path is path else (*safe_path, name if is_protocol else -number)
            if is_content:
                readable = self._part(value)
            elif holds_tokens and type(value) is int:
                self._unreadable["tokens"] = None
            self._visit(value, inner, safe, own, depth + 1, readable=readable, in_vector=is_vector)
            if self.nodes > MAX_NODES:
                stack.clear()
        return not stack

    @property
    def reading(self) -> Reading:
        """What was read."""
        joints = [*self._joints, tuple(self._chain)] if len(self._chain) > 1 else self._joints
        return Reading(self._leaves, tuple(self._unreadable), joints, self.nodes, self.chars, self.bytes)

    def _visit(
        self,
        value: JsonValue,
        path: Path,
        safe: Path,
        key: str,
        depth: int,
        *,
        readable: bool,
        in_vector: bool = False,
    ) -> None:
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            self._unreadable["nesting"] = None
        elif isinstance(value, str):
            is_data = _DATA_URI.match(value) is not None and not _is_text_uri(value)
            is_data = is_data or (not readable and path[-2:] == ("source", "data"))
            if is_data and readable:
                self._unreadable["data"] = None
            is_protocol = is_data or (len(value) <= _LONGEST_CONSTANT and value in CONSTANTS)
            is_protocol = is_protocol or self._is_opaque(value, path)
            self._add(path, safe, "" if is_protocol else value, key)
        elif isinstance(value, dict):
            if len(path) == 2 and path[0] == "messages":
                self._is_assistants = value.get("role") == "assistant"
                if value.get("audio") is not None:
                    self._unreadable["audio"] = None
            if len(path) == 2 and path[0] == "input":
                kind = value.get("type")
                self._is_assistants = isinstance(kind, str) and kind in ENCRYPTED_ITEMS
                if self._is_assistants:
                    self._sealed = (*path, "encrypted_content")
                elif not _is_read_item(value):
                    self._part(value)
                    readable = False
            if len(path) == 3 and path[:2] == ("prompt", "variables") and "type" in value:
                readable = self._part(value)
            field = seals(value.get("type")) if self._is_assistants and len(path) == 4 else None
            if field is not None and path[0] in _TALK and path[2:3] in (("content",), ("thinking_blocks",)):
                self._sealed = (*path, field)
            if self._is_assistants and path[:1] == ("messages",) and is_googles(path[2:]):
                self._sealed = (*path, "thought_signature")
            self._add(path, safe, "", key)
            self._stack.append(_Frame(enumerate(value.items(), 1), path, safe, None, depth, readable))
        elif isinstance(value, list):
            numbers = _numbers(value)
            if numbers or not value:
                self._add(path, safe, _grouped(numbers), key)
            is_content = bool(path) and (path[-1] == "content" or _is_output(path, value))
            holds_tokens = path[:1] in (("input",), ("prompt",))
            items = enumerate(enumerate(value), 1)
            is_vector = len(numbers) >= MANY_NUMBERS and float in map(type, numbers)
            self._stack.append(_Frame(items, path, safe, key, depth, readable, is_content, holds_tokens, is_vector))
        else:
            digits = _digits(value, is_whole=in_vector)
            if len(digits) > MAX_DIGITS and isinstance(value, int):
                self._unreadable["number"] = None
                digits = ""
            self._add(path, safe, digits, key)

    def _is_opaque(self, value: str, path: Path) -> bool:
        """Say whether a text holds none, in its one place: see `privacy.opaque`."""
        if path == self._sealed and path:
            self._checked_chars += len(value)
            return len(value) <= MAX_SEALED_CHARS and is_sealed(value)
        return path == ("metadata", "user_id") and is_client(value)

    def _add(self, path: Path, safe: Path, text: str, key: str) -> None:
        """Note one text, made fit to travel to a worker."""
        if not text and not key:
            return
        leaf = Leaf(path, self._sound(text), self._sound(key), safe)
        self._leaves.append(leaf)
        if path and path[0] in _TALK and is_said(leaf):
            self._join(leaf)

    def _join(self, leaf: Leaf) -> None:
        """Chain the texts of each message; a long text ends a chain and begins the next."""
        if self._chain and self._leaves[self._chain[0]].path[:2] != leaf.path[:2]:
            self._unchain()
        self._chain.append(len(self._leaves) - 1)
        if len(self._chain) > 1 and len(leaf.text) > JOINT:
            last = self._chain[-1]
            self._unchain()
            self._chain.append(last)

    def _unchain(self) -> None:
        if len(self._chain) > 1:
            self._joints.append(tuple(self._chain))
        self._chain.clear()

    def _sound(self, text: str) -> str:
        """Count a text; replace NUL and halves of characters. As fast as memory for one that is sound."""
        try:
            size = len(text) if text.isascii() else len(text.encode())
            is_sound = "\0" not in text
        except UnicodeEncodeError:
            size, is_sound = 0, False
        if not is_sound:
            self._unreadable["text"] = None
            text = _LONE.sub("�", text)
            size = len(text.encode())
        self.chars += len(text)
        self.bytes += size
        return text

    def _part(self, item: JsonValue) -> bool:
        """Say whether an item of a content list is text, and note its type if not."""
        if isinstance(item, str):
            return True
        kind = item.get("type") if isinstance(item, dict) else None
        if isinstance(kind, str) and (kind in READABLE or (kind in _FILES and _is_text_file(item))):
            return True
        self._unreadable[kind if isinstance(kind, str) and kind in OPAQUE else "unknown"] = None
        return False


def _is_read_item(item: JsonObject) -> bool:
    """Say whether an item of a conversation holds its meaning as text: a message, unless it says that it is something else."""
    kind = item.get("type")
    return kind is None or (isinstance(kind, str) and kind in READABLE_ITEMS)


def _is_output(path: Path, items: list[JsonValue]) -> bool:
    """Say whether it is what a tool gave, as parts of content; the outputs of a shell have no type."""
    is_output = len(path) == 3 and path[0] == "input" and path[2] == "output"
    return is_output and any(isinstance(item, dict) and "type" in item for item in items)


def _is_text_uri(value: str) -> bool:
    """Say whether a data URI says that it is text, and is."""
    match = _TEXT_URI.match(value)
    if match is None:
        return False
    try:
        base64.b64decode(value[match.end() :], validate=True).decode()
    except ValueError:
        return False
    return True


def _is_text_file(item: JsonValue) -> bool:
    """Say whether a part brings its file along, as text; one that is only named by an id or a URL can't be read."""
    if not isinstance(item, dict):
        return False
    source = item.get("source")
    if isinstance(source, dict):  # Anthropic's: text, or blocks of content that are looked at by themselves
        own = source.get("data" if source.get("type") == "text" else "content")
        return source.get("type") in ("text", "content") and isinstance(own, str | list)
    file = item.get("file", item)
    if not isinstance(file, dict) or "file_id" in file or "file_url" in file:
        return False
    data = file.get("file_data")
    return isinstance(data, str) and _is_text_uri(data)


def _digits(value: float | bool | None, *, is_whole: bool) -> str:
    """Write a number's digits as text, if there are 7: those of its whole part, and without its point and exponent."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, int):
        digits = str(value) if abs(value) < 10**MAX_DIGITS else "0" * (MAX_DIGITS + 1)
        return digits if len(digits.lstrip("-")) >= MIN_DIGITS else ""
    if not isfinite(value):
        return ""
    whole = str(int(value)) if abs(value) < 10**MAX_DIGITS else ""
    written = "" if is_whole else repr(abs(value)).partition("e")[0].removesuffix(".0").replace(".", "").lstrip("0")
    found = dict.fromkeys(digits for digits in (whole, written) if len(digits.lstrip("-")) >= MIN_DIGITS)
    return APART.join(found)


def _numbers(items: list[JsonValue]) -> list[float]:
    """Return a list's values if they are all numbers and not too many."""
    is_all = len(items) <= MAX_NODES and {*map(type, items)} <= {int, float}
    return cast(list[float], items) if is_all else []


def _grouped(numbers: list[float]) -> str:
    """Write whole numbers that stand in a list as one text, if a few or all short: `[4539, 5787, 6362, 1486]`."""
    is_few = len(numbers) <= FEW_NUMBERS
    most = 10 ** (MAX_DIGITS // 2 if is_few else MIN_DIGITS)
    if len(numbers) < 2 or not all(abs(number) < most and number == int(number) for number in numbers):
        return ""
    text = (" " if is_few else ", ").join(str(int(abs(number))) for number in numbers)
    return text if len(text) > MIN_DIGITS else ""


def is_said(leaf: Leaf) -> bool:
    """Say whether it is what the author of a message says, not a name or an identifier beside it."""
    path = leaf.path
    is_text = path[-1:] == ("text",) and ("content" in path or path[:1] == ("system",))
    return bool(leaf.text) and ("content" in path[-2:] or is_text)


def resolve(body: JsonValue, safe_path: Path) -> Path:
    """Return the path that a safe path stands for in its body."""
    path: list[str | int] = []
    value = body
    for part in safe_path:
        if isinstance(value, dict):
            name = part if isinstance(part, str) else next(islice(value, -part - 1, None))
            path.append(name)
            value = value[name]
        elif isinstance(value, list) and isinstance(part, int):
            path.append(part)
            value = value[part]
    return tuple(path)


def leaves(value: JsonValue, path: Path = (), key: str = "") -> Reading:
    """Read all of a value: every string, every number of 7 digits or more, every key that isn't protocol.

    Skipped are only values equal to a protocol constant (`CONSTANTS`), shorter numbers unless a list holds them alone,
    fractions in vectors, truth values, and the bytes of parts that are reported as unreadable anyway.
    """
    walk = Walk(value, path, key)
    while not walk.step(MAX_NODES):
        pass
    return walk.reading
