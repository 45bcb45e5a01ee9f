"""What SONA knows of one adapter: the texts that speak for it and against it, from its card; no vectors."""

from __future__ import annotations

import hashlib

import msgspec

from router.core.adapters import AdapterInfo

FEW_EXAMPLES = 3
"""With fewer examples, each keyword stands in for a prompt of its own."""


NO_TOOLS = "none"
"""The tool format of an adapter that was trained without tools, and answers badly where there are some."""

MAX_TEXTS = 64
"""Texts taken of one field of a card: an update must stay quick whatever a card holds."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The texts of one adapter version. The same card gives the same profile, whatever the version."""

    adapter: str
    """`<name>@<version>`."""
    summary: str
    """Name and description, one sentence or two."""
    hints: tuple[str, ...]
    """Texts that describe prompts rather than being one, the summary first."""
    examples: tuple[str, ...]
    negatives: tuple[str, ...]
    languages: tuple[str, ...]
    described: bool = False
    """Whether more is said than the name."""
    tenants: tuple[str, ...] = ()
    """Who may use it; empty = everybody."""
    tool_format: str | None = None

    @property
    def restricted(self) -> bool:
        """Whether some requests may not have it."""
        return bool(self.tenants or self.languages or self.tool_format == NO_TOOLS)

    @property
    def positives(self) -> tuple[str, ...]:
        """All that speaks for the adapter, hints first."""
        return self.hints + self.examples


def build_profile(info: AdapterInfo) -> Profile:
    """Read a card. A field that is missing is only missing: the name alone makes a profile."""
    card = info.card
    name = " ".join(info.name.replace("_", "-").split("-"))
    summary = f"{name}: {card.description.strip()}" if card.description.strip() else name
    keywords, examples = _texts(card.keywords), _texts(card.examples)
    if keywords and len(examples) >= FEW_EXAMPLES:
        keywords = (f"{name} {', '.join(keywords)}",)
    return Profile(
        adapter=info.id,
        summary=summary,
        hints=_texts((summary, *keywords)),
        examples=examples,
        negatives=_texts(card.negative_examples),
        languages=tuple(sorted({language.strip().lower() for language in card.languages if language.strip()})),
        described=bool(card.description.strip() or keywords),
        tenants=tuple(sorted(set(card.tenants))),
        tool_format=card.tool_format,
    )


METHOD = "cosine-duel-4"
"""Changes with every change to how a selection is made of cards."""


def profiles_version(profiles: tuple[Profile, ...], embedder_version: str) -> str:
    """Hash all that a selection depends on: twelve hex digits."""
    content = msgspec.json.encode([METHOD, embedder_version, profiles])
    return hashlib.blake2b(content, digest_size=6).hexdigest()


def _texts(values: tuple[str, ...]) -> tuple[str, ...]:
    """Drop empty and repeated texts and what is too many, keep the order."""
    return tuple(dict.fromkeys(value.strip() for value in values if value.strip()))[:MAX_TEXTS]
