"""Every recognizer finds what its own table of examples says, and nothing where the table says so."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.config.schema import PrivacyConfig
from router.privacy.scanner import Scanner
from tests.fakes.gates import GATES

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parents[2] / "router" / "privacy" / "recognizers"
PLUGINS = sorted(file.stem for file in FOLDER.glob("*.py") if not file.stem.startswith("_"))


def examples(plugin: str) -> tuple[tuple[str, str | None], ...]:
    """Read a table from the source, so that this process needn't import Presidio."""
    for node in ast.parse((FOLDER / f"{plugin}.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXAMPLES":
            return ast.literal_eval(node.value)
    return ()


CASES = [(plugin, text, wanted) for plugin in PLUGINS for text, wanted in examples(plugin)]


@pytest.fixture(scope="module")
async def scanner(anyio_backend: str) -> AsyncIterator[Scanner]:
    scanner = Scanner(PrivacyConfig.model_validate({"scan": {"deadline_ms": 10_000}}), GATES)
    await scanner.start()
    yield scanner
    await scanner.aclose()


@pytest.mark.parametrize(("plugin", "text", "wanted"), CASES)
async def test_a_recognizer_keeps_what_its_examples_promise(
    scanner: Scanner, plugin: str, text: str, wanted: str | None
) -> None:
    report = await scanner.scan({"messages": [{"role": "user", "content": text}]})
    assert report.reason == ""
    others = (
        {"LOCATION", "ORGANIZATION"} if plugin in ("person", "qualifier") else {"LOCATION", "ORGANIZATION", "PERSON"}
    )
    found = [text[finding.start : finding.end] for finding in report.findings if finding.entity not in others]
    if wanted is None:
        assert found == []
    else:
        assert any(wanted in span for span in found), found


@pytest.mark.parametrize("plugin", PLUGINS)
def test_every_recognizer_has_examples_of_both_kinds(plugin: str) -> None:
    table = examples(plugin)
    assert any(wanted is None for _, wanted in table)
    assert any(wanted is not None for _, wanted in table)
