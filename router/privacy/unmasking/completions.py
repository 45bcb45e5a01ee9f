"""Puts the masked values back into a text completion: whole, or chunk by chunk with placeholders cut anywhere."""

from __future__ import annotations

from router.core.types import JsonObject, JsonValue
from router.privacy.masking import StreamUnmasker, Vault
from router.privacy.unmasking._tokens import TokenUnmasker

_FIELDS = ("text", "reasoning_content", "reasoning")


class CompletionsRestorer:
    """See `Restorer`."""

    def __init__(self, vault: Vault, *, is_json: bool, is_whole: bool) -> None:
        """Take the request's vault, whether the text is JSON, which it stays, and whether the answer is whole."""
        self._vault = vault
        self._is_json = is_json
        self._is_whole = is_whole
        self._streams: dict[tuple[int, str], StreamUnmasker] = {}
        self._tokens: dict[int, TokenUnmasker] = {}
        self._grown: dict[int, int] = {}
        """Index of a choice -> how much longer its tokens have become so far."""

    def restore(self, payload: JsonObject, event: bytes | None) -> list[tuple[bytes | None, JsonObject]]:
        """See `Restorer`; a whole answer is a stream of one chunk: its finish reason releases what is held back."""
        choices = payload.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                index = choice.get("index")
                self._chunk(choice, index if isinstance(index, int) else 0)
        return [(event, payload)]

    def _logprobs(self, choice: JsonObject, index: int) -> None:
        """Restore tokens, the places where they begin, and what else could have stood there."""
        held = choice.get("logprobs")
        tokens = held.get("tokens") if isinstance(held, dict) else None
        if not isinstance(held, dict) or not isinstance(tokens, list):
            return
        if index not in self._tokens:
            self._tokens[index] = TokenUnmasker(self._vault, in_json=self._is_json)
        unmasker, grown = self._tokens[index], self._grown.get(index, 0)
        offsets = held.get("text_offset")
        restored: list[JsonValue] = []
        for place, token in enumerate(tokens):
            restored.append(unmasker.text(token))
            if isinstance(offsets, list) and place < len(offsets) and isinstance(at := offsets[place], int):
                offsets[place] = at + grown
            grown += len(str(restored[-1])) - len(str(token))
        if (choice.get("finish_reason") is not None or self._is_whole) and restored:
            restored[-1] = f"{restored[-1]}{unmasker.rest()}"
        held["tokens"], self._grown[index] = restored, grown
        others = held.get("top_logprobs")
        for place, one in enumerate(others if isinstance(others, list) else ()):
            if isinstance(one, dict) and isinstance(others, list):
                others[place] = {self._vault.unmask(name): value for name, value in one.items()}

    def _chunk(self, choice: JsonObject, index: int) -> None:
        self._logprobs(choice, index)
        for field in _FIELDS:
            text = choice.get(field)
            if isinstance(text, str):
                choice[field] = self._stream(index, field).feed(text)
        if choice.get("finish_reason") is None and not self._is_whole:
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
