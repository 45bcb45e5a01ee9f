"""Puts the masked values back into an answer: whole, or chunk by chunk with placeholders cut anywhere."""

from __future__ import annotations

import msgspec

from router.core.types import Delta, JsonObject, JsonValue
from router.privacy.masking import StreamUnmasker, Vault

_TEXT_FIELDS = ("content", "reasoning_content", "reasoning", "refusal")
_Field = tuple[int, str, int]
"""Which text of a stream: choice index, field, tool-call index."""

_DECODER = msgspec.json.Decoder(dict[str, object])


class Unmasker:
    """Restores one request's answer; holds back, per field, only what may be the start of a placeholder."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._streams: dict[_Field, StreamUnmasker] = {}

    def restore(self, delta: Delta) -> Delta:
        """Return the delta with its placeholders replaced.

        A finish reason releases what its choice still holds back, so that nothing is lost.
        """
        payload: JsonObject = _DECODER.decode(delta.payload)  # pyright: ignore[reportAssignmentType] decoded JSON
        choices = payload.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                continue
            message = choice.get("message")
            if isinstance(message, dict):
                self._whole(message)
            index = choice.get("index")
            self._chunk(choice, index if isinstance(index, int) else 0)
        return msgspec.structs.replace(delta, payload=msgspec.json.encode(payload))

    def _whole(self, message: JsonObject) -> None:
        for field in _TEXT_FIELDS:
            text = message.get(field)
            if isinstance(text, str):
                message[field] = self._vault.unmask(text)
        for function in _functions(message):
            arguments = function.get("arguments")
            if isinstance(arguments, str):
                function["arguments"] = self._vault.unmask(arguments, in_json=True)

    def _chunk(self, choice: JsonObject, index: int) -> None:
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return
        for field in _TEXT_FIELDS:
            text = delta.get(field)
            if isinstance(text, str):
                delta[field] = self._stream((index, field, 0)).feed(text)
        for call in _calls(delta):
            function, number = call.get("function"), call.get("index")
            arguments = function.get("arguments") if isinstance(function, dict) else None
            if isinstance(function, dict) and isinstance(arguments, str):
                key = (index, "arguments", number if isinstance(number, int) else 0)
                function["arguments"] = self._stream(key).feed(arguments)
        if choice.get("finish_reason") is not None:
            self._release(delta, index)

    def _release(self, delta: JsonObject, index: int) -> None:
        for key in [key for key in self._streams if key[0] == index]:
            rest = self._streams.pop(key).flush()
            _, field, number = key
            if not rest:
                continue
            if field == "arguments":
                calls = delta.setdefault("tool_calls", [])
                if isinstance(calls, list):
                    calls.append({"index": number, "function": {"arguments": rest}})
            else:
                before = delta.get(field)
                delta[field] = (before if isinstance(before, str) else "") + rest

    def _stream(self, key: _Field) -> StreamUnmasker:
        if key not in self._streams:
            self._streams[key] = StreamUnmasker(self._vault, in_json=key[1] == "arguments")
        return self._streams[key]


def _calls(message: JsonObject) -> list[JsonObject]:
    calls = message.get("tool_calls")
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def _functions(message: JsonObject) -> list[JsonObject]:
    found: list[JsonValue] = [call.get("function") for call in _calls(message)]
    return [function for function in found if isinstance(function, dict)]
