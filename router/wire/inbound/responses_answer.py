"""Writes answers as Responses: chat answers translated, whole or event by event, native ones as they came; no I/O."""

from __future__ import annotations

import secrets

import msgspec

from router.core import clock
from router.core.errors import UpstreamProtocolError
from router.core.types import Delta, Dialect, JsonObject, JsonValue
from router.wire import sse
from router.wire.inbound import responses_items as items
from router.wire.inbound.responses_items import Call, Item, Message, Thought

_ECHOED: JsonObject = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "reasoning": None,
    "safety_identifier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": None,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
"""Fields of a request that its answer repeats, each with what stands there if the request has none."""

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_FINAL = (b"response.completed", b"response.incomplete")
_OBJECT = msgspec.json.Decoder(dict[str, object])


class _Event(msgspec.Struct):
    """What is read of a native event."""

    type: str = ""
    sequence_number: int | None = None
    response: msgspec.Raw = msgspec.Raw()


_EVENT = msgspec.json.Decoder(_Event)


class ResponsesEncoder:
    """See `wire.dialects.Encoder`. `final` is the caller's view of the whole answer, once that is known."""

    def __init__(self, body: JsonObject, *, previous: str | None = None, store: bool = True) -> None:
        """Take the request as it was decoded; `previous` and `store` are what the caller sent of those."""
        self._body = body
        self._previous = previous
        self._store = store
        self._answer: _Answer | None = None
        self.final: bytes | None = None
        self.has_failed = False
        """Whether the stream itself has told the caller that it failed."""
        self.next_number = 0
        """The sequence number that the stream's next event has."""

    def whole(self, delta: Delta) -> bytes:
        """See `Encoder`."""
        if delta.dialect is Dialect.RESPONSES:
            self.final = delta.payload
            return delta.payload
        answer = self._begin(delta.payload)
        answer.whole(delta.payload)
        answer.close()
        self.final = msgspec.json.encode(answer.response())
        return self.final

    def frames(self, delta: Delta) -> bytes:
        """See `Encoder`."""
        if delta.dialect is Dialect.RESPONSES:
            return self._native(delta)
        if self._answer is None:
            self._answer = self._begin(delta.payload)
            self._answer.begin()
        self._answer.chunk(delta.payload)
        return self._written(self._answer.events())

    def end(self) -> bytes:
        """See `Encoder`. A native stream has its end in itself."""
        if self._answer is None:
            return b""
        self._answer.close()
        response = self._answer.end()
        self.final = msgspec.json.encode(response)
        return self._written(self._answer.events())

    def _begin(self, payload: bytes) -> _Answer:
        return _Answer(_read(payload), self._body, previous=self._previous, store=self._store)

    def _native(self, delta: Delta) -> bytes:
        try:
            event = _EVENT.decode(delta.payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise UpstreamProtocolError("an event of the stream isn't one of a response") from None
        if event.sequence_number is not None:
            self.next_number = event.sequence_number + 1
        if event.type.encode() in _FINAL and bytes(event.response):
            self.final = bytes(event.response)
        self.has_failed = event.type == "response.failed"
        return sse.frame(delta.payload, delta.event)

    def _written(self, events: list[JsonObject]) -> bytes:
        frames: list[bytes] = []
        for event in events:
            event["sequence_number"] = self.next_number
            self.next_number += 1
            frames.append(sse.frame(msgspec.json.encode(event), str(event["type"]).encode()))
        return b"".join(frames)


class _Answer:
    """One chat answer on its way to a response: the items so far, and the events not yet written."""

    def __init__(self, first: JsonObject, body: JsonObject, *, previous: str | None, store: bool) -> None:
        self._id = f"resp_{secrets.token_hex(24)}"
        created = first.get("created")
        self._created_s = created if isinstance(created, int) else int(clock.unix_s())
        model = first.get("model")
        self._model = model if isinstance(model, str) else str(body.get("model"))
        echoed = {name: default if body.get(name) is None else body[name] for name, default in _ECHOED.items()}
        echoed["tools"] = _tools(echoed["tools"])
        echoed["text"] = _text(echoed["text"])
        tier = first.get("service_tier")
        self._echoed: JsonObject = {
            **echoed,
            "background": False,
            "previous_response_id": previous,
            "service_tier": tier if isinstance(tier, str) else None,
            "store": store,
        }
        self._items: list[Item] = []
        self._open: Message | Thought | None = None
        self._calls: dict[int, Call] = {}
        self._usage: JsonObject | None = None
        self._finish: str | None = None
        self._events: list[JsonObject] = []

    def events(self) -> list[JsonObject]:
        """Take the events that came up since the last time."""
        events = [*self._events]
        self._events.clear()  # the items go on writing to this very list
        return events

    def begin(self) -> None:
        """Say that the answer begins."""
        for kind in ("response.created", "response.in_progress"):
            self._events.append({"type": kind, "response": self._response("in_progress", [])})

    def whole(self, payload: bytes) -> None:
        """Take a whole answer: it is a stream of one piece."""
        self._take(_read(payload), "message")

    def chunk(self, payload: bytes) -> None:
        """Take one chunk."""
        self._take(_read(payload), "delta")

    def close(self) -> None:
        """The answer is over: close what is open. An answer of nothing is an empty message."""
        if not any(isinstance(item, Message | Call) for item in self._items):
            self._message().say("", None)
        for item in self._items:
            item.close(self._status if item.is_last else "completed")

    def end(self) -> JsonObject:
        """Say that the answer is over."""
        response = self.response()
        self._events.append({"type": f"response.{response['status']}", "response": response})
        return response

    def response(self) -> JsonObject:
        """Return the whole response; everything must be closed."""
        return self._response(self._status, [item.json() for item in self._items])

    @property
    def _status(self) -> str:
        return "incomplete" if self._finish in _INCOMPLETE else "completed"

    def _response(self, status: str, output: list[JsonValue]) -> JsonObject:
        reason = _INCOMPLETE.get(self._finish or "") if status == "incomplete" else None
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created_s,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": reason} if reason else None,
            "model": self._model,
            "output": output,
            "usage": self._usage if status != "in_progress" else None,
            **self._echoed,
        }

    def _take(self, chunk: JsonObject, field: str) -> None:
        usage = chunk.get("usage")
        if isinstance(usage, dict):
            self._usage = items.usage(usage)
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            # A response has one answer, and `n` can't be asked for.
            if not isinstance(choice, dict) or choice.get("index", 0) != 0:
                continue
            delta = choice.get(field)
            logprobs = choice.get("logprobs")
            self._delta(delta if isinstance(delta, dict) else {}, items.logprobs(logprobs))
            finish = choice.get("finish_reason")
            if isinstance(finish, str):
                self._finish = finish

    def _delta(self, delta: JsonObject, logprobs: list[JsonValue]) -> None:
        thought, blocks = delta.get("reasoning_content") or delta.get("reasoning"), delta.get("thinking_blocks")
        if (isinstance(thought, str) and thought) or (isinstance(blocks, list) and blocks):
            self._thought().think(
                thought if isinstance(thought, str) else "", blocks if isinstance(blocks, list) else []
            )
        content = items.text_of(delta.get("content"))
        if content or logprobs:
            self._message().say(content, logprobs)
        refusal = delta.get("refusal")
        if isinstance(refusal, str) and refusal:
            self._message().refuse(refusal)
        annotations = delta.get("annotations")
        for annotation in annotations if isinstance(annotations, list) else ():
            if isinstance(annotation, dict):
                self._message().annotate(items.annotation(annotation))
        calls = delta.get("tool_calls")
        for number, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, dict):
                self._call(call, number)

    def _thought(self) -> Thought:
        """Return the thought that is open, or begin one; what else was open is over."""
        if not isinstance(self._open, Thought):
            self._shut()
            self._open = Thought(len(self._items), self._events)
            self._add(self._open)
        return self._open

    def _message(self) -> Message:
        if not isinstance(self._open, Message):
            self._shut()
            self._open = Message(len(self._items), self._events)
            self._add(self._open)
        return self._open

    def _call(self, call: JsonObject, number: int) -> None:
        """Take a piece of a call. Calls stay open to the end: their pieces may come mixed."""
        index = call.get("index")
        key = index if isinstance(index, int) else number
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        name, call_id, arguments = function.get("name"), call.get("id"), function.get("arguments")
        if key not in self._calls:
            self._shut()
            given = call_id if isinstance(call_id, str) and call_id else f"call_{secrets.token_hex(12)}"
            self._calls[key] = Call(len(self._items), self._events, given, name if isinstance(name, str) else "")
            self._add(self._calls[key])
        if isinstance(arguments, str) and arguments:
            self._calls[key].write(arguments)

    def _add(self, item: Item) -> None:
        for one in self._items:
            one.is_last = False
        self._items.append(item)
        item.begin()

    def _shut(self) -> None:
        if self._open is not None:
            self._open.close("completed")
        self._open = None


def _read(payload: bytes) -> JsonObject:
    try:
        return _OBJECT.decode(payload)  # pyright: ignore[reportReturnType] JSON decodes to JSON values
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamProtocolError("the upstream's answer isn't a JSON object") from None


def _tools(tools: JsonValue) -> JsonValue:
    """Repeat the tools; a function's `parameters` and `strict` always stand there."""
    if not isinstance(tools, list):
        return []
    return [
        {"parameters": None, "strict": None, **tool}
        if isinstance(tool, dict) and tool.get("type") == "function"
        else tool
        for tool in tools
    ]


def _text(text: JsonValue) -> JsonValue:
    return {"format": {"type": "text"}, **text} if isinstance(text, dict) else text
