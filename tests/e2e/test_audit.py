"""The audit log of a real router: it holds no text, tells what left, and outlives kill -9 and a full disk."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from router.record import audit_report
from router.record.audit_verify import Report
from tests.fakes.stack import Stack, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

SSN = "536-22-8726"
MAIL = "maria.gonzalez@example.org"
CONFIG: dict[str, object] = {
    "privacy": {"entities": {"EMAIL_ADDRESS": {"on_sensitive": "mask"}}},
    "record": {"path": "var", "sinks": ["jsonl", {"kind": "audit", "required": True, "checkpoint_records": 4}]},
}


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncGenerator[Stack]:
    async with running(tmp_path, CONFIG) as one:
        yield one


async def ask(stack: Stack, text: str, model: str = "auto") -> httpx.Response:
    headers = {"x-request-id": f"about-{SSN}"}
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        body = {"model": model, "messages": [{"role": "user", "content": text}]}
        return await http.post(f"{stack.url}/v1/chat/completions", json=body, headers=headers)


def verify(stack: Stack) -> Report:
    return audit_report.check(stack.folder / "var" / "audit", None, None)


async def recorded(stack: Stack, decisions: int) -> Report:
    async with asyncio.timeout(30):
        while True:
            report = verify(stack)
            if report.decisions >= decisions:
                return report
            await asyncio.sleep(0.05)


async def test_it_tells_what_left_and_holds_no_text(stack: Stack) -> None:
    for text, model in (
        ("What is the capital of France?", "auto"),
        (f"Patient Maria Gonzalez, SSN {SSN}: summarise.", "auto"),
        (f"Write to {MAIL} that I am late.", "auto"),
        (f"Write to {MAIL} that I am late.", "http-500"),
        (f"SSN {SSN}", f"no-such-model-{SSN}"),
    ):
        await ask(stack, text, model)
    report = await recorded(stack, 5)
    assert report.intact, report.problems
    assert report.offender_count == 0
    assert report.sensitivity["restricted"].cloud_clear == 0
    assert sum(tally.cloud_masked for tally in report.sensitivity.values()) >= 2
    log = b"".join(path.read_bytes() for path in (stack.folder / "var" / "audit").glob("*.jsonl"))
    for canary in (SSN, MAIL, "Gonzalez", "capital", "summarise", "no-such-model", "sk-test-cloud-key"):
        assert canary.encode() not in log
    decisions = [one for line in log.splitlines() if (one := json.loads(line))["kind"] == "decision"]
    assert any(one["entities"].get("US_SSN") == 1 and one["target"].startswith("local/") for one in decisions)


async def test_a_killed_router_goes_on_with_its_log(stack: Stack) -> None:
    for _ in range(10):
        await ask(stack, "What is the capital of France?")
    await recorded(stack, 10)
    asking = asyncio.gather(*(ask(stack, "Hello") for _ in range(20)), return_exceptions=True)
    await asyncio.sleep(0.1)
    await stack.router.stop(signal.SIGKILL)
    await asking
    await stack.router.start()
    await stack.router.until_ok(f"{stack.url}/ready")
    await ask(stack, "Hello again")
    await stack.router.stop()
    report = verify(stack)
    assert report.intact, report.problems
    assert report.decisions >= 11
    assert "recovered after a stop without notice" in report.notices[0]
    command = [sys.executable, "-m", "router", "audit", "verify", str(stack.folder / "var" / "audit")]
    shown = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert shown.returncode == 0
    assert "WHOLE" in shown.stdout


async def test_a_required_log_that_cant_be_written_closes_the_door_until_it_can(stack: Stack) -> None:
    soft, hard = resource.prlimit(stack.router.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(stack.router.pid, resource.RLIMIT_FSIZE, (16, hard))
    async with httpx.AsyncClient(trust_env=False) as http, asyncio.timeout(60):
        while (answer := await ask(stack, "Hello")).status_code == 200:
            await asyncio.sleep(0.05)
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "record_unavailable"
        ready = await http.get(f"{stack.url}/ready")
        assert ready.status_code == 503
        assert "record audit" in ready.text
        assert 'sona_record_sink_up{sink="audit"} 0.0' in (await http.get(f"{stack.url}/metrics")).text
        received = len(stack.cloud.received)
        await ask(stack, "Hello")
        assert len(stack.cloud.received) == received
        resource.prlimit(stack.router.pid, resource.RLIMIT_FSIZE, (soft, hard))
        await stack.router.until_ok(f"{stack.url}/ready")
    assert (await ask(stack, "Hello")).status_code == 200
    await stack.router.stop()
    report = verify(stack)
    assert report.intact, report.problems
    assert "0 records lost" in report.notices[0]


async def test_a_second_router_on_the_same_log_is_refused_with_the_line(stack: Stack) -> None:
    command = [sys.executable, "-m", "router", "serve", "--config", str(stack.router_file), "--port", "0"]
    environment = {"CLOUD_KEY": "sk-test-cloud-key-0001", "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin"}
    second = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, env=environment, timeout=120
    )
    assert second.returncode == 2
    assert "record.sinks[1]: another process writes the audit log" in second.stderr
