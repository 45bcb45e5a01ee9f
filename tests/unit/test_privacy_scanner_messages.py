"""Requests of Anthropic's dialect with real scan workers: what a client sends of its own isn't sensitive, what people say is."""

from __future__ import annotations

import base64
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from router.config.schema import PrivacyConfig
from router.core.types import ScanStatus, Sensitivity
from router.privacy.scanner import Scanner
from tests.fakes.gates import GATES

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def scanner(anyio_backend: str) -> AsyncIterator[Scanner]:
    scanner = Scanner(PrivacyConfig.model_validate({"scan": {"deadline_ms": 20_000}}), GATES)
    await scanner.start()
    yield scanner
    await scanner.aclose()


def request(*blocks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    said = [*blocks, {"type": "text", "text": "The bridge is old."}]
    messages = [
        {"role": "user", "content": "How old is the bridge?"},
        {"role": "assistant", "content": said},
        {"role": "user", "content": "And the road?"},
    ]
    return {"model": "m", "max_tokens": 9, "messages": messages, **fields}


async def test_none_of_500_signatures_makes_a_request_sensitive(scanner: Scanner) -> None:
    chance = random.Random(5)
    without = [await scanner.scan(request(*kind)) for kind in ([], [{"type": "thinking", "thinking": "Hm"}])]
    assert all(report.sensitivity < Sensitivity.CONFIDENTIAL for report in without)
    for number in range(500):
        value = base64.b64encode(chance.randbytes(chance.randint(150, 1500))).decode()
        sealed = {"type": "thinking", "thinking": "Hm", "signature": value}
        report = await scanner.scan(request(sealed if number % 2 else {"type": "redacted_thinking", "data": value}))
        assert report.status is ScanStatus.COMPLETE
        assert report.entities == without[number % 2].entities


SSN = "My SSN is 536-22-8726"


@pytest.mark.parametrize(
    "body",
    [
        request({"type": "thinking", "thinking": "Hm", "signature": SSN}),
        request({"type": "thinking", "thinking": "Hm", "signature": base64.b64encode(SSN.encode() * 4).decode()}),
        request({"type": "redacted_thinking", "data": SSN.encode().hex()}),
        request({"type": "thinking", "thinking": SSN, "signature": "EqQB"}),
        request(system=SSN),
        request(system=[{"type": "text", "text": "Be brief."}, {"type": "text", "text": SSN}]),
        request(system=[{"type": "text", "text": "card 4556 7375"}, {"type": "text", "text": "8689 9855"}]),
        request({"type": "tool_use", "id": "t", "name": "f", "input": {"deep": [{"er": SSN}]}}),
        request(metadata={"user_id": "maria.gonzalez@example.com"}),
    ],
)
async def test_what_somebody_says_is_found_wherever_it_hides(scanner: Scanner, body: dict[str, Any]) -> None:
    assert (await scanner.scan(body)).sensitivity >= Sensitivity.CONFIDENTIAL
