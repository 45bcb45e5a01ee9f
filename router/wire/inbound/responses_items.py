"""The output items of a translated response: each grows piece by piece and tells its events; no I/O."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod

from router.core.types import JsonObject, JsonValue


class Item(ABC):
    """One item of the output. Its events go, without sequence numbers, to the list that all items share."""

    prefix = ""

    def __init__(self, index: int, events: list[JsonObject]) -> None:
        self._id = f"{self.prefix}_{secrets.token_hex(24)}"
        self._index = index
        self._events = events
        self._status = "in_progress"
        self.is_last = True
        """Whether no other item began after it: where an answer is cut off, it is cut off here."""

    def begin(self) -> None:
        """Tell that the item is there."""
        self._tell("response.output_item.added", item=self.json())

    def close(self, status: str) -> None:
        """Tell that the item is whole; a second time changes nothing."""
        if self._status != "in_progress":
            return
        self._end()
        self._status = status
        self._events.append({"type": "response.output_item.done", "output_index": self._index, "item": self.json()})

    @abstractmethod
    def json(self) -> JsonObject:
        """Return the item as it is now."""

    @abstractmethod
    def _end(self) -> None:
        """Tell the ends of its parts."""

    def _tell(self, kind: str, **fields: JsonValue) -> None:
        place: JsonObject = {"output_index": self._index}
        if "item" not in fields:
            place["item_id"] = self._id
        self._events.append({"type": kind, **place, **fields})


class Thought(Item):
    """What the model thought, as it is: `content`, not a summary. `thinking_blocks` are another vendor's, untouched."""

    prefix = "rs"

    def __init__(self, index: int, events: list[JsonObject]) -> None:
        super().__init__(index, events)
        self._text: list[str] = []
        self._blocks: list[JsonObject] = []

    def think(self, text: str, blocks: list[JsonValue]) -> None:
        """Take a piece."""
        for block in blocks:
            if isinstance(block, dict):
                self._block(block)
        if not text:
            return
        if not self._text:
            self._tell("response.content_part.added", content_index=0, part=_reasoning(""))
        self._text.append(text)
        self._tell("response.reasoning_text.delta", content_index=0, delta=text)

    def json(self) -> JsonObject:
        text = "".join(self._text)
        item: JsonObject = {"id": self._id, "type": "reasoning", "summary": [], "status": self._status}
        item["content"] = [_reasoning(text)] if text else []
        if self._blocks:
            item["thinking_blocks"] = [*self._blocks]
        return item

    def _block(self, block: JsonObject) -> None:
        """Add a block, or a piece of the last one: only a whole one has its signature."""
        last = self._blocks[-1] if self._blocks else {}
        before, more = last.get("thinking"), block.get("thinking", "")
        if isinstance(before, str) and isinstance(more, str) and not last.get("signature"):
            self._blocks[-1] = {**last, **block, "thinking": before + more}
        else:
            self._blocks.append(block)

    def _end(self) -> None:
        if self._text:
            text = "".join(self._text)
            self._tell("response.reasoning_text.done", content_index=0, text=text)
            self._tell("response.content_part.done", content_index=0, part=_reasoning(text))


class Message(Item):
    """What the model said: a text, a refusal, or both."""

    prefix = "msg"

    def __init__(self, index: int, events: list[JsonObject]) -> None:
        super().__init__(index, events)
        self._parts: list[_Part] = []

    def say(self, text: str, logprobs: list[JsonValue] | None) -> None:
        """Take a piece of the text."""
        part = self._part("output_text")
        part.pieces.append(text)
        part.logprobs += logprobs or []
        if text or logprobs:
            place = {"content_index": part.index, "logprobs": logprobs or []}
            self._tell("response.output_text.delta", delta=text, **place)

    def refuse(self, text: str) -> None:
        """Take a piece of the refusal."""
        part = self._part("refusal")
        part.pieces.append(text)
        self._tell("response.refusal.delta", content_index=part.index, delta=text)

    def annotate(self, annotation: JsonObject) -> None:
        """Take a source."""
        part = self._part("output_text")
        number = len(part.annotations)
        part.annotations.append(annotation)
        self._tell(
            "response.output_text.annotation.added",
            content_index=part.index,
            annotation_index=number,
            annotation=annotation,
        )

    def json(self) -> JsonObject:
        content: list[JsonValue] = [part.json() for part in self._parts]
        return {"id": self._id, "type": "message", "status": self._status, "role": "assistant", "content": content}

    def _part(self, kind: str) -> _Part:
        for part in self._parts:
            if part.kind == kind:
                return part
        part = _Part(kind, len(self._parts))
        self._parts.append(part)
        self._tell("response.content_part.added", content_index=part.index, part=part.json())
        return part

    def _end(self) -> None:
        for part in self._parts:
            text = "".join(part.pieces)
            if part.kind == "refusal":
                self._tell("response.refusal.done", content_index=part.index, refusal=text)
            else:
                place = {"content_index": part.index, "logprobs": [*part.logprobs]}
                self._tell("response.output_text.done", text=text, **place)
            self._tell("response.content_part.done", content_index=part.index, part=part.json())


class _Part:
    """A part of a message."""

    def __init__(self, kind: str, index: int) -> None:
        self.kind = kind
        self.index = index
        self.pieces: list[str] = []
        self.logprobs: list[JsonValue] = []
        self.annotations: list[JsonValue] = []

    def json(self) -> JsonObject:
        text = "".join(self.pieces)
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": text}
        return {
            "type": "output_text",
            "text": text,
            "annotations": [*self.annotations],
            "logprobs": [*self.logprobs],
        }


class Call(Item):
    """A call of a function."""

    prefix = "fc"

    def __init__(self, index: int, events: list[JsonObject], call_id: str, name: str) -> None:
        super().__init__(index, events)
        self._call_id = call_id
        self._name = name
        self._arguments: list[str] = []

    def write(self, arguments: str) -> None:
        """Take a piece of the arguments."""
        self._arguments.append(arguments)
        self._tell("response.function_call_arguments.delta", delta=arguments)

    def json(self) -> JsonObject:
        return {
            "id": self._id,
            "type": "function_call",
            "status": self._status,
            "call_id": self._call_id,
            "name": self._name,
            "arguments": "".join(self._arguments),
        }

    def _end(self) -> None:
        arguments = "".join(self._arguments)
        self._tell("response.function_call_arguments.done", name=self._name, arguments=arguments)


def usage(given: JsonObject) -> JsonObject:
    """Translate token counts. The shape demands every number: one that the upstream doesn't tell is 0."""
    prompt, completion = given.get("prompt_tokens_details"), given.get("completion_tokens_details")
    read, written = _count(given, "prompt_tokens"), _count(given, "completion_tokens")
    return {
        "input_tokens": read,
        "input_tokens_details": {
            "cached_tokens": _count(prompt, "cached_tokens"),
            "cache_write_tokens": _count(prompt, "cache_write_tokens") or _count(prompt, "cache_creation_tokens"),
        },
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": _count(completion, "reasoning_tokens")},
        "total_tokens": _count(given, "total_tokens") or read + written,
    }


def logprobs(given: JsonValue) -> list[JsonValue]:
    """Translate the log probabilities of a choice's text; a token's bytes always stand there."""
    content = given.get("content") if isinstance(given, dict) else None
    found: list[JsonValue] = []
    for one in content if isinstance(content, list) else ():
        if isinstance(one, dict):
            top = one.get("top_logprobs")
            others: list[JsonValue] = (
                [_token(other) for other in top if isinstance(other, dict)] if isinstance(top, list) else []
            )
            found.append({**_token(one), "top_logprobs": others})
    return found


def annotation(given: JsonObject) -> JsonObject:
    """Translate a source, which chat completions nest under its type."""
    kind = given.get("type")
    nested = given.get(kind) if isinstance(kind, str) else None
    return {"type": kind, **nested} if isinstance(nested, dict) else given


def text_of(content: JsonValue) -> str:
    """Join the text of a message's content: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    parts = [part.get("text") for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return "".join(text for text in parts if isinstance(text, str))


def _token(given: JsonObject) -> JsonObject:
    token, known = given.get("token"), given.get("bytes")
    token = token if isinstance(token, str) else ""
    return {
        "token": token,
        "logprob": given.get("logprob"),
        "bytes": known if isinstance(known, list) else list(token.encode("utf-8", "replace")),
    }


def _count(holder: JsonValue, name: str) -> int:
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, int) else 0


def _reasoning(text: str) -> JsonObject:
    return {"type": "reasoning_text", "text": text}
