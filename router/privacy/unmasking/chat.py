"""Puts the masked values back into a chat completion: whole, or chunk by chunk with placeholders cut anywhere."""

from __future__ import annotations

from router.core.types import JsonObject, JsonValue
from router.privacy.masking import StreamUnmasker, Vault
from router.privacy.unmasking._tokens import TokenUnmasker

_TEXT_FIELDS = ("content", "reasoning_content", "reasoning", "refusal")
_OWN = frozenset((*_TEXT_FIELDS, "thinking_blocks", "tool_calls", "function_call", "role"))
"""Fields whose texts are restored in ways of their own."""
_OPAQUE = frozenset(("id", "thought_signature", "signature", "encrypted_content", "data"))
"""Fields that must come back from the caller as they are, and the bytes of sounds."""
_EARLIER = {"reasoning_content": ("thinking_blocks", "content", "tool_calls"), "reasoning": ("content", "tool_calls"),
            "content": ("tool_calls",)}  # fmt: skip
"""A text of a stream -> what comes after it: once that has come, nothing of the text may be held back."""
_LEGACY = -1
"""Index of the one call that `function_call` holds."""

_Field = tuple[int, str, int]
"""Which text of a stream: choice index, field, tool-call index."""


class ChatRestorer:
    """See `Restorer`."""

    def __init__(self, vault: Vault, *, is_json: bool, is_whole: bool) -> None:
        """Take the request's vault, and whether the content is JSON, which it stays."""
        del is_whole  # told by the payloads themselves
        self._vault = vault
        self._in_json = frozenset(("arguments", "content") if is_json else ("arguments",))
        self._streams: dict[_Field, StreamUnmasker] = {}
        self._tokens: dict[tuple[int, str], TokenUnmasker] = {}

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
            number = index if isinstance(index, int) else 0
            self._logprobs(choice, number)
            self._chunk(choice, number)
        return [(event, payload)]

    def _whole(self, message: JsonObject) -> None:
        for field in _TEXT_FIELDS:
            for holder, name in _holders(message, field):
                text = holder[name]
                assert isinstance(text, str)
                holder[name] = self._vault.unmask(text, in_json=field in self._in_json)
        for block, text in _thoughts(message):
            block["thinking"] = self._vault.unmask(text)
        for _, function in _functions(message):
            arguments = function.get("arguments")
            if isinstance(arguments, str):
                function["arguments"] = self._vault.unmask(arguments, in_json=True)
        self._others(message)

    def _others(self, message: JsonObject) -> None:
        """Restore what comes whole beside the texts, in a stream too: sources, citations, a transcript, a vendor's own."""
        for name, value in message.items():
            if name not in _OWN and name not in _OPAQUE:
                message[name] = self._deep(value)

    def _deep(self, value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return self._vault.unmask(value)
        if isinstance(value, list):
            return [self._deep(item) for item in value]
        if isinstance(value, dict):
            return {
                self._vault.unmask(name): item if name in _OPAQUE else self._deep(item) for name, item in value.items()
            }
        return value

    def _logprobs(self, choice: JsonObject, index: int) -> None:
        """Restore tokens; a whole answer's, and those of a finish, hold nothing back."""
        held = choice.get("logprobs")
        fields = held if isinstance(held, dict) else {}
        is_over = choice.get("finish_reason") is not None or "message" in choice
        for field in ("content", "refusal"):
            tokens = fields.get(field)
            if isinstance(tokens, list) and (index, field) not in self._tokens:
                self._tokens[index, field] = TokenUnmasker(self._vault, in_json=field in self._in_json)
            if (index, field) not in self._tokens:
                continue
            unmasker = self._tokens[index, field]
            unmasker.feed(tokens)
            if is_over:
                del self._tokens[index, field]
                own: list[JsonValue] = tokens if isinstance(tokens, list) else []
                unmasker.flush(own)
                if own and own is not tokens:
                    choice["logprobs"] = {**fields, field: own}

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
        self._settle(delta, index)
        for block, text in _thoughts(delta):
            stream = self._stream((index, "thinking_blocks", 0))
            block["thinking"] = stream.feed(text) + (stream.flush() if block.get("signature") else "")
        self._others(delta)
        for number, function in _functions(delta):
            arguments = function.get("arguments")
            if isinstance(arguments, str):
                function["arguments"] = self._stream((index, "arguments", number)).feed(arguments)
        if choice.get("finish_reason") is not None:
            self._release(delta, index)

    def _settle(self, delta: JsonObject, index: int) -> None:
        """Release what a text holds back as soon as what follows it has come, so that the order of both stays."""
        for field, later in _EARLIER.items():
            stream = self._streams.get((index, field, 0))
            is_over = not delta.get(field) and any(delta.get(name) for name in later)
            if stream is not None and is_over and (rest := stream.flush()):
                delta[field] = rest

    def _release(self, delta: JsonObject, index: int) -> None:
        for key in [key for key in self._streams if key[0] == index]:
            rest = self._streams.pop(key).flush()
            _, field, number = key
            if not rest:
                continue
            if field == "thinking_blocks":
                blocks = delta.setdefault("thinking_blocks", [])
                if isinstance(blocks, list):
                    blocks.append({"type": "thinking", "thinking": rest})
            elif field == "arguments" and number == _LEGACY:
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


def _thoughts(message: JsonObject) -> list[tuple[JsonObject, str]]:
    """Return the thinking blocks and their texts; a chunk holds one whole, with its signature, or a piece without."""
    blocks = message.get("thinking_blocks")
    found = [block for block in (blocks if isinstance(blocks, list) else []) if isinstance(block, dict)]
    return [(block, text) for block in found if isinstance(text := block.get("thinking"), str)]


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
