"""The self-test from beginning to end: a real router on real sockets, in a made-up world."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import shutil
import socket
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import msgspec
import uvicorn

from router import compose
from router.config.load import Source
from router.config.schema import RouterConfig
from router.core import clock
from router.providers.local import EngineHost
from router.selftest import report as reports
from router.selftest.cases import Cases
from router.selftest.faults import CHECKS, Check, World
from router.selftest.report import Allowed, CheckResult, Problem, Progress, Report
from router.selftest.stand_ins import StandIns, callers, load_without_secrets, redirected, stand_ins
from router.selftest.trial import Judge, Judged, send_all, until_ready, until_scanning
from router.serve import engine_host, engine_process, http_server

RECOVERY_S = 5.0
"""How long the scan is waited for after it was made to fail; on a slow machine the check begins without it."""
READY_S, ENGINE_READY_S = 60.0, 900.0
"""How long the router may take until it is ready, with a mock engine and with the real one."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line can choose."""

    requests: int = 1000
    seed: int = 0
    real_engine: bool = False
    checks: tuple[Check, ...] = CHECKS


def new_seed() -> int:
    """Draw a seed that nobody used before."""
    return secrets.randbelow(1_000_000_000)


def selftest(file: Path, options: Options, progress: Progress) -> Report:
    """Run it.

    Raises:
        ConfigError: the configuration is wrong, or names a host that can't be replaced.
    """
    config, source = load_without_secrets(file, real_engine=options.real_engine)
    compose.check(config, source)
    with tempfile.TemporaryDirectory(prefix="sona-selftest-") as folder:
        with suppress(OSError):  # what the router compiled before saves the time to compile it again
            shutil.copytree(config.record.path / "scan", Path(folder) / "scan")
        test = _SelfTest(config, source, Path(folder), options, progress)
        with asyncio.Runner(loop_factory=uvicorn.Config("", loop="auto").get_loop_factory()) as runner:
            return runner.run(test.run())


class _Log(logging.Handler):
    """Keeps what is logged, to search it for what must not be there."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class _SelfTest:
    def __init__(
        self, config: RouterConfig, source: Source, folder: Path, options: Options, progress: Progress
    ) -> None:
        self._config = config
        self._source = source
        self._folder = folder
        self._options = options
        self._progress = progress
        self._cases = Cases(random.Random(options.seed), callers(config))
        chance = random.Random(options.seed + 1)  # of its own, for what fails depends on who comes first
        self._mocks = stand_ins(config, self._cases.eye, chance, real_engine=options.real_engine)
        self._judge = Judge(config, self._cases.eye)
        self._judged: dict[str, list[Judged]] = {}
        self._problems: Counter[Problem] = Counter()

    async def run(self) -> Report:
        """Run every check that applies; the report says why others weren't."""
        started_s = clock.monotonic_s()
        log = _Log()
        logging.getLogger().addHandler(log)
        try:
            async with AsyncExitStack() as stack:
                await self._mocks.start()
                stack.push_async_callback(self._mocks.stop)
                engine = await self._engine(stack)
                runnable = [check for check in self._options.checks if not self._skipped(check)]
                await self._in_one_router([check for check in runnable if check.deadline_ms is None], engine)
                for check in (check for check in runnable if check.deadline_ms is not None):
                    await self._in_one_router([check], engine)
        finally:
            logging.getLogger().removeHandler(log)
        self._search("the log", "\n".join(log.lines).encode())
        for file in sorted(self._folder.rglob("*")):
            if file.is_file():
                self._search("a record", file.read_bytes())
        self._search_keys()
        return self._report(clock.monotonic_s() - started_s)

    async def _engine(self, stack: AsyncExitStack) -> EngineHost | None:
        """Start the real engine host, where it was asked for and is ours to start."""
        if not self._options.real_engine:
            return None
        child = engine_process(self._config)
        if child is not None:
            await child.start()
            stack.push_async_callback(child.stop)
        return engine_host(self._config, child)

    def _skipped(self, check: Check) -> str:
        if not self._config.privacy.scan.enabled and check.scan_fails:
            return "the scan is off"
        if check.needs_clouds and not self._mocks.clouds:
            return "there are no clouds"
        if check.needs_mock_engine and self._mocks.engine is None:
            return "the real engine is used" if self._options.real_engine else "there is no local engine"
        return ""

    async def _in_one_router(self, checks: list[Check], real: EngineHost | None) -> None:
        config = redirected(self._config, self._source, self._mocks, self._folder)
        if checks[0].deadline_ms is not None:
            scan = config.privacy.scan.model_copy(update={"deadline_ms": checks[0].deadline_ms})
            config = config.model_copy(update={"privacy": config.privacy.model_copy(update={"scan": scan})})
        self._progress("starting the router", 0, 0)
        async with _serving(config, self._source, self._mocks, real) as (url, world):
            for check in checks:
                if not await until_ready(url, ENGINE_READY_S if real else READY_S):
                    self._fail(check.name, "the router isn't ready; it would answer 503 to a probe")
                    return
                if config.privacy.scan.enabled and config.privacy.scan.deadline_ms > 0:
                    await until_scanning(url, next(one for one in callers(config) if one.models), RECOVERY_S)
                await self._run(check, url, world)
                await asyncio.sleep(config.routing.breaker.cooldown_s if check.clouds_fail or check.engine_fails else 0)

    async def _run(self, check: Check, url: str, world: World) -> None:
        total = max(round(self._options.requests * check.share), 10)
        cases = [self._cases.next(check.harmless_ratio) for _ in range(total)]
        done = 0

        def step() -> None:
            nonlocal done
            done += 1
            self._progress(check.name, done, total)

        async with check.fault(world):
            replies = await send_all(url, cases, step)
        self._judged[check.name] = judged = [self._judge.judge(reply, check) for reply in replies]
        for one in (one for one in judged if one.problem):
            canary = one.reply.case.canary
            entity = canary.kind.entity if canary is not None else ""
            self._fail(check.name, one.problem, entity=entity, field=one.reply.case.field)
        late = sum(one.reply.unscanned for one in judged)
        if check is CHECKS[0] and late > reports.LATE_RATIO * total:
            what = f"is one of {late} of {total} that weren't scanned in time; raise privacy.scan.deadline_ms"
            self._fail(check.name, what)

    def _fail(self, check: str, what: str, entity: str = "", field: str = "", cloud: str = "") -> None:
        self._problems[Problem(check=check, what=what, entity=entity, field=field, cloud=cloud)] += 1

    def _search(self, where: str, data: bytes) -> None:
        seen = self._cases.eye.seen(data)
        for judged in self._all():
            canary = judged.reply.case.canary
            if canary is not None and canary.id in seen:
                self._fail("all of it", f"stands in {where}", entity=canary.kind.entity, field=judged.reply.case.field)

    def _search_keys(self) -> None:
        """Look for keys where they don't belong: callers' at clouds, and one cloud's at another."""
        keys = {f"the key of caller '{key.id}'": key.key.get_secret_value() for key in self._config.server.keys}
        owners = dict.fromkeys(keys, "")
        for name, row in self._config.providers.items():
            key = (row.model_extra or {}).get("api_key")
            if key is not None:
                label = f"the key of provider '{name}'"
                keys[label], owners[label] = key.get_secret_value(), name
        for cloud in self._mocks.clouds.values():
            for label, key in keys.items():
                if owners[label] != cloud.name and any(key in value for value in cloud.said):
                    self._fail("all of it", "reached a host that isn't its own", entity=label, cloud=cloud.name)

    def _all(self) -> Iterable[Judged]:
        return (one for judged in self._judged.values() for one in judged)

    def _report(self, elapsed_s: float) -> Report:
        seen_by = {one: cloud.name for cloud in self._mocks.clouds.values() for one in cloud.saw}
        leaks: set[int] = set()
        allowed: dict[tuple[str, str], list[bool]] = {}
        for check, judged in self._judged.items():
            for one in judged:
                canary = one.reply.case.canary
                if canary is None:
                    continue
                entity, free = canary.kind.entity, one.may_leave
                if free is not None:
                    allowed.setdefault((entity, free.why), []).append(canary.id in seen_by)
                elif canary.id in seen_by:
                    leaks.add(canary.id)
                    self._fail(check, "LEAKED", entity=entity, field=one.reply.case.field, cloud=seen_by[canary.id])
        checks = tuple(
            CheckResult(name=check.name, skipped=skipped)
            if (skipped := self._skipped(check))
            else reports.count(check.name, self._judged.get(check.name, ()), frozenset(leaks))
            for check in self._options.checks
        )
        return reports.report(
            config=str(self._source.path),
            seed=self._options.seed,
            elapsed_s=elapsed_s,
            checks=checks,
            problems=[msgspec.structs.replace(one, count=number) for one, number in self._problems.items()],
            allowed=[
                Allowed(entity=entity, why=why, sent=len(left), left=sum(left))
                for (entity, why), left in allowed.items()
            ],
            notes=tuple(self._notes()),
        )

    def _notes(self) -> Iterable[str]:
        if not self._config.privacy.scan.enabled:
            yield "THE SCAN IS OFF (privacy.scan.enabled: false). Whatever callers send may go to any cloud."
        late = sum(one.reply.unscanned for one in self._judged.get(CHECKS[0].name, ()))
        if late:
            yield (
                f"{late} requests weren't scanned in time though nothing was wrong, and counted as sensitive: this "
                "machine is slow or busy, or privacy.scan.deadline_ms is short."
            )
        for name, cloud in self._mocks.clouds.items():
            if not cloud.speaks:
                kind = self._config.providers[name].kind
                yield f"answers of '{name}' weren't tried: there is no mock of kind '{kind}', only a recorder."


@asynccontextmanager
async def _serving(
    config: RouterConfig, source: Source, mocks: StandIns, real: EngineHost | None
) -> AsyncGenerator[tuple[str, World]]:
    """Serve a configuration as `sona-router serve` does, on a port that is free."""
    engine = real or compose.engine_host(config)
    runtime = await asyncio.to_thread(compose.build, config, source, engine=engine)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with runtime.running():
            server = http_server(runtime, grace_s=1)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}", World(runtime, mocks)
            finally:
                server.should_exit = True
                await serving
