"""Puts the masked values back into a chat completion: whole, or chunk by chunk with placeholders cut anywhere."""

from __future__ import annotations

from router.core.types import JsonObject, JsonValue
from router.privacy.masking import StreamUnmasker, Vault

_TEXT_FIELDS = ("content", "reasoning_content", "reasoning", "refusal")
_LEGACY = -1
"""Index of the one call that `function_call` holds."""

_Field = tuple[int, str, int]
"""Which text of a stream: choice index, field, tool-call index."""


class ChatRestorer:
    """See `Restorer`."""

    def __init__(self, vault: Vault, *, is_json: bool) -> None:
        """Take the request's vault, and whether the content is JSON, which it stays."""
        self._vault = vault
        self._in_json = frozenset(("arguments", "content") if is_json else ("arguments",))
        self._streams: dict[_Field, StreamUnmasker] = {}

    def restore(self, payload: JsonObject, event: bytes | None) -> list[tuple[bytes | None, JsonObject]]:
        """See `Restorer`; a finish reason releases what its choice still holds back."""
        choices = payload.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                continue
            message = choice.get("message")
            if isinstance(message, dict):
                self._whole(message)
            index = choice.get("index")
            self._chunk(choice, index if isinstance(index, int) else 0)
        return [(event, payload)]

    def _whole(self, message: JsonObject) -> None:
        for field in _TEXT_FIELDS:
            for holder, name in _holders(message, field):
                text = holder[name]
                assert isinstance(text, str)
                holder[name] = self._vault.unmask(text, in_json=field in self._in_json)
        self._thoughts(message)
        for _, function in _functions(message):
            arguments = function.get("arguments")
            if isinstance(arguments, str):
                function["arguments"] = self._vault.unmask(arguments, in_json=True)

    def _thoughts(self, message: JsonObject) -> None:
        """Restore thinking blocks, which a chunk too holds whole."""
        blocks = message.get("thinking_blocks")
        for block in blocks if isinstance(blocks, list) else ():
            text = block.get("thinking") if isinstance(block, dict) else None
            if isinstance(block, dict) and isinstance(text, str):
                block["thinking"] = self._vault.unmask(text)

    def _chunk(self, choice: JsonObject, index: int) -> None:
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            if choice.get("finish_reason") is None or "message" in choice:
                return
            delta = choice["delta"] = {}
        for field in _TEXT_FIELDS:
            for holder, name in _holders(delta, field):
                text = holder[name]
                assert isinstance(text, str)
                holder[name] = self._stream((index, field, 0)).feed(text)
        self._thoughts(delta)
        for number, function in _functions(delta):
            arguments = function.get("arguments")
            if isinstance(arguments, str):
                function["arguments"] = self._stream((index, "arguments", number)).feed(arguments)
        if choice.get("finish_reason") is not None:
            self._release(delta, index)

    def _release(self, delta: JsonObject, index: int) -> None:
        for key in [key for key in self._streams if key[0] == index]:
            rest = self._streams.pop(key).flush()
            _, field, number = key
            if not rest:
                continue
            if field == "arguments" and number == _LEGACY:
                function = delta.setdefault("function_call", {})
                if isinstance(function, dict):
                    before = function.get("arguments")
                    function["arguments"] = (before if isinstance(before, str) else "") + rest
            elif field == "arguments":
                calls = delta.setdefault("tool_calls", [])
                if isinstance(calls, list):
                    calls.append({"index": number, "function": {"arguments": rest}})
            else:
                before = delta.get(field)
                if isinstance(before, list):
                    before.append({"type": "text", "text": rest})
                else:
                    delta[field] = (before if isinstance(before, str) else "") + rest

    def _stream(self, key: _Field) -> StreamUnmasker:
        if key not in self._streams:
            self._streams[key] = StreamUnmasker(self._vault, in_json=key[1] in self._in_json)
        return self._streams[key]


def _holders(message: JsonObject, field: str) -> list[tuple[JsonObject, str]]:
    """Return where a field's texts stand: in the message, or in the parts of a list."""
    value = message.get(field)
    if isinstance(value, str):
        return [(message, field)]
    parts = value if isinstance(value, list) else []
    return [
        (part, name)
        for part in parts
        if isinstance(part, dict)
        for name in ("text", "refusal", "thinking")
        if isinstance(part.get(name), str)
    ]


def _functions(message: JsonObject) -> list[tuple[int, JsonObject]]:
    """Return the functions that are called, each with its call's index; the legacy form has none."""
    calls = message.get("tool_calls")
    found: list[tuple[JsonValue, JsonValue]] = [(_LEGACY, message.get("function_call"))]
    for call in calls if isinstance(calls, list) else []:
        if isinstance(call, dict):
            found.append((call.get("index"), call.get("function")))
    return [
        (number if isinstance(number, int) else 0, function) for number, function in found if isinstance(function, dict)
    ]


build = ChatRestorer
