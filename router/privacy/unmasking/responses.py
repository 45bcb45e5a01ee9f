"""Puts the masked values back into a response: whole, or event by event with placeholders cut anywhere."""

from __future__ import annotations

from router.core.types import JsonObject, JsonValue
from router.privacy.masking import StreamUnmasker, Vault
from router.privacy.unmasking._tokens import TokenUnmasker

_JSON_TEXTS = frozenset(("response.function_call_arguments", "response.mcp_call_arguments"))
"""Streams that are JSON themselves."""
_CONTENT = "response.output_text"
_PLACE = ("item_id", "output_index", "content_index", "summary_index")
_ENDS = frozenset(("response.completed", "response.incomplete", "response.failed"))

_Key = tuple[str, int | str | None, int | None]
"""Which text of a stream: what it is, the index of its item, that of its part."""


class ResponsesRestorer:
    """See `Restorer`. What it holds back is given out in an event of its own; later events are numbered anew."""

    def __init__(self, vault: Vault, *, is_json: bool, is_whole: bool) -> None:
        """Take the request's vault, and whether the text is JSON, which it stays."""
        del is_whole  # told by the payloads themselves
        self._vault = vault
        self._is_json = is_json
        self._streams: dict[_Key, tuple[StreamUnmasker, JsonObject]] = {}
        self._tokens: dict[_Key, TokenUnmasker] = {}
        self._inserted = 0
        """Events that came in between; each later one's number grows by it."""

    def restore(self, payload: JsonObject, event: bytes | None) -> list[tuple[bytes | None, JsonObject]]:
        """See `Restorer`; the end of a text, of its part, of its item or of the response releases what is held back."""
        kind = payload.get("type")
        if not isinstance(kind, str) or not kind.startswith("response."):
            return [(event, self._restored(payload))]
        text, _, what = kind.rpartition(".")
        delta = payload.get("delta")
        if what == "delta" and isinstance(delta, str):
            payload["delta"] = self._stream(text, payload).feed(delta)
            if "logprobs" in payload:
                key = _key(text, payload)
                if key not in self._tokens:
                    self._tokens[key] = TokenUnmasker(self._vault, in_json=self._is_json_text(text))
                self._tokens[key].feed(payload["logprobs"])
            return [(event, self._numbered(payload))]
        before: list[tuple[bytes | None, JsonObject]] = []
        if what == "done" or kind in _ENDS:
            before = [(str(one["type"]).encode() if event else None, one) for one in self._released(kind, payload)]
        return [*before, (event, self._numbered(self._restored(payload, is_json=self._is_json_text(text))))]

    def _stream(self, text: str, payload: JsonObject) -> StreamUnmasker:
        key = _key(text, payload)
        if key not in self._streams:
            unmasker = StreamUnmasker(self._vault, in_json=self._is_json_text(text))
            place = {name: payload[name] for name in _PLACE if name in payload}
            self._streams[key] = unmasker, {"type": f"{text}.delta", **place}
            if text == _CONTENT:
                self._streams[key][1]["logprobs"] = []
        return self._streams[key][0]

    def _is_json_text(self, text: str) -> bool:
        return text in _JSON_TEXTS or (text == _CONTENT and self._is_json)

    def _released(self, kind: str, payload: JsonObject) -> list[JsonObject]:
        """Make the events that give out what the texts which end here hold back."""
        events: list[JsonObject] = []
        number = payload.get("sequence_number")
        for key in [key for key in self._streams if _ends(kind, payload, key)]:
            unmasker, place = self._streams.pop(key)
            rest = unmasker.flush()
            if not rest:
                continue
            released: JsonObject = {**place, "delta": rest}
            told = released.get("logprobs")
            if key in self._tokens and isinstance(told, list):
                self._tokens.pop(key).flush(told)
            if isinstance(number, int):
                released["sequence_number"] = number + self._inserted
                self._inserted += 1
            events.append(released)
        return events

    def _numbered(self, payload: JsonObject) -> JsonObject:
        number = payload.get("sequence_number")
        if isinstance(number, int):
            payload["sequence_number"] = number + self._inserted
        return payload

    def _restored(self, payload: JsonObject, *, is_json: bool = False) -> JsonObject:
        """Restore an object; `is_json`: its own text is JSON."""
        tokens = payload.get("logprobs")
        if isinstance(tokens, list):
            unmasker = TokenUnmasker(self._vault, in_json=is_json)
            unmasker.feed(tokens)
            unmasker.flush(tokens)
        return {
            self._vault.unmask(name): self._value(value, in_json=name == "arguments" or (is_json and name == "text"))
            if not isinstance(value, dict | list)
            else self._deep(value)
            for name, value in payload.items()
        }

    def _deep(self, value: JsonValue) -> JsonValue:
        if isinstance(value, list):
            return [self._deep(item) for item in value]
        if isinstance(value, dict):
            return self._restored(value, is_json=self._is_json and value.get("type") == "output_text")
        return self._value(value, in_json=False)

    def _value(self, value: JsonValue, *, in_json: bool) -> JsonValue:
        return self._vault.unmask(value, in_json=in_json) if isinstance(value, str) else value


def _key(text: str, payload: JsonObject) -> _Key:
    """Name a text by its indexes: some upstreams give its item another id in every event."""
    item = payload.get("output_index", payload.get("item_id"))
    part = payload.get("content_index", payload.get("summary_index"))
    return text, item if isinstance(item, int | str) else None, part if isinstance(part, int) else None


def _ends(kind: str, payload: JsonObject, key: _Key) -> bool:
    """Say whether an event ends a text: its own end, that of its part or item, or of the whole response."""
    if kind in _ENDS:
        return True
    text, item, part = key
    if kind == "response.output_item.done":
        return _key(text, payload)[1] == item
    if kind in ("response.content_part.done", "response.reasoning_summary_part.done"):
        _, own_item, own_part = _key(text, payload)
        return (own_item, own_part) == (item, part)
    return key == _key(kind.rpartition(".")[0], payload)


build = ResponsesRestorer
