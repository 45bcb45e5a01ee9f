"""Scans documents and says what policy would do with each, as the router would; asks nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from router.config.schema import RouterConfig
from router.core.errors import PolicyBlocked
from router.core.types import Hints, Locality, Masking, Principal, Request, ScanReport, ScanStatus, Sensitivity
from router.policy.groups import group_actions
from router.policy.judge import Judge
from router.privacy.scanner import Scanner
from router.tuning.documents import Document, Unreadable

UNREADABLE = ScanReport(status=ScanStatus.FAILED, sensitivity=Sensitivity.RESTRICTED, reason="not text")


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """A document, what was found in it, and what becomes of it."""

    document: Document | Unreadable
    report: ScanReport
    action: str
    """leaves, mask, local or block."""
    rule: str = ""
    """The rule that says so; empty if none does."""
    reason: str = ""


async def examine(
    config: RouterConfig, documents: Iterable[Document | Unreadable], principal: Principal, folder: Path
) -> Sequence[Examined]:
    """Scan and judge all documents, as many at a time as there are workers; `folder` keeps what takes long to compile."""
    scanner = Scanner(config.privacy, folder)
    judge = Judge(config.privacy, group_actions(config))
    gate = asyncio.Semaphore(config.privacy.scan.workers)

    async def one(document: Document | Unreadable) -> Examined:
        if isinstance(document, Unreadable):
            why = f"can't be read: {document.why}"
            return Examined(document=document, report=UNREADABLE, action="local", rule="scan_incomplete", reason=why)
        async with gate:
            report = await scanner.scan(document.body)
        return _judged(judge, document, report, principal)

    documents = list(documents)
    try:
        if any(isinstance(document, Document) for document in documents):
            await scanner.start()
        return await asyncio.gather(*map(one, documents))
    finally:
        await scanner.aclose()


def _judged(judge: Judge, document: Document, report: ScanReport, principal: Principal) -> Examined:
    model = document.body.get("model")
    request = Request(
        id="scan",
        principal=principal,
        model=model if isinstance(model, str) else "auto",
        body=document.body,
        stream=False,
        hints=Hints(),
        deadline_s=0.0,
    )
    try:
        verdict = judge.verdict(request, report, remember=False)
    except PolicyBlocked as error:
        return Examined(document=document, report=report, action="block", reason=error.message)
    action = "mask" if verdict.masking is Masking.PLACEHOLDER else "leaves"
    if verdict.max_locality is Locality.LOCAL:
        action = "local"
    return Examined(document=document, report=report, action=action, rule=verdict.rule_id, reason=verdict.reason)
