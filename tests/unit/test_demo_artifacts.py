"""The built demo model and adapters: sizes, cards, shapes and chat format fit what is promised."""

import json
import re
import struct
from pathlib import Path

import pytest
import yaml

from sona.demo.cards import card_examples, render_card
from sona.demo.chat import Turn, render
from sona.demo.tasks import TASKS, Task

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "local_inference" / "models" / "demo"
ADAPTERS = ROOT / "adapters"
MIB = 1024 * 1024

by_name = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return {name: tuple(facts["shape"]) for name, facts in header.items() if name != "__metadata__"}


def test_model_folder_is_at_most_12_mib() -> None:
    assert sum(path.stat().st_size for path in MODEL.rglob("*") if path.is_file()) <= 12 * MIB


def test_model_files_are_those_that_an_offline_load_needs() -> None:
    names = {path.name for path in MODEL.iterdir()}
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"} <= names
    assert {"tokenizer_config.json", "chat_template.jinja"} <= names


@by_name
def test_adapter_folder_is_at_most_1_mib(task: Task) -> None:
    folder = ADAPTERS / task.name
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MIB


@by_name
def test_adapter_config_is_plain_lora(task: Task) -> None:
    config = json.loads((ADAPTERS / task.name / "adapter_config.json").read_text())
    assert config["peft_type"] == "LORA"
    assert config["r"] <= 16
    assert config["bias"] == "none"
    assert config["base_model_name_or_path"] == "sona-demo"
    assert not config["modules_to_save"]
    assert not config["use_dora"]
    assert not config["use_rslora"]


@by_name
def test_adapter_tensors_fit_the_base_model(task: Task) -> None:
    base = _shapes(MODEL / "model.safetensors")
    adapter = _shapes(ADAPTERS / task.name / "adapter_model.safetensors")
    rank = json.loads((ADAPTERS / task.name / "adapter_config.json").read_text())["r"]
    assert adapter
    for name, shape in adapter.items():
        match = re.fullmatch(r"base_model\.model\.(.+)\.lora_([AB])\.weight", name)
        assert match, name
        out_size, in_size = base[f"{match[1]}.weight"]
        assert shape == ((rank, in_size) if match[2] == "A" else (out_size, rank))


@by_name
def test_card_parses_and_holds_what_sona_reads(task: Task) -> None:
    _, front, text = (ADAPTERS / task.name / "README.md").read_text().split("---\n", 2)
    card = yaml.safe_load(front)
    assert card["description"] == task.description
    assert card["keywords"] == list(task.keywords)
    assert card["languages"] == ["en"]
    assert card["license"] == "Apache-2.0"
    assert 8 <= len(card["examples"]) <= 12
    assert all(set(example) == {"prompt", "answer"} for example in card["examples"])
    assert 0 < card["metrics"]["exact_match"] <= 1
    assert text.strip().startswith(f"# {task.title}")


@by_name
def test_card_is_what_the_generator_writes(task: Task) -> None:
    card = (ADAPTERS / task.name / "README.md").read_text()
    match = re.search(r"exact_match: ([\d.]+)", card)
    assert match
    assert card == render_card(task, float(match[1]))
    assert len({example.prompt for example in card_examples(task)}) >= 8


def test_chat_template_writes_the_format_that_training_used() -> None:
    jinja2 = pytest.importorskip("jinja2", reason="the chat template needs jinja2")
    template = jinja2.Template((MODEL / "chat_template.jinja").read_text())
    chat = (Turn("system", "Be short."), Turn("user", " Hi "), Turn("assistant", "Hello!"), Turn("tool", "5"))
    messages = [{"role": turn.role, "content": turn.text} for turn in chat]
    assert template.render(messages=messages) == render(chat)
    odd = [
        {"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "image"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "function"},
        {"role": "martian", "content": "x"},
        {},
    ]
    written = template.render(messages=odd, add_generation_prompt=True)
    assert written == (
        "<|system|>a<|end|><|assistant|><|end|><|tool|><|end|><|user|>x<|end|><|user|><|end|><|assistant|>"
    )


def test_tokenizer_knows_every_text_and_splits_digits_singly() -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers comes with the demo extra")
    tokenizer = tokenizers.Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    for text in ("naïve café 北京 😀\t\x00", "  two  spaces\n\n", "2024-03-03"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert tokenizer.encode("2024").tokens == list("2024")
