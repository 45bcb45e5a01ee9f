"""The scan as the pipeline sees it: a body in, a report out; every failure is a report that says *sensitive*."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
import logging
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from pathlib import Path as FilePath

import msgspec

from router.config.schema import PrivacyConfig
from router.core.clock import monotonic_s
from router.core.errors import stack_of
from router.core.plugin import load
from router.core.ports import Extractor
from router.core.types import JsonObject, ScanReport, ScanStatus, Sensitivity
from router.privacy.cache import Cache
from router.privacy.direct import MOST_CHARS, Direct, direct
from router.privacy.extraction import ReadOut
from router.privacy.pool import Pool
from router.privacy.protocol import WARM_UP, Found, Job, Reply, Setup, Unit
from router.privacy.severity import EXTRACTORS, Rule, rules, validate
from router.privacy.units import Plan, Unread

__all__ = ["Scanner", "validate"]

_log = logging.getLogger(__name__)

SLICE_S = 0.001
"""How long a scan works on its body before it lets the loop's other tasks go on."""

MAX_FINDINGS = 10_000
"""More findings in one request than this aren't masked or explained one by one: it counts as restricted."""


def ruleset(config: PrivacyConfig) -> str:
    """Hash all that decides what is found and how it counts: this package's files, Presidio's version, the settings."""
    digest = hashlib.sha256(importlib.metadata.version("presidio-analyzer").encode())
    folder = FilePath(__file__).parent
    for file in sorted(folder.rglob("*")):
        if file.suffix in (".py", ".npz"):
            digest.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    digest.update(config.model_dump_json(exclude={"on_sensitive", "threshold", "rules", "sessions", "scan"}).encode())
    return digest.hexdigest()[:12]


class _Late(Exception):
    """The scan's time was over before its texts were all read."""


class _Pause:
    """Gives way to the loop's other tasks whenever a slice of time is used up."""

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._slice_s = monotonic_s() + SLICE_S

    async def __call__(self) -> None:
        now_s = monotonic_s()
        if now_s < self._slice_s:
            return
        if now_s > self._deadline_s:
            raise _Late
        await asyncio.sleep(0)
        self._slice_s = monotonic_s() + SLICE_S


class _Ahead:
    """Sends units to a worker before it is known what else there is to read."""

    def __init__(self, run: Callable[[list[Unit]], Coroutine[None, None, Reply]]) -> None:
        self.run = run
        self.tasks: dict[int, asyncio.Task[Reply]] = {}
        """By the unit's place among all."""

    async def __call__(self, slot: int, unit: Unit) -> None:
        if unit.chars > MOST_CHARS:  # shorter ones may need no worker
            self.tasks[slot] = asyncio.create_task(self.run([unit]))
            await asyncio.sleep(0)  # so that it is on its way

    def cancel(self) -> None:
        """Give up what isn't answered yet."""
        for task in self.tasks.values():
            task.cancel()


class Scanner:
    """Scans request bodies, all but short ones in worker processes. Start it before use; one per configuration."""

    def __init__(self, config: PrivacyConfig, folder: FilePath | None = None) -> None:
        """Configure a scanner; `folder` keeps what takes long to compile."""
        self._config = config.scan
        self._ruleset = ruleset(config)
        self._validated = config
        self._rules: dict[str, Rule] = {}
        self._cache = Cache(config.scan.cache_bytes, self._ruleset)
        setup = Setup(config.model_dump_json().encode(), None if folder is None else str(folder))
        self._pool = Pool(setup, config.scan.workers, config.scan.max_queue)
        self._direct: Direct | None = None
        self._extractors: list[Extractor] = []
        self._ids = count(1)

    async def start(self) -> None:
        """Start and warm up the workers.

        Raises:
            ConfigError: an unknown entity type or recognizer; names the nearest.
        """
        validate(self._validated)
        self._rules = rules(self._validated)
        self._extractors = [load(EXTRACTORS, kind).build() for kind in self._validated.extractors]
        if self._config.enabled:
            kit = await self._pool.start()
            self._direct = await asyncio.to_thread(direct, kit, self._rules)
            jobs = [Job(-number, monotonic_s() + 10, [WARM_UP]) for number in range(self._config.workers)]
            await asyncio.gather(*map(self._pool.run, jobs))

    async def aclose(self) -> None:
        """End every process of the scan."""
        await self._pool.aclose()

    @property
    def ready(self) -> bool:
        """Whether a scan would find a worker."""
        return not self._config.enabled or self._pool.ready

    @property
    def ruleset(self) -> str:
        """Version (hash) of recognizers, thresholds and severities."""
        return self._ruleset

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """Process ids of the workers, for health reports and tests."""
        return self._pool.pids

    async def scan(self, body: JsonObject) -> ScanReport:
        """Read every text of the body. Never raises (but on cancellation): what fails is reported as sensitive."""
        started_s = monotonic_s()
        if not self._config.enabled:
            return ScanReport(status=ScanStatus.COMPLETE, sensitivity=Sensitivity.PUBLIC, ruleset=self._ruleset)
        try:
            report = await self._scan(body, started_s)
            return await self._read_out(body, report, started_s) if self._extractors else report
        except (_Late, TimeoutError):
            return self._closed(started_s, "deadline")
        except Unread as error:
            return self._closed(started_s, error.reason, ScanStatus.PARTIAL)
        except Exception as error:  # noqa: BLE001  fail closed whatever it is
            _log.error("a scan failed by a bug, and so all of it counts as sensitive\n%s", stack_of(error))
            return self._closed(started_s, "worker_error")

    async def _scan(self, body: JsonObject, started_s: float) -> ScanReport:
        if self._config.deadline_ms <= 0:
            return self._closed(started_s, "deadline")
        deadline_s = started_s + self._config.deadline_ms / 1000
        pause = _Pause(deadline_s)
        ahead = _Ahead(lambda units: self._pool.run(Job(next(self._ids), deadline_s, units)))
        plan = Plan(self._cache, self._rules, self._validated.combinations, self._config.max_chars, pause, ahead)
        try:
            await plan.read(body)
            await pause()
            error, found = await self._found(plan.unknown, ahead)
        finally:
            ahead.cancel()
        if error:
            return self._closed(started_s, error)
        sensitivity, findings = await plan.finish(found)
        total = plan.total
        unreadable = total.unreadable or (("hits",) if len(findings) > MAX_FINDINGS else ())
        return ScanReport(
            status=ScanStatus.PARTIAL if unreadable else ScanStatus.COMPLETE,
            sensitivity=Sensitivity.RESTRICTED if unreadable else sensitivity,
            findings=findings,
            scanned_chars=total.chars,
            scanned_bytes=total.bytes,
            leaves=total.leaves,
            elapsed_ms=(monotonic_s() - started_s) * 1000,
            reason=f"unreadable:{unreadable[0]}" if unreadable else "",
            ruleset=self._ruleset,
        )

    async def _read_out(self, body: JsonObject, report: ScanReport, started_s: float) -> ScanReport:
        """Scan once more with what extractors read, where that is what stood in the way; what is found there can't leave."""
        if not report.reason.startswith("unreadable:"):
            return report
        read = ReadOut(body, self._extractors)
        async with asyncio.timeout(self._config.deadline_ms / 1000 - (monotonic_s() - started_s)):
            if not await read.read():
                return report
        again = await self._scan(read.body, started_s)
        if any(map(read.holds, again.findings)):
            return msgspec.structs.replace(report, elapsed_ms=again.elapsed_ms)
        return again

    async def _found(self, units: Sequence[Unit], ahead: _Ahead) -> tuple[str, list[Found]]:
        """Give what is in each unit, or why that isn't known."""
        others = [unit for slot, unit in enumerate(units) if slot not in ahead.tasks]
        found = [] if not others else None if self._direct is None else self._direct.read(others)
        if found is None:
            reply = await ahead.run(others)
            if reply.error:
                return reply.error, []
            found = reply.found
        for slot, task in sorted(ahead.tasks.items()):
            reply = await task
            if reply.error:
                return reply.error, []
            found.insert(slot, reply.found[0])
        return "", found

    def _closed(self, started_s: float, reason: str, status: ScanStatus = ScanStatus.FAILED) -> ScanReport:
        """Report a scan that came to nothing."""
        return ScanReport(
            status=status,
            sensitivity=Sensitivity.RESTRICTED,
            elapsed_ms=(monotonic_s() - started_s) * 1000,
            reason=reason,
            ruleset=self._ruleset,
        )
