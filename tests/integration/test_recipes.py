"""The recipes in `configs/recipes` do what they say: policy packs by real scans and verdicts, routing by plans."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router import compose
from router.config.load import load
from router.config.schema import PrivacyConfig
from router.core.errors import PolicyBlocked
from router.core.types import Features, JsonObject, Locality, Masking, PlanInputs
from router.policy.rules import judge
from router.privacy.scanner import Scanner
from tests.fakes.gates import GATES
from tests.fakes.values import request, verdict

RECIPES = Path(__file__).resolve().parents[2] / "configs" / "recipes"

pytestmark = pytest.mark.anyio

HARMLESS = (
    "What is the capital of France?",
    "Write a Python function that merges two sorted lists.",
    "Explain how a four-stroke engine works, step by step.",
)
PLACELESS = (
    "What is the difference between a comet and an asteroid?",
    "Write a haiku about the first snow of the year.",
    *HARMLESS[1:],
)
"""For the pack that keeps every place at home."""
CARD = "Charge 4539 5787 6362 1486 for the order"
IBAN = "Please pay to GB82 WEST 1234 5698 7654 32"
SECRET = "export AWS_SECRET_ACCESS_KEY=kR9vT2xLq8ZpW4nB7mYcF1jH6gD3sA5eUo0iXtQw"
PASSWORD = "The login is bob and the password: q8Zr!vT2mLx9"
SSN = "Her social security number is 536-22-8726"
MAIL = "Write to maria.gonzalez@example.com about it"
PHONE = "Call me at +44 20 7946 0958"
NAME = "Translate this greeting for Siobhan Keogh into Irish."
HEALTH = "My friend Siobhan Keogh was diagnosed with breast cancer last week"
BIRTH = "She was born on 12 March 1984, date of birth 1984-03-12"
RECORD = "MRN: 00-88-2134, please summarise the chart"
MEMBER = "Health insurance member ID: 8842136670"
STREET = "Send it to 12 Station Road, Springfield, IL 62704"
ADDRESS = "The client IP address was 83.12.44.9 at that time"
LINK = "Look at https://portal.clinic.example/patients/view?case=88213"
PLATE = "VIN 1HGCM82633A004352 needs a new brake"
DEVICE = "MAC address 3c:22:fb:9a:10:7e of the infusion pump"

PACKS: dict[str, dict[str, tuple[str, ...]]] = {
    "identifiers": {"local": (CARD, IBAN, SECRET, PASSWORD, SSN, MAIL, PHONE, RECORD), "": (NAME, HEALTH, *HARMLESS)},
    "secrets": {"local": (SECRET, PASSWORD), "": (CARD, SSN, MAIL, HEALTH, *HARMLESS)},
    "pci": {"block": (CARD, IBAN, SECRET, PASSWORD), "": (SSN, MAIL, HEALTH, *HARMLESS)},
    "hipaa": {
        "local": (CARD, IBAN, SSN, MAIL, PHONE, NAME, HEALTH, BIRTH, RECORD, MEMBER, STREET, ADDRESS, LINK, PLATE, DEVICE),
        "": HARMLESS,
    },
    "gdpr": {"local": (CARD, SSN, HEALTH, SECRET), "mask": (MAIL, PHONE, NAME, ADDRESS, DEVICE), "": HARMLESS},
    "strict": {"local": (CARD, SSN, MAIL, PHONE, NAME, HEALTH, LINK, ADDRESS, BIRTH), "": PLACELESS},
}  # fmt: skip


def action(body: JsonObject, report: object, policy: PrivacyConfig) -> str:
    """Name what the policy does with a request."""
    try:
        verdict = judge(request(body=body), report, policy)  # type: ignore[arg-type]
    except PolicyBlocked:
        return "block"
    if verdict.masking is Masking.PLACEHOLDER:
        return "mask"
    return "local" if verdict.max_locality is Locality.LOCAL else ""


@pytest.mark.parametrize("pack", PACKS)
async def test_a_pack_does_what_it_says(pack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    config, _ = load(RECIPES / f"{pack}.yaml")
    policy = config.privacy.model_copy(
        update={"scan": config.privacy.scan.model_copy(update={"deadline_ms": 8000, "workers": 1})}
    )
    scanner = Scanner(policy, GATES)
    await scanner.start()
    try:
        wrong: list[str] = []
        for expected, texts in PACKS[pack].items():
            for text in texts:
                body: JsonObject = {"model": "auto", "messages": [{"role": "user", "content": text}]}
                report = await scanner.scan(body)
                done = action(body, report, policy)
                if done != expected:
                    wrong.append(f"{text!r}: {done or 'leaves'} instead of {expected or 'leaves'} {report.entities}")
    finally:
        await scanner.aclose()
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("recipe", sorted(file.name for file in RECIPES.glob("*.yaml")))
def test_every_recipe_of_a_router_starts(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (RECIPES / recipe).read_text()
    if "engine:" in text:
        return  # an engine host's
    for name in re.findall(r"(?:env|file):(\w+)", text):
        monkeypatch.setenv(name, "sk-none-but-long-enough")
    compose.check(*load(RECIPES / recipe, lambda _: "sk-none-but-long-enough"))


PAIRS = {"canary": ("today", "tomorrow"), "ab": ("control", "variant"), "cascade": ("small", "large")}


@pytest.mark.parametrize("recipe", PAIRS)
def test_a_routing_recipe_chooses_between_its_two(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-none")
    config, source = load(RECIPES / f"{recipe}.yaml")
    planner = compose.plan_with(config, source, frozenset()).planner
    chosen: list[str] = []
    for number in range(400):
        features = Features(input_tokens=10, session=str(number))
        inputs = PlanInputs(
            model="auto", named=None, verdict=verdict(), features=features, seed=number / 400, time_unix_s=0.0
        )
        plan = planner.plan(inputs)
        assert len(plan.steps) == 2
        chosen.append(plan.steps[0].target.group)
    share = chosen.count(PAIRS[recipe][1]) / 400
    low, high = {"canary": (0.02, 0.09), "ab": (0.14, 0.26), "cascade": (0.0, 0.0)}[recipe]
    assert low <= share <= high
