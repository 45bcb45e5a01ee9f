"""Names by a spaCy pipeline with an entity recognizer or an entity ruler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from router.core.errors import ConfigError
from router.privacy.namers._named import SURE, Named, NameRecognizer, loaded, package


def build(model: Path) -> list[NameRecognizer]:
    """Load the pipeline.

    Raises:
        ConfigError: spaCy isn't installed, or the folder holds no pipeline that finds entities.
    """
    spacy = package("spacy")
    pipeline = loaded(model, lambda: spacy.load(model))
    if not any(pipeline.has_pipe(name) for name in ("ner", "entity_ruler", "span_ruler")):
        raise ConfigError(f"privacy.names.model: the pipeline '{model}' finds no entities")

    def find(text: str) -> Iterator[Named]:
        for entity in pipeline(text).ents:
            yield entity.label_, entity.start_char, entity.end_char, SURE

    return [NameRecognizer("spacy", find)]
