"""The built-in tagger finds names and addresses in texts that its trainer never saw, and never runs on damaged weights."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from router.config.schema import PrivacyConfig
from router.core.errors import ConfigError
from router.privacy.ner.model import TOKEN, WEIGHTS, Tagger
from router.privacy.scanner import Scanner
from tests.fakes.gates import GATES

ROOT = Path(__file__).parents[2]
MARKED = ROOT / "tests" / "fixtures" / "names.txt"
MARK = re.compile(r"\[([PALO]):([^\]]+)\]")
ENTITIES = {"P": "PERSON", "A": "STREET_ADDRESS", "L": "LOCATION", "O": "ORGANIZATION"}
CHECKSUM = WEIGHTS.with_suffix(".sha256.txt")

Spans = list[tuple[str, int, int]]


def marked(line: str) -> tuple[str, Spans]:
    """Read `[P:Anna] lives` as a text and what is in it."""
    line, text, done, spans = line.replace("\\n", "\n"), "", 0, Spans()
    for match in MARK.finditer(line):
        text += line[done : match.start()]
        spans.append((ENTITIES[match[1]], len(text), len(text) + len(match[2])))
        text, done = text + match[2], match.end()
    return text + line[done:], spans


TEXTS = [marked(line) for line in MARKED.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]


def hits(spans: Spans, others: Spans, entity: str) -> tuple[int, int]:
    """Count the spans of an entity type, and those of them that share a character with one of the others."""
    own = [span for span in spans if span[0] == entity]
    shared = [s for s in own if any(o[0] == entity and o[1] < s[2] and s[1] < o[2] for o in others)]
    return len(own), len(shared)


@pytest.fixture(scope="module")
async def scanner(anyio_backend: str) -> AsyncIterator[Scanner]:
    scanner = Scanner(PrivacyConfig.model_validate({"scan": {"deadline_ms": 10_000}}), GATES)
    await scanner.start()
    yield scanner
    await scanner.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize(("entity", "recall", "precision"), [("PERSON", 0.88, 0.8), ("STREET_ADDRESS", 0.9, 0.9)])
async def test_names_and_addresses_are_found_in_texts_of_many_kinds(
    scanner: Scanner, entity: str, recall: float, precision: float
) -> None:
    wanted = found = hit = right = 0
    for text, spans in TEXTS:
        report = await scanner.scan({"messages": [{"role": "user", "content": text}]})
        got = [(finding.entity, finding.start, finding.end) for finding in report.findings]
        counts = hits(spans, got, entity), hits(got, spans, entity)
        wanted, hit, found, right = (
            wanted + counts[0][0],
            hit + counts[0][1],
            found + counts[1][0],
            right + counts[1][1],
        )
    assert hit / wanted >= recall
    assert right / found >= precision


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\t ",
        "Ann",
        " Anna  Kowalska\r\n\tlives\xa0here ² ½ ٣ मनीष 李明 _x_ e\u0301 İstanbul 🙂",
        "a" * 10_000,
    ],
)
def test_tokens_leave_nothing_of_a_text_out(text: str) -> None:
    assert text[: len(text) - len(text.lstrip())] + "".join(TOKEN.findall(text.lstrip())) == text


def test_places_of_names_are_exact_whatever_stands_around_them() -> None:
    text = "  \n İ² Please call\tMaria  Lopez ,\r\nnot Piotr Nowak."
    assert [text[entity.start : entity.end] for entity in Tagger().tag(text)] == ["Maria  Lopez", "Piotr Nowak"]


def test_a_text_is_tagged_alike_by_a_fresh_tagger_and_by_one_whose_memory_overflowed() -> None:
    text, used = "\n".join(text for text, _ in TEXTS), Tagger()
    for start in range(0, 60_000, 1500):
        used.tag(
            " ".join(f"w{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{n // 676}x" for n in range(start, start + 1500))
        )
    kinds = [[(e.kind, e.start, e.end) for e in tagger.tag(text)] for tagger in (Tagger(), used)]
    assert kinds[0] == kinds[1] != []


def test_the_weights_are_small() -> None:
    assert WEIGHTS.stat().st_size <= 5_000_000


def _broken(data: bytes, how: str) -> bytes:
    match how:
        case "cut":
            return data[: len(data) // 2]
        case "empty":
            return b""
        case _:
            return data[:1000] + bytes([data[1000] ^ 1]) + data[1001:]


@pytest.mark.parametrize("how", ["cut", "empty", "one bit"])
def test_damaged_weights_are_refused(tmp_path: Path, how: str) -> None:
    path = tmp_path / WEIGHTS.name
    path.write_bytes(_broken(WEIGHTS.read_bytes(), how))
    shutil.copy(CHECKSUM, tmp_path)
    with pytest.raises(ConfigError, match="damaged"):
        Tagger(path)


def test_other_weights_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS.name
    with np.load(WEIGHTS) as file:
        np.savez(path, allow_pickle=False, **{name: np.zeros_like(file[name]) for name in file.files})
    with pytest.raises(ConfigError, match="can't be read"):
        Tagger(path)
    shutil.copy(CHECKSUM, tmp_path)
    with pytest.raises(ConfigError, match="damaged"):
        Tagger(path)


START = """
import asyncio
from router.config.schema import PrivacyConfig
from router.core.errors import ConfigError
from router.privacy.scanner import Scanner

async def main():
    scanner = Scanner(PrivacyConfig())
    try:
        await scanner.start()
    except ConfigError as error:
        print("refused:", error)
    finally:
        await scanner.aclose()

asyncio.run(main())
"""


def test_the_router_does_not_start_with_damaged_weights(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "router", tmp_path / "router", ignore=shutil.ignore_patterns("__pycache__"))
    weights = tmp_path / WEIGHTS.relative_to(ROOT)
    weights.write_bytes(_broken(weights.read_bytes(), "one bit"))
    run = subprocess.run(
        [sys.executable, "-c", START], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
        timeout=120, check=True,
    )  # fmt: skip
    assert "weights of the name tagger are damaged" in run.stdout
