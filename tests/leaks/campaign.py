"""A campaign: requests by the thousand under every fault of the table, and the count of what came out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import resource
import signal
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec

from tests.fakes.wire_client import Reply, WireClient
from tests.leaks.endpoints import CALLING
from tests.leaks.faults import FAULTS, NONE, Kind
from tests.leaks.shots import KEYS, Shot, Shots, conversation
from tests.leaks.site import DEADLINE_S, Site, copy_package
from tests.leaks.verdict import SLACK_S, Leak, answered, outside, problem, spoken

AT_ONCE = 40
SLICE = 1500
SLOW = 12
"""Requests under a fault that makes them wait for a clock, and under each that befalls a process."""
PHASE = 50

Say = Callable[[str], None]


class Result(msgspec.Struct):
    """What a campaign found."""

    seed: int
    requests: int = 0
    with_canary: int = 0
    at_clouds: int = 0
    """Requests that clouds received: harmless ones, and masked ones."""
    masked: int = 0
    """Of these the ones that came from a request with a canary."""
    elapsed_s: float = 0.0
    by_fault: dict[str, Counts] = {}
    leaks: list[Leak] = []
    problems: list[str] = []
    outcomes: dict[str, int] = {}
    impossible: list[str] = []
    """Faults of parts that this router doesn't have."""

    def of(self, name: str) -> Counts:
        """The counts of one fault."""
        return self.by_fault.setdefault(name, Counts())

    @property
    def never_fired(self) -> list[str]:
        """Faults that didn't happen."""
        expected = [fault.name for fault in FAULTS if fault is not NONE and fault.name not in self.impossible]
        return [name for name in expected if not self.of(name).fired]

    @property
    def bound(self) -> float:
        """With no leak among N requests with a canary, the 95 % upper bound of the rate: the rule of three."""
        return 3 / max(self.with_canary, 1)


class Counts(msgspec.Struct):
    """What happened under one fault."""

    requests: int = 0
    fired: int = 0
    leaks: int = 0


class Campaign:
    """One run over one site, and the few routers of their own that some faults need."""

    def __init__(self, folder: Path, total: int, seed: int, say: Say) -> None:
        self._folder = folder
        self._total = total
        self._say = say
        self._chance = random.Random(seed)
        self.shots = Shots(seed)
        self.site = Site(folder / "main")
        self.result = Result(seed=seed)

    async def run(self) -> Result:
        """Run all of it."""
        started_s = time.monotonic()
        await self.site.start()
        others = asyncio.create_task(self._others())
        try:
            faults = [self._workers_killed, self._workers_stopped, self._workers_starved, self._template_killed,
                      self._pool_full, *map(self._engine_fault, ("down", "hangs", "500", "cuts", "garbage")),
                      self._disk_full, self._router_ended("router told to stop", signal.SIGTERM),
                      self._router_ended("router killed", signal.SIGKILL)]  # fmt: skip
            for fault in faults:
                await fault()
            self._say(f"{time.monotonic() - started_s:.0f} s: processes have been stopped, starved and killed")
            await self._slow()
            await self._trimmed()
            await others
            self._say(f"{time.monotonic() - started_s:.0f} s: routers of their own have been tried")
            left = self._total - self.result.requests
            while left > 0:
                await self._mixed(min(SLICE, left))
                left = self._total - self.result.requests
                rate = self.result.requests / (time.monotonic() - started_s)
                self._say(f"{self.result.requests} requests, {len(self.result.leaks)} leaks, {rate:.0f}/s")
        finally:
            others.cancel()
            await asyncio.gather(others, return_exceptions=True)
            await self.site.stop()
        self.result.elapsed_s = time.monotonic() - started_s
        return self.result

    async def fire(self, site: Site, shots: Sequence[Shot], fault: str = "", *, may_lose: bool = False) -> list[Reply]:
        """Send requests to a site, a bounded number at once, and judge all that came of them."""
        client, gate = WireClient(site.port, DEADLINE_S + SLACK_S), asyncio.Semaphore(AT_ONCE)

        async def one(shot: Shot) -> Reply:
            async with gate:
                return await client.ask(shot.path, shot.headers, shot.body, shot.manner)

        replies = await asyncio.gather(*map(one, shots))
        client.close()
        await self._judge(site, shots, replies, fault, may_lose=may_lose)
        return replies

    async def _judge(
        self, site: Site, shots: Sequence[Shot], replies: Sequence[Reply], fault: str, *, may_lose: bool
    ) -> None:
        result = self.result
        records = {record["request_id"]: record for record in await site.new_records()}
        received, site.cloud.requests = site.cloud.requests, []
        site.cloud.received.clear()
        site.cloud.headers.clear()
        leaks = outside(shots, received) + outside(shots, site.trap.requests)
        if site.trap.requests:
            result.problems.append("a redirect was followed")
        for where, text in (
            ("log", site.new_bytes(site.router.log)),
            ("records", msgspec.json.encode(list(records.values()))),
            ("metrics", await _metrics(site)),
        ):
            leaks += spoken(where, shots, text)
        for shot, reply in zip(shots, replies, strict=True):
            leaks += answered(shot, reply)
            name = fault or shot.fault.name
            counts = result.of(name)
            counts.requests += 1
            counts.fired += 0 if fault else _fired(shot, reply, records.get(shot.request_id))
            wrong = "" if may_lose and not reply.complete else problem(shot, reply)
            if wrong:
                result.problems.append(f"{name}, {shot.key}, {shot.path}, {shot.field}: {wrong}; {reply.body[:200]!r}")
            outcome = reply.error_code or ("local" if reply.local else "cloud" if reply.whole else "none")
            label = f"{'canary' if shot.canary else 'harmless'} {reply.status} {outcome}"
            result.outcomes[label] = result.outcomes.get(label, 0) + 1
            result.masked += bool(shot.canary and outcome == "cloud" and shot.path in CALLING)
        for name, count in Counter(site.fired()).items():
            row = next((one.name for one in FAULTS if one.kind is Kind.STAGE and one.detail == name), name)
            result.of(row).fired += count
        for one in leaks:
            result.of(fault or one.fault).leaks += 1
        result.leaks += leaks
        result.requests += len(shots)
        result.with_canary += sum(shot.canary is not None for shot in shots)
        result.at_clouds += len(received)

    async def _mixed(self, count: int) -> None:
        """Requests under all the faults that befall one request at a time, shuffled."""
        light = [fault for fault in FAULTS if fault.kind not in (Kind.SITE, Kind.ROUTER) and not fault.slow]
        shots: list[Shot] = []
        while len(shots) < count:
            if self._chance.random() < 0.05:
                shots += list(conversation(self.shots))
            shots.append(self.shots.draw(self._chance.choice([*light, NONE, NONE, NONE, NONE])))
        self._chance.shuffle(shots)
        await self.fire(self.site, shots[:count])

    async def _slow(self) -> None:
        """A few requests under each fault that makes them wait."""
        for fault in FAULTS:
            if fault.slow:
                count = 2 if fault.kind is Kind.BODY else SLOW
                await self.fire(self.site, [self.shots.draw(fault) for _ in range(count)])

    async def _trimmed(self) -> None:
        """Once a named conversation had to stay here it stays, though its history was trimmed of the reason."""
        talks = [list(conversation(self.shots)) for _ in range(2 * PHASE)]
        named = [talk for talk in talks if "x-router-session" in talk[0].headers]
        begun = [talk for talk in named if talk[0].key == "local" and talk[0].path in CALLING]
        first = await self.fire(self.site, [talk[0] for talk in begun])
        kept = [
            talk[-1]
            for talk, reply in zip(begun, first, strict=True)
            if reply.local and reply.headers.get("x-router-reason", "").startswith("policy:")
        ]
        for reply in await self.fire(self.site, kept):
            if reply.status == 200 and not reply.local:
                reason = reply.headers.get("x-router-reason", "")
                self.result.problems.append(f"a trimmed conversation left: {reason}")
        if not kept:
            self.result.problems.append("no conversation was trimmed")

    async def _phase(self, name: str, count: int = PHASE, pad: int = 0, *, may_lose: bool = False) -> list[Reply]:
        shots = [self.shots.draw(pad=pad) for _ in range(count)]
        return await self.fire(self.site, shots, name, may_lose=may_lose)

    @asynccontextmanager
    async def _meanwhile(self, act: Callable[[], Awaitable[None]], every_s: float) -> AsyncGenerator[None]:
        async def repeat() -> None:
            while True:
                await act()
                await asyncio.sleep(every_s)

        task = asyncio.create_task(repeat())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _workers_killed(self) -> None:
        async def act() -> None:
            self.result.of("workers killed").fired += self.site.signal_workers(signal.SIGKILL)

        async with self._meanwhile(act, 0.03):
            await self._phase("workers killed")

    async def _workers_stopped(self) -> None:
        self.result.of("workers stopped").fired += self.site.signal_workers(signal.SIGSTOP)
        await self._phase("workers stopped")

    async def _workers_starved(self) -> None:
        for pid in self.site.workers:
            resource.prlimit(pid, resource.RLIMIT_AS, (2**20, 2**20))
        replies = await self._phase("workers without memory", PHASE // 2, pad=100_000)
        failed = sum(reply.headers.get("x-router-sensitivity") == "restricted" for reply in replies)
        self.result.of("workers without memory").fired += failed
        self.site.signal_workers(signal.SIGKILL)

    async def _template_killed(self) -> None:
        for pid in self.site.templates:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.result.of("template killed").fired += 1
        await self._phase("template killed")
        await self._until_scanning()

    async def _pool_full(self) -> None:
        replies = await self._phase("pool full", PHASE, pad=300_000)
        late = sum(reply.headers.get("x-router-sensitivity") == "restricted" for reply in replies)
        self.result.of("pool full").fired += late

    def _engine_fault(self, what: str) -> Callable[[], Awaitable[None]]:
        async def act() -> None:
            name, engine = f"local engine {what}", self.site.engine
            engine.mode = {"hangs": "hang", "500": "http-500", "cuts": "cut", "garbage": "garbage"}.get(what)
            if what == "down":
                await engine.stop()
            before = next(engine.count)
            await self._phase(name, SLOW if what == "hangs" else PHASE)
            self.result.of(name).fired += 1 if what == "down" else next(engine.count) - before - 1
            engine.mode = None
            if what == "down":
                await engine.start(engine.port)

        return act

    async def _disk_full(self) -> None:
        pid, path = self.site.router.pid, self.site.folder / "var" / "decisions.jsonl"
        before = path.stat().st_size
        limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (min(before, 1000), limits[1]))
        await self._phase("disk full")
        self.result.of("disk full").fired += path.stat().st_size == before
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)

    def _router_ended(self, name: str, number: signal.Signals) -> Callable[[], Awaitable[None]]:
        async def act() -> None:
            async def end() -> None:
                await asyncio.sleep(0.1)
                with contextlib.suppress(TimeoutError):
                    await self.site.router.stop(number)
                self.result.of(name).fired += 1

            ending = asyncio.create_task(end())
            await self._phase(name, 3 * PHASE, pad=2000, may_lose=True)
            await ending
            await self.site.start_router()

        return act

    async def _until_scanning(self) -> None:
        """Wait until the router is ready again."""
        await self.site.router.until_ok(f"{self.site.url}/ready")

    async def _others(self) -> None:
        """Faults that need a router of their own."""
        for act in (self._zero, self._tiny, self._breakers, self._broken, self._gates):
            await act()

    async def _zero(self) -> None:
        """With no time to scan nothing may leave."""
        await self._other("scan deadline 0", {"privacy": {"scan": {"deadline_ms": 0}}}, PHASE, local_only=True)

    async def _tiny(self) -> None:
        await self._other("scan deadline tiny", {"privacy": {"scan": {"deadline_ms": 1}}}, 2 * PHASE)

    async def _other(self, name: str, changes: dict[str, object], count: int, *, local_only: bool = False) -> None:
        site = Site(self._folder / name.replace(" ", "-"), changes)
        await site.start()
        try:
            replies = await self.fire(site, [self.shots.draw() for _ in range(count)], name)
            late = [reply.headers.get("x-router-sensitivity") == "restricted" for reply in replies]
            self.result.of(name).fired += sum(late)
            if local_only and next(site.cloud.count) > 1:
                self.result.problems.append(f"{name}: something went to the cloud")
        finally:
            await site.stop()

    async def _breakers(self) -> None:
        """With every cloud's breaker open, the engine answers or an error says so."""
        name = "breakers open"
        site = Site(self._folder / "breakers", {"routing": {"breaker": {"failures": 2, "cooldown_s": 60}}})
        await site.start()
        try:
            site.cloud.mode = "http-500"
            shots = [self.shots.draw() for _ in range(2 * PHASE)]
            await self.fire(site, shots, name)
            before = next(site.cloud.count)
            await self.fire(site, [self.shots.draw() for _ in range(PHASE)], name)
            self.result.of(name).fired += next(site.cloud.count) - before < PHASE // 5
        finally:
            await site.stop()

    async def _gates(self) -> None:
        """What was compiled before is cut, or was made of other rules: it must not be used."""
        kept = list((self.site.folder / "var" / "scan").glob("*"))
        for name in ("gate database cut", "gate database of other rules"):
            if not kept:
                self.result.impossible.append(name)
                continue
            folder = self._folder / name.replace(" ", "-")
            (folder / "var" / "scan").mkdir(parents=True)
            for file in kept:
                data = bytearray(file.read_bytes())
                data[30] ^= 255  # the hash of the rules stands in front
                whole = len(data) if name.endswith("rules") else len(data) // 2
                (folder / "var" / "scan" / file.name).write_bytes(data[:whole])
            before = self.result.requests
            await self._other(name, {}, PHASE)
            self.result.of(name).fired = self.result.requests - before

    async def _broken(self) -> None:
        """With its weights broken the router must not start."""
        folder = copy_package(self._folder / "broken" / "site")
        for weights in folder.rglob("router/privacy/**/*.npz"):
            weights.write_bytes(weights.read_bytes()[:-1000])
        site = Site(self._folder / "broken")
        await site.prepare()
        await site.router.start()
        try:
            async with asyncio.timeout(60):
                code = await site.router.wait()
            self.result.of("NER weights broken").fired += (
                code != 0 and b"privacy" in site.router.log.read_bytes()[-300:]
            )
        except TimeoutError:
            self.result.problems.append("the router starts with broken weights")
        finally:
            await site.stop()


def _fired(shot: Shot, reply: Reply, record: dict[str, object] | None) -> bool:
    """Say whether a request's fault happened, as far as one request can tell."""
    match shot.fault.kind:
        case Kind.CLOUD:
            tried = [str(one["target"]) for one in record["attempts"]] if record else []  # pyright: ignore
            names = {"chain": "cut", "dead-chain": "http-429"}
            return any(one.endswith(f"/{names.get(shot.fault.detail, shot.fault.detail)}") for one in tried)
        case Kind.WORKER:
            return bool(record and record["scan_reason"])
        case Kind.BODY:
            return reply.status in (400, 413)
        case Kind.SENDING:
            return not reply.whole
        case _:
            return False


async def _metrics(site: Site) -> bytes:
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            headers = {"authorization": f"Bearer {KEYS['local']}"}
            return (await client.get(f"{site.url}/metrics", headers=headers)).content
    except httpx.HTTPError:
        return b""
