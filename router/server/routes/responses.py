"""The Responses API: requests that go on from stored answers, and `/v1/responses/{response_id}` to read and delete them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

import msgspec
from fastapi import APIRouter
from fastapi import Request as HttpRequest
from fastapi import Response as HttpResponse

from router.core import clock
from router.core.errors import (
    InvalidRequest,
    NotFound,
    RequestTooLarge,
    ResponseNotFound,
    RouterError,
    UnsupportedFeature,
)
from router.core.types import Delta, JsonObject, JsonValue, Principal, Request
from router.record.trace import Trace
from router.response_store import ResponseStore, Turn
from router.runtime import Runtime
from router.server.exchange import NOBODY, Exchange
from router.server.routes.inference import Inference
from router.wire.inbound.responses import error_frame
from router.wire.inbound.responses_answer import ResponsesEncoder

_ID = re.compile(r"resp_[0-9a-f]{24,100}")
_SHOWN, _MOST_SHOWN = 20, 100
"""Input items on a page, and how many of them one may hold."""


class Responses(Inference):
    """Expands a request by what it goes on from, before anything is scanned; keeps what came of it."""

    async def respond(self, exchange: Exchange, request: Request, trace: Trace) -> None:
        """Answer whole or as a stream; one that breaks ends with an error event in sequence."""
        store = self._runtime.responses
        turn = await goes_on(store, request, self._runtime.config.server.max_body_bytes)
        expanded, previous = turn.request, turn.previous
        trace.decoded(expanded)
        kept = request.body.get("store") is not False
        encoder = ResponsesEncoder(expanded.body, previous=previous.id if previous else None, store=kept)
        keeper = _Keeper(encoder, store, expanded, turn.new, previous) if kept else None
        try:
            await self.answer(exchange, expanded, trace, keeper or encoder)
        except RouterError as error:
            if not exchange.streaming:
                raise
            trace.failed(error)
            last = b"" if encoder.has_failed else error_frame(error, encoder.next_number)
            await exchange.chunk(last, last=True)


class _Keeper:
    """An encoder that stores the whole answer before its last bytes are handed out: the caller may go on at once."""

    def __init__(
        self,
        encoder: ResponsesEncoder,
        store: ResponseStore,
        request: Request,
        new: list[JsonValue],
        previous: Turn | None,
    ) -> None:
        self._encoder = encoder
        self._store = store
        self._request = request
        self._new = new
        self._previous = previous
        self._is_done = False

    def whole(self, delta: Delta) -> bytes:
        """See `Encoder`."""
        return self._kept(self._encoder.whole(delta))

    def frames(self, delta: Delta) -> bytes:
        """See `Encoder`."""
        return self._kept(self._encoder.frames(delta))

    def end(self) -> bytes:
        """See `Encoder`."""
        return self._kept(self._encoder.end())

    def _kept(self, data: bytes) -> bytes:
        final = self._encoder.final
        if final is not None and not self._is_done:
            self._is_done = True
            self._store.add(
                self._request.principal.id,
                self._new,
                final,
                previous=self._previous,
                conversation=self._request.conversation or self._store.new_conversation(),
                now_s=clock.monotonic_s(),
            )
        return data


def build(runtime: Runtime) -> APIRouter:
    """Make the routes of stored answers."""
    routes = APIRouter()
    store = runtime.responses

    async def one(request: HttpRequest, response_id: str) -> HttpResponse:
        if request.query_params.get("stream") == "true":
            raise UnsupportedFeature("a stored response can't be streamed again; read it whole", param="stream")
        return HttpResponse(_found(store, request, response_id).response, media_type="application/json")

    async def delete(request: HttpRequest, response_id: str) -> HttpResponse:
        _found(store, request, response_id)
        store.remove(_caller(request).id, response_id)
        return _json({"id": response_id, "object": "response", "deleted": True})

    async def input_items(request: HttpRequest, response_id: str) -> HttpResponse:
        turn = _found(store, request, response_id)
        return _json(_page(_shown_items(turn), request.query_params))

    routes.add_api_route("/v1/responses/{response_id}", one, methods=["GET"])
    routes.add_api_route("/v1/responses/{response_id}", delete, methods=["DELETE"])
    routes.add_api_route("/v1/responses/{response_id}/input_items", input_items, methods=["GET"])
    return routes


class GoingOn(NamedTuple):
    """A request with all that it goes on from."""

    request: Request
    new: list[JsonValue]
    """What of its input is new."""
    previous: Turn | None


async def goes_on(store: ResponseStore, request: Request, limit_bytes: int) -> GoingOn:
    """Put the whole conversation into a request, so that all of it is scanned.

    Raises:
        RouterError: it goes on from what isn't kept here, or from more than `limit_bytes`.
    """
    _refuse_foreign_state(request.body)
    now_s = clock.monotonic_s()
    previous = _previous(store, request, now_s)
    if previous is not None and previous.total_bytes() > limit_bytes:
        raise RequestTooLarge(f"the conversation is larger than {limit_bytes} bytes (server.max_body_bytes)")
    kept = request.body.get("store") is not False
    new = await _resolved(store, request, now_s)
    conversation = previous.conversation if previous else store.new_conversation() if kept else None
    expanded = msgspec.structs.replace(request, body=_expanded(request.body, new, previous), conversation=conversation)
    return GoingOn(expanded, new, previous)


def _refuse_foreign_state(body: JsonObject) -> None:
    """Refuse what would be answered from, or kept at, a provider: it can't be scanned, and nothing is kept there.

    Raises:
        UnsupportedFeature: names the field.
    """
    if body.get("conversation") is not None:
        message = "conversations kept at a provider can't be scanned; use 'previous_response_id', or send all items"
        raise UnsupportedFeature(message, param="conversation")
    if body.get("background") is True:
        raise UnsupportedFeature("answers in the background would be kept at the provider", param="background")


def _previous(store: ResponseStore, request: Request, now_s: float) -> Turn | None:
    name = request.body.get("previous_response_id")
    if not isinstance(name, str):
        return None
    turn = store.get(request.principal.id, name, now_s)
    if turn is None:
        message = f"Previous response{_with_id(name)} not found."
        raise ResponseNotFound(message, param="previous_response_id")
    return turn


async def _resolved(store: ResponseStore, request: Request, now_s: float) -> list[JsonValue]:
    """Return what is new in a request as items, with references to stored items replaced by the items.

    Raises:
        InvalidRequest: a reference to an item that isn't kept.
    """
    given = request.body.get("input")
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    items = given if isinstance(given, list) else []
    references = {index: name for index, item in enumerate(items) if (name := _reference(item)) is not None}
    if not references:
        return [*items]
    # There may be megabytes to look through: beside the event loop, on a list that nobody changes meanwhile.
    turns = [*store.turns(request.principal.id, now_s)]
    known = await asyncio.to_thread(_found_by_id, turns, frozenset(references.values()))
    resolved = [*items]
    for index, name in references.items():
        if name not in known:
            message = "Item not found: it isn't kept here, so send the item itself."
            raise InvalidRequest(message, param=f"input[{index}].id")
        resolved[index] = _without_id(known[name])
    return resolved


def _reference(item: JsonValue) -> str | None:
    """Return the id that an item refers to. One without a type that holds nothing but an id is a reference too."""
    if not isinstance(item, dict) or (item.get("type") != "item_reference" and set(item) != {"id"}):
        return None
    name = item.get("id")
    return name if isinstance(name, str) else ""


def _found_by_id(turns: Sequence[Turn], wanted: Set[str]) -> dict[str, JsonObject]:
    """Find items by their ids, each turn read once at most; where an id stands twice, the first turn has it."""
    known: dict[str, JsonObject] = {}
    for turn in turns:
        for item in _own_items(turn):
            if (name := str(item["id"])) in wanted:
                known.setdefault(name, item)
        if len(known) == len(wanted):
            break
    return known


def _expanded(body: JsonObject, new: list[JsonValue], previous: Turn | None) -> JsonObject:
    """Return the body with the whole conversation as its input; without one, and without references, as it came."""
    if previous is None and body.get("input") in (None, new):
        return body
    if previous is None and isinstance(body.get("input"), str):
        return body
    history = [_without_id(item) for item in previous.items()] if previous is not None else []
    expanded = {name: value for name, value in body.items() if name != "previous_response_id"}
    return {**expanded, "input": [*history, *new]}


def _without_id(item: JsonObject) -> JsonObject:
    """Leave out the id of a message or call: no provider knows it, for nothing is kept there."""
    if item.get("type") not in ("message", "function_call"):
        return item
    return {name: value for name, value in item.items() if name != "id"}


def _with_id(name: str) -> str:
    """Repeat an id in a message, if it looks like one: a caller can write anything there."""
    return f" with id '{name}'" if _ID.fullmatch(name) else ""


def _caller(request: HttpRequest) -> Principal:
    return request.scope.get("sona.principal", NOBODY)


def _found(store: ResponseStore, request: HttpRequest, name: str) -> Turn:
    turn = store.get(_caller(request).id, name, clock.monotonic_s())
    if turn is None:
        raise NotFound(f"Response{_with_id(name)} not found.", param="response_id")
    return turn


def _shown_items(turn: Turn) -> list[JsonObject]:
    """Return what the model was given, in the full form; an item has the same id in every later answer's list."""
    *before, last = turn.chain()
    return [item for one in before for item in _own_items(one)] + _own_items(last)[: len(last.own_input())]


def _own_items(turn: Turn) -> list[JsonObject]:
    """Return what one turn added, question and answer: short messages written out, each item with an id of its own."""
    items = [*turn.own_input(), *turn.own_output()]
    return [_written_out(item, f"{turn.id}_{index}") for index, item in enumerate(items)]


def _written_out(item: JsonObject, name: str) -> JsonObject:
    kind = item.get("type") or "message"
    prefix = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}
    named: JsonObject = {"id": f"{prefix.get(str(kind), 'item')}_{name}", "status": "completed", **item, "type": kind}
    content = named.get("content")
    if kind == "message" and isinstance(content, str):
        is_answer = named.get("role") == "assistant"
        part: JsonObject = {"type": "output_text" if is_answer else "input_text", "text": content}
        named["content"] = [{**part, "annotations": []} if is_answer else part]
    return named


def _page(items: list[JsonObject], query: Mapping[str, str]) -> JsonObject:
    """Cut a page out of the items, the newest first unless `order=asc`.

    Raises:
        InvalidRequest: a limit or an order that makes no sense, or `after` names no item.
    """
    limit, order, after = query.get("limit", str(_SHOWN)), query.get("order", "desc"), query.get("after")
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= _MOST_SHOWN):
        raise InvalidRequest(f"'limit' must be between 1 and {_MOST_SHOWN}", param="limit")
    if order not in ("asc", "desc"):
        raise InvalidRequest("'order' must be asc or desc", param="order")
    ordered = items if order == "asc" else items[::-1]
    names = [str(item["id"]) for item in ordered]
    if after is not None and after not in names:
        raise InvalidRequest("'after' names no item of this response", param="after")
    start = names.index(after) + 1 if after is not None else 0
    page = ordered[start : start + int(limit)]
    return {
        "object": "list",
        "data": [*page],
        "first_id": str(page[0]["id"]) if page else "",
        "last_id": str(page[-1]["id"]) if page else "",
        "has_more": start + len(page) < len(ordered),
    }


def _json(value: JsonObject) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(value), media_type="application/json")
