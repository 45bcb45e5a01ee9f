"""A router reads by itself only what is short and sure; whatever is wrong with it, a worker is asked."""

from __future__ import annotations

import base64
import bz2
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache

import msgspec
import pytest

from router.config.schema import PrivacyConfig
from router.privacy.direct import MOST_CHARS, Direct, Kit, direct
from router.privacy.protocol import Found, Unit
from router.privacy.severity import rules
from router.privacy.sieve import Finder
from tests.fakes.gates import GATES
from tests.property.test_privacy_equality import without_hyperscan

RULES = rules(PrivacyConfig())
HARMLESS = "Please explain why the second design of the bridge was cheaper to build"


@cache
def _kit() -> bytes:  # Presidio is imported only when the test runs
    from router.privacy.detector import Detector

    return msgspec.msgpack.encode(Detector(PrivacyConfig(), GATES).kit)


@pytest.fixture(scope="module")
def kit() -> Iterator[bytes]:
    yield _kit()
    _kit.cache_clear()


@pytest.fixture(scope="module")
def router(kit: bytes) -> Direct:
    router = direct(kit, RULES)
    assert router is not None
    return router


def units(*texts: str) -> list[Unit]:
    return [Unit([("", text)]) for text in texts]


def test_a_harmless_text_and_a_name_are_read(router: Direct) -> None:
    found = router.read(units(HARMLESS, "ask Maria Lopez"))
    assert found is not None
    assert found[0] == Found([])
    assert [match[4] for match in found[1].matches] == ["PERSON"]


@pytest.mark.parametrize(
    "text",
    [
        "write to maria.lopez@northbank.com",
        "my ssn is 856-45-6789",
        "password: Tr0ub4dor&3xyz",
        "maria.lopez%40northbank.com",
        base64.b64encode(b"write to maria.lopez@northbank.com").decode(),
        HARMLESS * (MOST_CHARS // len(HARMLESS) + 1),
        "\ufdfa" * (MOST_CHARS // 10),
    ],
)
def test_what_may_hold_more_or_is_long_is_left_to_a_worker(router: Direct, text: str) -> None:
    assert router.read(units(text)) is None
    assert router.read(units(HARMLESS, text)) is None


def test_what_is_compressed_is_left_to_a_worker_unopened(router: Direct) -> None:
    bomb = bz2.compress(b"a" * 50_000_000)
    for text in (base64.b64encode(bomb).decode(), bomb.hex(), base64.b64encode(bz2.compress(b"hello there")).decode()):
        assert len(text) < MOST_CHARS
        assert router.read(units(text)) is None
    start = time.thread_time()
    for _ in range(10):
        router.read(units(base64.b64encode(bomb).decode()))
    assert time.thread_time() - start < 0.02


def test_hostile_texts_hold_the_loop_up_no_longer_than_a_slice(router: Direct) -> None:
    pieces = [
        ".",
        "[",
        "a",
        "4",
        "a@",
        "1-",
        "Aa ",
        "Ab!",
        "é",
        "%41",
        "&#65;",
        "x y ",
        "one ",
        "\\u0041",
        "=41",
        "A1b2",
        "\n",
        "|",
        "a.b ",
    ]
    pieces += [" ".join(chr(first + n) for n in range(MOST_CHARS // 2)) for first in (0xE0, 0x410, 0x4E00, 0x1D400)]
    for piece in pieces:
        text = (piece * MOST_CHARS)[: MOST_CHARS - 1]
        times: list[float] = []
        for _ in range(5):
            start = time.thread_time()
            router.read(units(text))
            times.append(time.thread_time() - start)
        assert min(times) < 0.002, piece


def test_a_finder_that_fails_leaves_the_text_to_a_worker(kit: bytes) -> None:
    class Failing:
        name, entities, signs = "failing", ("PERSON",), ()

        def find(self, text: str) -> list[object]:
            raise RuntimeError(text)

    router = direct(kit, RULES)
    assert router is not None
    failing: Finder = Failing()  # type: ignore[assignment]
    router._finders[0] = failing  # pyright: ignore[reportPrivateUsage]
    assert router.read(units(HARMLESS)) is None


@pytest.mark.parametrize("how", ["missing", "truncated", "one bit", "foreign", "unknown finder"])
def test_with_a_kit_that_is_spoiled_nothing_is_read(kit: bytes, how: str) -> None:
    middle = len(kit) // 2
    unknown = msgspec.msgpack.decode(kit, type=Kit)
    spoiled = {
        "missing": b"",
        "truncated": kit[:-1],
        "one bit": kit[:middle] + bytes([kit[middle] ^ 1]) + kit[middle + 1 :],
        "foreign": b"something else",
        "unknown finder": msgspec.msgpack.encode(Kit(unknown.mesh, [(0, "nobody")])),
    }
    assert direct(spoiled[how], RULES) is None


def test_without_hyperscan_nothing_is_read(kit: bytes) -> None:
    with without_hyperscan():
        assert direct(kit, RULES) is None


def test_a_worker_without_hyperscan_or_with_another_namer_sends_no_kit(monkeypatch: pytest.MonkeyPatch) -> None:
    from router.privacy.detector import Detector

    with without_hyperscan():
        assert Detector(PrivacyConfig(), GATES).kit is None
    detector = Detector(PrivacyConfig(), GATES)
    monkeypatch.setattr(detector, "_others", {**detector._others, 999: object()})  # pyright: ignore[reportPrivateUsage]
    assert detector.kit is None


def test_a_router_that_reads_by_itself_imports_no_presidio() -> None:
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from router.config.schema import PrivacyConfig\n"
        "from router.privacy.scanner import Scanner\n"
        "async def main():\n"
        f"    scanner = Scanner(PrivacyConfig(), Path({str(GATES)!r}))\n"
        "    await scanner.start()\n"
        "    for pid in scanner.worker_pids: __import__('os').kill(pid, 19)\n"
        "    report = await scanner.scan({'messages': [{'role': 'user', 'content': 'ask Maria Lopez'}]})\n"
        "    print(report.status.value, report.entities, [name for name in sys.modules if name in ('presidio_analyzer', 'spacy')])\n"
        "    await scanner.aclose()\n"
        "asyncio.run(main())\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert run.stdout.split() == ["complete", "('PERSON',)", "[]"]
