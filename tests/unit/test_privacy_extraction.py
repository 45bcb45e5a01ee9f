"""An extractor by configuration: what it reads is scanned, and a picture leaves only if nothing was found in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from router.config.schema import PrivacyConfig
from router.core.errors import ConfigError
from router.core.types import JsonObject, JsonValue, ScanStatus, Sensitivity
from router.privacy.scanner import Scanner
from router.privacy.severity import validate
from tests.fakes.gates import GATES

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

PLUGIN = """
import asyncio

class Captions:
    '''Takes what stands in a data URL for what the picture shows; one that shows nothing can't be read.'''
    kinds = frozenset({"image_url"})

    async def text(self, part):
        shown = part["image_url"]["url"].partition(",")[2]
        if shown == "slow":
            await asyncio.sleep(60)
        if shown == "broken":
            raise ValueError(shown)
        return shown or None

def build():
    return Captions()
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of somebody's own, as pip would leave it."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "captions.py").write_text(PLUGIN)
    info = folder / "captions-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: captions\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sona.router.privacy.extractors]\ncaptions = captions\n")
    return folder


@pytest.fixture
async def scanner(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Scanner]:
    monkeypatch.syspath_prepend(plugin)
    config = PrivacyConfig.model_validate({"extractors": ["captions"], "scan": {"deadline_ms": 3000}})
    one = Scanner(config, GATES)
    await one.start()
    yield one
    await one.aclose()


def picture(shows: str) -> JsonObject:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{shows}"}}


def asked(*parts: JsonValue) -> JsonObject:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, *parts]}]}


async def test_a_picture_is_read_and_leaves_only_if_nothing_is_found_in_it(scanner: Scanner) -> None:
    harmless = await scanner.scan(asked(picture("A cat on a mat")))
    assert (harmless.status, harmless.sensitivity) == (ScanStatus.COMPLETE, Sensitivity.PUBLIC)
    found = await scanner.scan(asked(picture("SSN 536-22-8726"), picture("A cat")))
    assert (found.status, found.sensitivity) == (ScanStatus.PARTIAL, Sensitivity.RESTRICTED)
    assert found.reason == "unreadable:image_url"
    assert found.findings == ()


async def test_what_it_can_not_read_stays_unreadable(scanner: Scanner) -> None:
    for parts in ([picture("")], [picture("A cat"), picture("")], [picture("A cat"), {"type": "input_audio"}]):
        report = await scanner.scan(asked(*parts))
        assert report.sensitivity is Sensitivity.RESTRICTED
        assert report.reason.startswith("unreadable:")
    many = await scanner.scan(asked(*[picture("A cat")] * 33))
    assert many.sensitivity is Sensitivity.RESTRICTED


async def test_an_extractor_that_fails_or_takes_too_long_fails_closed(scanner: Scanner) -> None:
    broken = await scanner.scan(asked(picture("broken")))
    assert (broken.status, broken.sensitivity) == (ScanStatus.FAILED, Sensitivity.RESTRICTED)
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    slow = await scanner.scan(asked(picture("slow")))
    assert (slow.status, slow.reason) == (ScanStatus.FAILED, "deadline")
    assert loop.time() - started_s < 30


async def test_what_is_found_beside_a_picture_counts_as_ever(scanner: Scanner) -> None:
    report = await scanner.scan(asked(picture("A cat"), {"type": "text", "text": "My SSN is 536-22-8726"}))
    assert report.status is ScanStatus.COMPLETE
    assert report.entities == ("US_SSN",)
    assert report.findings[0].path == ("messages", 0, "content", 2, "text")


def test_an_extractor_that_is_not_there_stops_the_start() -> None:
    with pytest.raises(ConfigError, match=r"privacy\.extractors"):
        validate(PrivacyConfig(extractors=("captoins",)))
