"""A name beside health, money, law, faith, love, union, body or politics is sensitive; what everybody knows isn't.

The cases stand in tests/fixtures/special_private.txt and special_public.txt. Every third was held out while the word
lists and the tagger were made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.config.schema import PrivacyConfig
from router.core.types import Sensitivity
from router.privacy.scanner import Scanner
from tests.fakes.gates import GATES

pytestmark = pytest.mark.anyio

FIXTURES = Path(__file__).parents[1] / "fixtures"


def cases(name: str) -> list[str]:
    """Read the cases of a file; `# ` begins a category."""
    lines = (FIXTURES / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line.replace("\\n", "\n") for line in lines if line and not line.startswith("# ")]


@pytest.fixture(scope="module")
async def scanner(anyio_backend: str) -> AsyncIterator[Scanner]:
    scanner = Scanner(PrivacyConfig.model_validate({"scan": {"deadline_ms": 10_000}}), GATES)
    await scanner.start()
    yield scanner
    await scanner.aclose()


async def share(scanner: Scanner, texts: list[str]) -> float:
    """Return the share of texts that count as sensitive."""
    reports = [await scanner.scan({"messages": [{"role": "user", "content": text}]}) for text in texts]
    assert not any(report.reason for report in reports)
    return sum(report.sensitivity >= Sensitivity.CONFIDENTIAL for report in reports) / len(texts)


async def test_private_matters_of_a_named_person_are_sensitive(scanner: Scanner) -> None:
    private = cases("special_private")
    assert len(private) >= 300
    assert await share(scanner, private) >= 0.95
    assert await share(scanner, private[2::3]) >= 0.95


async def test_history_stories_news_and_general_questions_are_not(scanner: Scanner) -> None:
    public = cases("special_public")
    assert len(public) >= 150
    assert await share(scanner, public) <= 0.05
    assert await share(scanner, public[2::3]) <= 0.05


async def test_passages_of_encyclopaedias_and_newspapers_are_not(scanner: Scanner) -> None:
    assert await share(scanner, cases("public_passages")) <= 0.05


@pytest.mark.parametrize(
    ("public", "private"),
    [
        ("Was Abraham Lincoln depressed?", "My colleague Abraham Lincoln is depressed, what do I do?"),
        ("Tom Baxter, a painter born in 1812, was deep in debt.", "Tom Baxter is deep in debt, write to him."),
        ("In the novel, Ann Petrie is arrested.", "Our tenant Ann Petrie was arrested."),
    ],
)
async def test_the_same_words_are_private_of_somebody_one_knows(scanner: Scanner, public: str, private: str) -> None:
    assert await share(scanner, [public]) == 0
    assert await share(scanner, [private]) == 1


async def test_a_given_name_alone_is_nobody(scanner: Scanner) -> None:
    assert await share(scanner, ["Anna is depressed and in debt.", "Tom has 3 loans and gives 1 to Ben."]) == 0
