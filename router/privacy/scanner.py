"""The scan as the pipeline sees it: a body in, a report out; every failure is a report that says *sensitive*."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
from itertools import count
from pathlib import Path as FilePath

from router.config.schema import PrivacyConfig
from router.core.clock import monotonic_s
from router.core.types import Finding, JsonObject, ScanReport, ScanStatus, Sensitivity
from router.privacy.leaves import Path, Reading, leaves
from router.privacy.pool import Pool
from router.privacy.protocol import WARM_UP, Job, Reply, WireMatch
from router.privacy.severity import validate

__all__ = ["Scanner", "validate"]


def ruleset(config: PrivacyConfig) -> str:
    """Hash all that decides what is found and how it counts: this package's files, Presidio's version, the settings."""
    digest = hashlib.sha256(importlib.metadata.version("presidio-analyzer").encode())
    folder = FilePath(__file__).parent
    for file in sorted(folder.rglob("*")):
        if file.suffix in (".py", ".npz"):
            digest.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    digest.update(config.model_dump_json(exclude={"on_sensitive", "threshold", "rules", "sessions", "scan"}).encode())
    return digest.hexdigest()[:12]


def _finding(path: Path, match: WireMatch) -> Finding:
    """Name the place of a match; a key over a list was read in front of each item, so the indexes behind it go."""
    _, in_key, start, end, entity, score, recognizer = match
    while in_key and path and not isinstance(path[-1], str):
        path = path[:-1]
    return Finding(
        entity=entity, path=path, start=start, end=end, score=round(score, 3), recognizer=recognizer, in_key=in_key
    )


class Scanner:
    """Scans request bodies in worker processes. Start it before use; one per configuration."""

    def __init__(self, config: PrivacyConfig) -> None:
        self._config = config.scan
        self._ruleset = ruleset(config)
        self._validated = config
        self._pool = Pool(config.model_dump_json().encode(), config.scan.workers)
        self._ids = count(1)

    async def start(self) -> None:
        """Start and warm up the workers.

        Raises:
            ConfigError: an unknown entity type or recognizer; names the nearest.
        """
        validate(self._validated)
        if self._config.enabled:
            await self._pool.start()
            jobs = [Job(-number, monotonic_s() + 10, [("", WARM_UP)], []) for number in range(self._config.workers)]
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
            reading = leaves(body)
            if reading.chars > self._config.max_chars:
                return self._report(started_s, Reply(0, "oversize"), reading, ScanStatus.PARTIAL)
            return self._report(started_s, await self._run(started_s, reading), reading)
        except Exception:  # noqa: BLE001  fail closed whatever it is; the message may quote text, so it isn't kept
            return self._report(started_s, Reply(0, "worker_error"), Reading([], (), [], 0))

    async def _run(self, started_s: float, reading: Reading) -> Reply:
        if self._config.deadline_ms <= 0:
            return Reply(0, "deadline")
        texts = [(leaf.key, leaf.text) for leaf in reading.leaves]
        return await self._pool.run(
            Job(next(self._ids), started_s + self._config.deadline_ms / 1000, texts, reading.joints)
        )

    def _report(
        self, started_s: float, reply: Reply, reading: Reading, status: ScanStatus = ScanStatus.FAILED
    ) -> ScanReport:
        reason = reply.error
        if not reason:
            unreadable = (*reading.unreadable, *(("data",) if reply.unreadable else ()))
            status = ScanStatus.PARTIAL if unreadable else ScanStatus.COMPLETE
            reason = f"unreadable:{unreadable[0]}" if unreadable else ""
        complete = status is ScanStatus.COMPLETE
        return ScanReport(
            status=status,
            sensitivity=Sensitivity(reply.sensitivity) if complete else Sensitivity.RESTRICTED,
            findings=tuple(dict.fromkeys(_finding(reading.leaves[match[0]].path, match) for match in reply.matches)),
            scanned_chars=reading.chars if not reply.error else 0,
            elapsed_ms=(monotonic_s() - started_s) * 1000,
            reason=reason,
            ruleset=self._ruleset,
        )
