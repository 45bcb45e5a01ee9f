"""Runs every cell: a real call through a real router, and what became of it."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anthropic
import msgspec
import openai

from tests.conformance.caller_chat import Chat, Completions
from tests.conformance.caller_messages import Messages
from tests.conformance.caller_responses import Responses
from tests.conformance.callers import Ask, Caller, Got
from tests.conformance.features import COUNTED, FEATURES, RESULTS, Feature, Seen, concerns
from tests.conformance.upstreams import Played, Record, playing
from tests.fakes.stack import Stack, running

Kind = Literal["native", "yes", "dropped", "refused", "none", "failed"]
"""`none` = one of the two ends has no such thing."""

CALLERS: list[type[Caller]] = [Chat, Completions, Responses, Messages]
_AT_ONCE = 6


class Result(msgspec.Struct, frozen=True):
    """What became of one call."""

    kind: Kind
    detail: str = ""
    """Which name was dropped or refused, why there is no such thing, or what went wrong."""


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One field of the matrix."""

    caller: str
    upstream: str
    feature: str
    results: Mapping[bool, Result]
    """By whether the answer was streamed."""


class Site:
    """Upstreams, routers and clients."""

    def __init__(self, played: dict[str, Played], scanning: list[Caller], blind: list[Caller], blind_url: str) -> None:
        """`blind_url` is the address of the router that doesn't scan."""
        self.played = played
        self.blind_url = blind_url
        self._callers = {False: scanning, True: blind}
        self._numbers = itertools.count(100)
        self._gate = asyncio.Semaphore(_AT_ONCE)

    def number(self) -> int:
        """Return the number of one more request, by which it is found again: `cell-<number>` stands in its text."""
        return next(self._numbers)

    async def cells(self, callers: Sequence[str] = (), upstreams: Sequence[str] = ()) -> list[Cell]:
        """Run those of some callers and upstreams, or of all."""
        places = [
            (number, upstream, feature)
            for number, caller in enumerate(CALLERS)
            for upstream in self.played.values()
            for feature in FEATURES
            if (not callers or caller.name in callers) and (not upstreams or upstream.name in upstreams)
        ]
        return list(await asyncio.gather(*(self._cell(*place) for place in places)))

    async def _cell(self, number: int, upstream: Played, feature: Feature) -> Cell:
        caller = self._callers[feature.opaque][number]
        results: dict[bool, Result] = {}
        for stream in feature.modes:
            if reason := caller.lacks.get(feature.key):
                results[stream] = Result("none", reason)
                continue
            async with self._gate:
                try:
                    results[stream] = await self._result(caller, upstream, feature, stream=stream)
                except Exception as error:  # noqa: BLE001 the other cells go on
                    results[stream] = Result("failed", f"{type(error).__name__}: {error}")
        return Cell(caller=caller.name, upstream=upstream.name, feature=feature.key, results=results)

    async def _result(self, caller: Caller, upstream: Played, feature: Feature, *, stream: bool) -> Result:
        got, record = await self._asked(caller, upstream, feature.ask, stream=stream)
        dropped = list(got.dropped)
        if feature.again is not None and record is not None and not got.problem:
            more = msgspec.structs.replace(feature.again, history=got.history, results=RESULTS)
            got, record = await self._asked(caller, upstream, more, stream=stream)
            dropped += got.dropped
        if got.refused is not None:
            if record is not None:
                return Result("failed", f"refused ({got.refused}) after it was sent")
            kind = "refused" if concerns(feature, got.refused) else "failed"
            return Result(kind, got.refused if kind == "refused" else f"refused for {got.refused}")
        if got.problem or record is None or record.heard is None:
            problem = record.problem if record is not None else "nothing was sent"
            return Result("failed", f"{got.problem}; {problem}")
        native = upstream.upstream.native.get(caller.name)
        is_native = native is not None and record.path.endswith(native)
        if native is not None and not is_native:
            return Result("failed", f"it went to {record.path}, though {native} is there")
        seen = Seen(heard=record.heard, got=got, upstream=upstream.upstream, caller=caller.name, is_native=is_native)
        lost = feature.check(seen)
        named = [name for name in dropped if concerns(feature, name)]
        if strange := [name for name in dropped if name not in named]:
            return Result("failed", f"dropped beside what was asked: {strange}")
        if named and all(one.partition(":")[0] in feature.own for one in lost):
            return Result("dropped", ", ".join(dict.fromkeys(named)))
        if lost:
            return Result("failed", "; ".join(lost))
        if feature.key in COUNTED and COUNTED[feature.key] not in upstream.upstream.counts:
            return Result("none", "the provider doesn't count it")
        if is_native and (changed := _changed(got, record)):
            return Result("failed", changed)
        return Result("native" if is_native else "yes")

    async def _asked(self, caller: Caller, upstream: Played, ask: Ask, *, stream: bool) -> tuple[Got, Record | None]:
        """Ask, with a mark in the last turn by which the upstream's record is found."""
        number = self.number()
        last = ask.turns[-1]
        marked = msgspec.structs.replace(last, text=f"{last.text} cell-{number}")
        ask = msgspec.structs.replace(ask, turns=(*ask.turns[:-1], marked))
        got = await caller.ask(caller.body(ask, upstream.name), stream=stream)
        records = upstream.records.get(number, [])
        if len(records) > 1:
            return Got(problem=f"it was sent {len(records)} times"), records[-1]
        return got, records[0] if records else None


_OURS = ("model", "stream_options", "store", "include")
"""Fields of a native request that the router may change."""


def _changed(got: Got, record: Record) -> str:
    """Say how a request or an answer that travels as it is was changed."""
    sent: dict[str, Any] = json.loads(got.sent)
    for body in (sent, received := dict(record.body)):
        for name in _OURS:
            body.pop(name, None)
    if json.dumps(sent) != json.dumps(received):
        return f"the request was changed: {sent} {received}"
    return "the answer was changed" if got.raw and got.raw != record.reply else ""


def _config(played: dict[str, Played], *, scan: bool) -> dict[str, object]:
    return {
        "local": None,
        "providers": {name: one.row for name, one in played.items()},
        "models": {
            name: {"deployments": [{"provider": name, "model": one.upstream.model}]} for name, one in played.items()
        },
        "routing": {
            "retries": 0,
            "fallback_local": False,
            "breaker": {"failures": 1000, "error_ratio": 1},
            "auto": {"strategy": "cost", "among": ["chat"]},
        },
        "privacy": {"scan": {"deadline_ms": 30_000} if scan else {"enabled": False}},
    }


@asynccontextmanager
async def _callers(stack: Stack) -> AsyncGenerator[list[Caller]]:
    async with (
        openai.AsyncOpenAI(base_url=f"{stack.url}/v1", api_key="none", max_retries=0, timeout=60) as ours,
        anthropic.AsyncAnthropic(base_url=stack.url, api_key="none", max_retries=0, timeout=60) as theirs,
    ):
        yield [Chat(ours), Completions(ours), Responses(ours), Messages(theirs)]


@asynccontextmanager
async def site(folder: Path) -> AsyncGenerator[Site]:
    """Start upstreams and two routers at once: one that scans, and one that doesn't."""

    async def begun(played: dict[str, Played], name: str, *, scan: bool) -> tuple[list[Caller], str]:
        (folder / name).mkdir()
        one = await stack.enter_async_context(running(folder / name, _config(played, scan=scan), None))
        return await stack.enter_async_context(_callers(one)), one.url

    async with playing() as played, AsyncExitStack() as stack:
        both = (begun(played, "scanning", scan=True), begun(played, "blind", scan=False))
        (scanning, _), (blind, url) = await asyncio.gather(*both)
        yield Site(played, scanning, blind, url)
