"""Names by a GLiNER model, which is told in words what to look for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from router.privacy.namers._named import Named, NameRecognizer, loaded, package

WANTED = ("person", "organization", "location", "address")
LEAST = 0.5


def build(model: Path) -> list[NameRecognizer]:
    """Load the model.

    Raises:
        ConfigError: GLiNER isn't installed, or the folder holds no model of it.
    """
    gliner = package("gliner")
    tagger = loaded(model, lambda: gliner.GLiNER.from_pretrained(str(model), local_files_only=True))

    def find(text: str) -> Iterator[Named]:
        for entity in tagger.predict_entities(text, list(WANTED), threshold=LEAST):
            yield entity["label"], entity["start"], entity["end"], float(entity["score"])

    return [NameRecognizer("gliner", find)]
