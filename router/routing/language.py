"""Tells the language of a request's newest message, for rules and cards that ask for it; loaded only where one does."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from router.core.types import JsonObject

READ_CHARS = 1000
"""How much of a message is read; it takes about 0.3 ms."""

MIN_PROBABILITY = 0.5
"""Below this it isn't told: short texts, code and mixed languages often can't be."""

SURE_PROBABILITY = 0.95
"""What rules something out wants more: below this nothing is, at worst an adapter answers in another language."""


class LanguageDetector:
    """Reads with langid's classifier: 97 languages, in this process, from a model inside its package.

    Source: https://github.com/adbar/py3langid (0.4.0, BSD-3-Clause, 2026-11-29).
    """

    def __init__(self) -> None:
        """Load the model: about a second, and 100 MB."""
        from py3langid import langid  # pyright: ignore[reportMissingTypeStubs]

        identifier = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)  # pyright: ignore[reportUnknownMemberType]
        self._classify = cast("Callable[[str], tuple[str, float]]", identifier.classify)  # pyright: ignore[reportUnknownMemberType]

    def language(self, chat: JsonObject, min_probability: float = MIN_PROBABILITY) -> str | None:
        """Return the two-letter code of the newest user message of a chat request; None = there is none, or it can't be
        told."""
        text = _newest(chat)
        if not text:
            return None
        code, probability = self._classify(text)
        return code if probability >= min_probability else None


def _newest(chat: JsonObject) -> str:
    """Return the beginning of the text of the newest message of the user's."""
    messages = chat.get("messages")
    for message in reversed(messages if isinstance(messages, list) else []):
        if isinstance(message, dict) and message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, str):
                return content[:READ_CHARS].strip()
            parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
            texts = [text[:READ_CHARS] for part in parts if isinstance(text := part.get("text"), str)]
            return " ".join(texts)[:READ_CHARS].strip()
    return ""
