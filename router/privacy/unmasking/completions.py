"""Puts the masked values back into a text completion: whole, or chunk by chunk with placeholders cut anywhere."""

from __future__ import annotations

from router.core.types import JsonObject
from router.privacy.masking import StreamUnmasker, Vault

_FIELDS = ("text", "reasoning_content", "reasoning")


class CompletionsRestorer:
    """See `Restorer`."""

    def __init__(self, vault: Vault, *, is_json: bool) -> None:
        """Take the request's vault, and whether the text is JSON, which it stays."""
        self._vault = vault
        self._is_json = is_json
        self._streams: dict[tuple[int, str], StreamUnmasker] = {}

    def restore(self, payload: JsonObject, event: bytes | None) -> list[tuple[bytes | None, JsonObject]]:
        """See `Restorer`; a whole answer is a stream of one chunk: its finish reason releases what is held back."""
        choices = payload.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                index = choice.get("index")
                self._chunk(choice, index if isinstance(index, int) else 0)
        return [(event, payload)]

    def _chunk(self, choice: JsonObject, index: int) -> None:
        for field in _FIELDS:
            text = choice.get(field)
            if isinstance(text, str):
                choice[field] = self._stream(index, field).feed(text)
        if choice.get("finish_reason") is None:
            return
        for key in [key for key in self._streams if key[0] == index]:
            if rest := self._streams.pop(key).flush():
                before = choice.get(key[1])
                choice[key[1]] = (before if isinstance(before, str) else "") + rest

    def _stream(self, index: int, field: str) -> StreamUnmasker:
        if (index, field) not in self._streams:
            self._streams[index, field] = StreamUnmasker(self._vault, in_json=self._is_json and field == "text")
        return self._streams[index, field]


build = CompletionsRestorer
