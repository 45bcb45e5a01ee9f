"""Puts the masked values back into an answer of Anthropic's Messages: whole, or event by event with placeholders cut anywhere."""

from __future__ import annotations

from router.core.types import JsonObject, JsonValue
from router.privacy.masking import StreamUnmasker, Vault

_PIECES = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
"""Kind of a stream's piece -> the field that holds its text."""
_TEXTS = {"text": "text", "thinking": "thinking"}
"""Type of a block whose text comes in pieces -> the field that holds its beginning."""
_OPAQUE = frozenset(("signature", "data", "id", "tool_use_id", "encrypted_content", "encrypted_index"))
"""Fields that must come back from the caller as they are."""

_Open = tuple[int, str]
"""Which text of a stream: index of its block, kind of its pieces."""


class MessagesRestorer:
    """See `Restorer`."""

    def __init__(self, vault: Vault, *, is_json: bool, is_whole: bool) -> None:
        """Take the request's vault, and whether the text is JSON, which it stays."""
        del is_whole  # told by the payloads themselves
        self._vault = vault
        self._in_json = frozenset(("input_json_delta", "text_delta") if is_json else ("input_json_delta",))
        self._is_json = is_json
        self._streams: dict[_Open, StreamUnmasker] = {}

    def restore(self, payload: JsonObject, event: bytes | None) -> list[tuple[bytes | None, JsonObject]]:
        """See `Restorer`; what a block holds back is given out before its signature, and before its end."""
        index = payload.get("index")
        number = index if isinstance(index, int) else -1
        block, delta = payload.get("content_block"), payload.get("delta")
        match payload.get("type"):
            case "message":
                content = payload.get("content")
                for one in content if isinstance(content, list) else ():
                    if isinstance(one, dict):
                        self._whole(one)
            case "content_block_start" if isinstance(block, dict):
                self._begin(block, number)
            case "content_block_delta" if isinstance(delta, dict):
                if delta.get("type") == "signature_delta":
                    return [*self._rest(number), (event, payload)]
                self._piece(delta, number)
            case "content_block_stop":
                return [*self._rest(number), (event, payload)]
            case "message_delta" | "message_stop":
                return [*self._rest(None), (event, payload)]
            case _:
                pass
        return [(event, payload)]

    def _whole(self, block: JsonObject) -> None:
        """Restore a block that is all there."""
        text = block.get("text")
        if block.get("type") == "text" and isinstance(text, str):
            block["text"] = self._vault.unmask(text, in_json=self._is_json)
        for name, value in block.items():
            if name not in _OPAQUE and not (name == "text" and block.get("type") == "text"):
                block[name] = self._deep(value)

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

    def _begin(self, block: JsonObject, index: int) -> None:
        kind = block.get("type")
        field = _TEXTS.get(kind) if isinstance(kind, str) else None
        if field is None:
            self._whole(block)
            return
        text = block.get(field)
        if isinstance(text, str) and text:
            block[field] = self._stream(index, f"{field}_delta").feed(text)

    def _piece(self, delta: JsonObject, index: int) -> None:
        kind = delta.get("type")
        field = _PIECES.get(kind) if isinstance(kind, str) else None
        if field is None or not isinstance(kind, str):
            self._whole(delta)
            return
        text = delta.get(field)
        if isinstance(text, str):
            delta[field] = self._stream(index, kind).feed(text)

    def _rest(self, index: int | None) -> list[tuple[bytes | None, JsonObject]]:
        """Give out what a block holds back, or all of them (`index` None)."""
        events: list[tuple[bytes | None, JsonObject]] = []
        for key in [key for key in self._streams if index is None or key[0] == index]:
            number, kind = key
            rest = self._streams.pop(key).flush()
            if rest:
                delta: JsonObject = {"type": kind, _PIECES[kind]: rest}
                events.append(
                    (b"content_block_delta", {"type": "content_block_delta", "index": number, "delta": delta})
                )
        return events

    def _stream(self, index: int, kind: str) -> StreamUnmasker:
        key = (index, kind)
        if key not in self._streams:
            self._streams[key] = StreamUnmasker(self._vault, in_json=kind in self._in_json)
        return self._streams[key]


build = MessagesRestorer
