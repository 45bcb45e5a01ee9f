"""Sends requests as a client would, and says of each answer what is wrong with it, if anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from enum import Enum

import httpx
import msgspec

from router.config.schema import RouterConfig
from router.core.types import Sensitivity
from router.privacy.masking import PLACEHOLDER
from router.routing.candidates import AUTO, LOCAL
from router.selftest.canaries import Eye
from router.selftest.cases import Caller, Case
from router.selftest.expectations import Action, Promise, Promises
from router.selftest.faults import Check
from router.selftest.stand_ins import DEADLINE_S, has_engine

AT_ONCE = 8
SCANS_IN_A_ROW = 10
PATIENCE_S = DEADLINE_S + 10
"""How long a client waits: longer than any request may take."""


class Fate(Enum):
    """What became of a request."""

    CLOUD = "cloud"
    LOCAL = "local"
    BLOCKED = "blocked"
    UNAVAILABLE = "unavailable"
    """An error that says so: no target, or all of them failed."""
    DECLINED = "declined"
    """A caller's error: the target's dialect can't say this."""
    BROKEN = "broken"
    """It broke off, with an error event, after it had begun."""
    SILENT = "silent"
    """No answer, or one that ends without saying how."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What a client saw of one request."""

    case: Case
    status: int
    headers: dict[str, str]
    data: bytes

    @property
    def fate(self) -> Fate:
        """Sort it."""
        if self.status == 200:
            if self.case.body.get("stream") and not self.data.rstrip().endswith(b"data: [DONE]"):
                return Fate.BROKEN if b'"error"' in self.data else Fate.SILENT
            return Fate.LOCAL if self.headers.get("x-router-locality") == "local" else Fate.CLOUD
        if b'"message"' not in self.data:
            return Fate.SILENT
        if self.status == 403 and b"privacy_policy_blocked" in self.data:
            return Fate.BLOCKED
        return Fate.UNAVAILABLE if self.status >= 500 or self.status == 429 else Fate.DECLINED

    @property
    def unscanned(self) -> bool:
        """Whether the scan wasn't complete: it then counts as sensitive, whatever it holds."""
        said = self.headers.get("x-router-reason") == "policy:scan_incomplete" or b"the scan is" in self.data
        return said or (self.sensitivity is Sensitivity.RESTRICTED and not self.entities)

    @property
    def entities(self) -> tuple[str, ...]:
        """Types that the router says it found."""
        return tuple(filter(None, self.headers.get("x-router-entities", "").split(",")))

    @property
    def sensitivity(self) -> Sensitivity:
        """How sensitive the router says it is."""
        return Sensitivity[self.headers.get("x-router-sensitivity", "public").upper()]

    @property
    def text(self) -> str:
        """Everything that the answer says."""
        pieces = self.data.split(b"\n\n") if self.case.body.get("stream") else [self.data]
        return "".join(text for piece in pieces for text in _said(piece.removeprefix(b"data: ")))


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, what was promised of it, and what is wrong."""

    reply: Reply
    promises: tuple[Promise, ...]
    problem: str = ""

    @property
    def may_leave(self) -> Promise | None:
        """What lets its value leave; None if nothing does."""
        return next((one for one in self.promises if one.action is Action.LEAVE), None)


async def send_all(
    url: str, cases: Sequence[Case], progress: Callable[[], None], at_once: int = AT_ONCE
) -> list[Reply]:
    """Send requests, a few at a time; `progress` is called after each."""
    gate = asyncio.Semaphore(at_once)
    limits = httpx.Limits(max_connections=at_once)
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_S, limits=limits) as client:

        async def one(case: Case) -> Reply:
            async with gate:
                reply = await _send(client, case)
            progress()
            return reply

        return await asyncio.gather(*map(one, cases))


async def until_ready(url: str, within_s: float) -> bool:
    """Wait until the router says that it can serve; False if it doesn't."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while True:
                    with suppress(httpx.HTTPError):
                        if (await client.get("/ready", timeout=5)).status_code == 200:
                            return True
                    await asyncio.sleep(0.05)
    return False


async def until_scanning(url: str, caller: Caller, within_s: float) -> None:
    """Wait until scans are done in time again: a worker that has just been started takes longer at first."""
    headers = {"authorization": f"Bearer {caller.token}"} if caller.token else {}
    body = {"model": caller.models[0], "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
    in_a_row = 0
    async with httpx.AsyncClient(base_url=url, trust_env=False, headers=headers) as client:
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while in_a_row < SCANS_IN_A_ROW:
                    answer = await client.post("/v1/route/explain", json=body)
                    in_a_row = in_a_row + 1 if b'"status":"complete"' in answer.content else 0


async def _send(client: httpx.AsyncClient, case: Case) -> Reply:
    headers = {"authorization": f"Bearer {case.caller.token}"} if case.caller.token else {}
    status, seen, data = 0, dict[str, str](), b""
    with suppress(httpx.HTTPError):
        async with client.stream("POST", "/v1/chat/completions", json=case.body, headers=headers) as response:
            status, seen = response.status_code, dict(response.headers)
            async for piece in response.aiter_bytes():
                data += piece
    return Reply(case=case, status=status, headers=seen, data=data)


class Judge:
    """Compares answers with what a configuration promises."""

    def __init__(self, config: RouterConfig, eye: Eye) -> None:
        self._promises = Promises(config)
        self._eye = eye
        self._has_engine = has_engine(config)
        self._falls_back = self._has_engine and config.routing.fallback_local
        among = config.routing.auto.among or tuple(config.models)
        self._local_models = {LOCAL, *((AUTO,) if set(among) <= {LOCAL} else ())}

    def judge(self, reply: Reply, check: Check) -> Judged:
        """Judge one answer.

        What was found beside the canary can only be known from the answer, so both readings are allowed.
        """
        case = reply.case
        promised = [self._promises.of(case)]
        if case.canary is not None:
            promised.append(self._promises.of(case, reply.entities, reply.sensitivity))
        problem = self._problem(reply, {one.action for one in promised}, check)
        quoted = case.canary is not None and reply.status != 200 and case.canary.id in self._eye.seen(reply.data)
        return Judged(
            reply=reply,
            promises=tuple(promised),
            problem=problem or ("an error message quotes the value" if quoted else ""),
        )

    def _problem(self, reply: Reply, actions: set[Action], check: Check) -> str:
        """Say what is wrong; empty if nothing is."""
        match reply.fate:
            case Fate.CLOUD if reply.unscanned:
                return "went to a cloud though it wasn't scanned"
            case Fate.CLOUD if Action.LEAVE in actions:
                return ""
            case Fate.CLOUD if Action.MASK in actions:
                return "came back with a placeholder in it" if PLACEHOLDER.search(reply.text) else ""
            case Fate.CLOUD:
                return "went to a cloud"
            case Fate.LOCAL:
                return "was answered instead of refused" if actions == {Action.BLOCK} and not reply.unscanned else ""
            case Fate.BLOCKED:
                return _blocked(reply, actions)
            case Fate.UNAVAILABLE:
                return "" if self._excused(reply, actions, check) else "got no answer though something could give one"
            case Fate.DECLINED:
                return "" if Action.MASK in actions or Action.LEAVE in actions else "was turned down as malformed"
            case Fate.BROKEN:
                return "" if check.clouds_fail or check.engine_fails else "broke off"
            case Fate.SILENT:
                return "got no answer, nor an error that says why"

    def _excused(self, reply: Reply, actions: set[Action], check: Check) -> bool:
        """Say whether no answer is the right one: all that may answer is failing, or there is nothing that may."""
        engine_down = check.engine_fails or not self._has_engine
        if Action.LOCAL in actions or reply.unscanned or reply.case.model in self._local_models:
            return engine_down
        return check.clouds_fail and (engine_down or not self._falls_back)


def _blocked(reply: Reply, actions: set[Action]) -> str:
    if reply.unscanned:
        return ""
    if Action.BLOCK not in actions:
        return "was refused"
    named = not reply.entities or any(name.encode() in reply.data for name in reply.entities)
    return "" if named else "was refused without naming what was found"


def _said(data: bytes) -> Iterator[str]:
    try:
        answer = msgspec.json.decode(data, type=_Answer)
    except msgspec.DecodeError:
        return
    for choice in answer.choices:
        part = choice.message or choice.delta
        yield (part.content or "") if part is not None else ""


class _Part(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Part | None = None
    delta: _Part | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]
