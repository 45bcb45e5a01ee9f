"""What is known of adapters: their authors' words, what the engine host reports of each version, and which one was selected."""

from __future__ import annotations

import msgspec


class AdapterCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt, and words that the answer to it must hold."""

    prompt: str
    answer: str


class AdapterCard(msgspec.Struct, frozen=True, kw_only=True):
    """What an adapter's author says of it, in words; SONA's input. All of it optional."""

    description: str = ""
    keywords: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    """Prompts the adapter is made for."""
    negative_examples: tuple[str, ...] = ()
    """Prompts that look alike and must not select it."""
    languages: tuple[str, ...] = ()
    system_prompt: str | None = None
    """Put first where the caller sends none."""
    prompt_template: str | None = None
    """Text around `{prompt}` that each message of a user is put into."""
    tool_format: str | None = None
    """How it writes tool calls: a name of the engine's tool call parsers; `none` = trained without."""
    tenants: tuple[str, ...] = ()
    """Who may use it; empty = everybody. To others it doesn't exist."""
    pin: bool = False
    """Whether it is kept in memory unless somebody says otherwise."""
    license: str | None = None
    metrics: dict[str, float] = {}
    """What its author measured, by name."""
    checks: tuple[AdapterCheck, ...] = ()
    """What a version has to answer before it is served."""
    min_checks_ratio: float = 1.0
    """Part of the checks that must come right."""

    def admits(self, tenant: str) -> bool:
        """Whether a tenant may use it. One without a name is let in by no list: `("",)` is the list that admits nobody."""
        return not self.tenants or (tenant != "" and tenant in self.tenants)


VERSION_DIGITS = 32
"""Hexadecimal digits of a version: 128 bits, so that nobody can make two contents that have the same."""


def version_of(sha256: str) -> str:
    """Name a content by the beginning of its SHA-256, in hexadecimal digits."""
    return sha256[:VERSION_DIGITS]


class AdapterInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One adapter version as the engine host reports it on `GET /v1/adapters`."""

    name: str
    version: str
    """See `version_of`."""
    state: str
    """copying, checking, stored, loading, canary, ready, draining, disabled or quarantined."""
    reason: str | None = None
    """For a quarantined one: what is wrong, as a code."""
    message: str | None = None
    fix: str | None = None
    """What the owner can do about it."""
    residency: str = "disk"
    """disk, host or device, as the engine last told."""
    rank: int | None = None
    size_bytes: int = 0
    load_ms: float | None = None
    """What the last load from disk onto the device took."""
    activate_ms: float | None = None
    """What the way from host memory onto the device takes."""
    current: bool = True
    """Whether the bare name means this version; the others are kept and answer to their ids."""
    share: float = 0.0
    """Part of the requests for the bare name that it takes while it is tried, 0..1."""
    pinned: bool = False
    steps_ms: dict[str, float] = {}
    """How long each step took on its way from the folder into service, in their order."""
    card: AdapterCard = AdapterCard()

    @property
    def id(self) -> str:
        """Engine-side name, `<name>@<version>`."""
        return f"{self.name}@{self.version}"


class AdapterListing(msgspec.Struct, frozen=True, kw_only=True):
    """Body of the engine host's `GET /v1/adapters`. `revision` grows with every change."""

    revision: int
    base_model: str
    data: tuple[AdapterInfo, ...]
    object: str = "list"


class SelectionCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """One adapter that SONA weighed, and what spoke for it. Numbers only, no text."""

    adapter: str
    confidence: float
    """0..1: how surely it, rather than another or none, fits."""
    score: float
    meaning: float
    """Cosine of the request's meaning and the adapter's, around that of generic prompts."""
    words: float
    """Cosine of the words, rare ones weighing most."""
    nearest: float
    """Cosine to the most similar example."""
    against: float
    """What negative examples, and a card that fits everything, took off."""
    explained: float = 0.0
    """How much of the request its examples explain, beside those of the others and generic prompts."""
    resident: bool = False
    """Whether it was on the device already, which decides a tie."""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """SONA's answer: the adapter to use, or None for the base model, and why."""

    adapter: str | None
    """`<name>@<version>`, or None when no adapter fits."""
    confidence: float
    """0..1; with `adapter=None` the confidence of the best one that was turned down."""
    margin: float
    """Distance to the runner-up, 0..1."""
    state_version: str
    """Names the snapshot that decided: the hash of all ready cards and of the embedder."""
    reason: str
    min_confidence: float = 0.0
    """The threshold that was applied."""
    tier: str = ""
    """Which embedding decided: `static` or `encoder`; empty = none did."""
    candidates: tuple[SelectionCandidate, ...] = ()
    """The best of those that passed the filters, best first. `sona.decide.decide` makes the same choice of them."""
