"""Engines for names: real pipelines and models, made here, are loaded from a folder and their findings count."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from router.config.schema import PrivacyConfig
from router.core.errors import ConfigError
from router.core.types import Finding, Sensitivity
from router.privacy.scanner import Scanner, ruleset, validate
from tests.fakes.gates import GATES

pytestmark = pytest.mark.anyio

TEXT = "the file of qwx zubrix: overdue loan"


def config(engine: str, model: Path | None) -> PrivacyConfig:
    """Choose an engine and its model."""
    names = {"engine": engine, "model": model and str(model)}
    return PrivacyConfig.model_validate({"names": names, "scan": {"deadline_ms": 10_000}})


@asynccontextmanager
async def started(engine: str, model: Path | None) -> AsyncGenerator[Scanner]:
    scanner = Scanner(config(engine, model), GATES)
    try:
        await scanner.start()
        yield scanner
    finally:
        await scanner.aclose()


async def found(scanner: Scanner, text: str, engine: str) -> tuple[list[Finding], Sensitivity]:
    report = await scanner.scan({"messages": [{"role": "user", "content": text}]})
    assert report.reason == ""
    return [finding for finding in report.findings if finding.recognizer == engine], report.sensitivity


def spacy_pipeline(folder: Path) -> Path:
    spacy = pytest.importorskip("spacy")
    pipeline = spacy.blank("en")
    ruler = pipeline.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "qwx zubrix"}, {"label": "GPE", "pattern": "brumbel"}])
    pipeline.to_disk(folder)
    return folder


def bert(folder: Path) -> Path:
    """Save a tiny BERT that takes every word for a part of a person's name."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    words = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", *TEXT.replace(":", " :").split()]
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    shape = transformers.BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        id2label={0: "O", 1: "I-PER"}, label2id={"O": 0, "I-PER": 1},
    )  # fmt: skip
    model = transformers.BertForTokenClassification(shape)
    with torch.no_grad():
        model.classifier.bias[1] = 20.0
    model.save_pretrained(folder)
    return folder


async def test_a_spacy_pipeline_adds_its_names_to_the_built_in_ones(tmp_path: Path) -> None:
    async with started("spacy", spacy_pipeline(tmp_path / "model")) as scanner:
        findings, sensitivity = await found(scanner, TEXT, "spacy")
        assert [(f.entity, TEXT[f.start : f.end]) for f in findings] == [("PERSON", "qwx zubrix")]
        assert sensitivity is Sensitivity.RESTRICTED
        both = await scanner.scan({"messages": [{"role": "user", "content": "Anna Kowalska left brumbel"}]})
        assert {(f.entity, f.recognizer) for f in both.findings} == {("PERSON", "person"), ("LOCATION", "spacy")}


async def test_a_transformers_model_is_run_in_the_scan(tmp_path: Path) -> None:
    async with started("transformers", bert(tmp_path / "model")) as scanner:
        findings, sensitivity = await found(scanner, TEXT, "transformers")
        assert {finding.entity for finding in findings} == {"PERSON"}
        assert any("qwx zubrix" in TEXT[finding.start : finding.end] for finding in findings)
        assert sensitivity is Sensitivity.RESTRICTED
        long, _ = await found(scanner, " ".join([TEXT] * 30), "transformers")
        assert len(long) > 0


async def test_a_package_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the package 'gliner' isn't installed"):
        async with started("gliner", tmp_path):
            pass


@pytest.mark.parametrize("engine", ["spacy", "transformers"])
async def test_a_folder_without_a_model_ends_the_start(tmp_path: Path, engine: str) -> None:
    with pytest.raises(ConfigError, match="can't be loaded"):
        async with started(engine, tmp_path):
            pass


async def test_a_pipeline_that_finds_nothing_ends_the_start(tmp_path: Path) -> None:
    pytest.importorskip("spacy").blank("en").to_disk(tmp_path / "model")
    with pytest.raises(ConfigError, match="finds no entities"):
        async with started("spacy", tmp_path / "model"):
            pass


async def test_a_typo_and_a_missing_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'spacy'"):
        validate(config("spacey", tmp_path))
    with pytest.raises(ConfigError, match=r"privacy\.names\.model"):
        validate(config("spacy", None))
    with pytest.raises(ConfigError, match="can't be loaded"):
        async with started("spacy", tmp_path / "missing"):
            pass
    validate(config("builtin", None))


async def test_another_engine_is_another_rule_set(tmp_path: Path) -> None:
    assert len({ruleset(config("builtin", None)), ruleset(config("spacy", tmp_path))}) == 2
