"""What a configuration file may say; every key, with its default and its bounds, in one place.

All sections refuse unknown keys: a typo must never become a privacy hole.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from router.core.types import Locality, Price, Sensitivity


class Section(BaseModel):
    """Base of all sections: immutable, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class OnSensitive(StrEnum):
    """What happens to a sensitive request."""

    LOCAL = "local"
    MASK = "mask"
    BLOCK = "block"


class SensitivityName(StrEnum):
    """`core.types.Sensitivity` as it is written in YAML."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"

    @property
    def level(self) -> Sensitivity:
        return Sensitivity[self.name]


class LocalityName(StrEnum):
    """`core.types.Locality` as it is written in YAML."""

    LOCAL = "local"
    REGION = "region"
    ANY = "any"

    @property
    def level(self) -> Locality:
        return Locality[self.name]


class KeyConfig(Section):
    """One API key that callers may use."""

    id: str = Field(min_length=1, max_length=64)
    key: SecretStr
    tenant: str = "default"
    models: tuple[str, ...] | None = None
    max_locality: LocalityName = LocalityName.ANY
    on_sensitive: OnSensitive | None = None


class ServerConfig(Section):
    """Where the router listens and what it accepts."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    keys: tuple[KeyConfig, ...] = ()
    max_body_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    deadline_s: float = Field(default=300.0, gt=0)
    """The longest that one request may take, everything included."""


class LocalConfig(Section):
    """The engine host: one that runs (`url`), one to start as a child (`managed`), or none."""

    url: str | None = None
    replicas: tuple[str, ...] = ()
    """Further engine hosts with the same base model, adapters and key as the one at `url`."""
    managed: Path | None = None
    api_key: SecretStr | None = None
    connect_s: float = Field(default=2.0, gt=0)
    ttft_s: float = Field(default=60.0, gt=0)
    total_s: float = Field(default=300.0, gt=0)

    @model_validator(mode="after")
    def _one_of(self) -> LocalConfig:
        if self.url is not None and self.managed is not None:
            raise ValueError("give either 'url' (a running engine host) or 'managed' (one to start), not both")
        if self.replicas and self.url is None:
            raise ValueError("'replicas' stand beside the engine host at 'url': give that too")
        return self


class ProviderConfig(BaseModel):
    """A provider row; the keys beside these are the `Config` of the provider's kind."""

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: str


class PriceConfig(Section):
    """US dollars for one million tokens."""

    input: Decimal = Field(ge=0)
    output: Decimal = Field(ge=0)
    cached_input: Decimal | None = Field(default=None, ge=0)
    """Tokens read from the vendor's prompt cache; null = as `input`."""
    cache_write: Decimal | None = Field(default=None, ge=0)
    """Tokens written to it; null = as `input`."""
    reasoning: Decimal | None = Field(default=None, ge=0)
    """Tokens of a model's thinking; null = as `output`."""
    audio_input: Decimal | None = Field(default=None, ge=0)
    """Null = unknown: an answer that used audio then has no known cost."""
    audio_output: Decimal | None = Field(default=None, ge=0)
    """Null = unknown, as `audio_input`."""

    @classmethod
    def of(cls, price: Price) -> PriceConfig:
        """Write down a price."""
        return cls.model_validate(
            {name.removesuffix("_usd"): value for name, value in msgspec.structs.asdict(price).items()}
        )

    @property
    def price(self) -> Price:
        """The same as the stages know it."""
        return Price(
            input_usd=self.input,
            output_usd=self.output,
            cached_input_usd=self.cached_input,
            cache_write_usd=self.cache_write,
            reasoning_usd=self.reasoning,
            audio_input_usd=self.audio_input,
            audio_output_usd=self.audio_output,
        )


class DeploymentConfig(Section):
    """One callable upstream of a model group."""

    provider: str
    model: str
    weight: float = Field(default=1.0, ge=0)
    price: PriceConfig | None = None
    """Wins over the price list that ships with the router."""
    context_tokens: int | None = Field(default=None, gt=0)
    capabilities: frozenset[str] | None = None
    locality: LocalityName = LocalityName.ANY


class ModelConfig(Section):
    """A model group: the name that clients use, and who answers to it."""

    deployments: tuple[DeploymentConfig, ...] = Field(min_length=1)
    fallbacks: tuple[str, ...] = ()
    strategy: str = "weighted"
    on_sensitive: OnSensitive | None = None
    """What happens to a sensitive request that asks for this group; the stricter of this and the key's counts."""


class RouteRule(Section):
    """An ordered rule: the first whose conditions all hold names the model groups to choose among."""

    name: str
    use: tuple[str, ...] = Field(min_length=1)
    """Model groups, or `local`."""
    min_input_tokens: int | None = None
    max_input_tokens: int | None = None
    needs: frozenset[str] = frozenset()
    task: str | None = None
    tier: str | None = None
    tenant: str | None = None
    key: str | None = None


class AutoConfig(Section):
    """What `model: auto` means when a request may leave."""

    strategy: str = "cost"
    among: tuple[str, ...] = ()
    """Model groups to choose from; empty = all."""
    rules: tuple[RouteRule, ...] = ()
    options: dict[str, Any] = {}
    """The strategy's own settings."""


class BreakerConfig(Section):
    """When a deployment is left alone, and for how long."""

    failures: int = Field(default=5, ge=1)
    """Failures in a row that open it."""
    cooldown_s: float = Field(default=10.0, gt=0)


class RoutingConfig(Section):
    """How a request that may leave finds its deployment."""

    auto: AutoConfig = AutoConfig()
    ttft_s: float = Field(default=30.0, gt=0)
    total_s: float = Field(default=300.0, gt=0)
    retries: int = Field(default=1, ge=0, le=5)
    breaker: BreakerConfig = BreakerConfig()
    fallback_local: bool = True
    """Whether the local engine answers when no cloud target does."""


class EntityConfig(Section):
    """How one entity type counts."""

    sensitivity: SensitivityName | None = None
    min_score: float | None = Field(default=None, ge=0, le=1)
    on_sensitive: OnSensitive | None = None
    enabled: bool = True


class PolicyRule(Section):
    """An ordered rule; the first that matches decides. Conditions left out always hold."""

    name: str = Field(min_length=1)
    entities: tuple[str, ...] = ()
    """Any of these was found; for `allow`, and nothing else."""
    min_sensitivity: SensitivityName | None = None
    keys: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    """Names that the caller sent as `model`."""
    then: Literal["local", "mask", "block", "allow"]


class Combination(Section):
    """Entity types that say more together than alone."""

    name: str = Field(min_length=1)
    entities: tuple[str, ...] = Field(min_length=2)
    """All of these are found, each within reach of the first."""
    within_chars: int = Field(default=120, ge=0, le=10_000)
    """The reach: characters between the first and each of the others."""
    sensitivity: SensitivityName = SensitivityName.RESTRICTED


class SessionsConfig(Section):
    """A conversation that held something local stays local, also when the client trims its history."""

    by: tuple[Literal["header", "user", "response"], ...] = ("header", "user", "response")
    """What names a conversation: the header `x-router-session`, the body's `user`, a chain of `previous_response_id`.
    Empty = nothing is remembered."""
    ttl_s: float = Field(default=3600.0, gt=0)
    """Seconds after its last sensitive turn that a conversation stays local."""
    max_sessions: int = Field(default=100_000, ge=1)
    """With more, the key that has most of them loses the one that was sensitive longest ago."""


class ScanConfig(Section):
    """How much time and how many processes the scan gets."""

    deadline_ms: float = Field(default=250.0, ge=0)
    workers: int = Field(default=1, ge=1, le=64)
    max_chars: int = Field(default=1_000_000, ge=1)
    """A request with more text than this isn't scanned: it is RESTRICTED."""
    max_queue: int = Field(default=1000, ge=1)
    """Scans that may wait for a worker; one more counts as sensitive at once, as does one that can't be done in time."""
    cache_bytes: int = Field(default=32 * 1024 * 1024, ge=0)
    """Memory for what is known of messages that were scanned before; 0 = none."""
    enabled: bool = True
    """False = every request counts as clean. For benchmarks and for traffic known to be harmless."""


class NamesConfig(Section):
    """What finds names beside the tagger that ships with the router."""

    engine: str = "builtin"
    """`builtin` = nothing else; `spacy`, `gliner`, `transformers`, or a plug-in of `router/privacy/namers/`."""
    model: Path | None = None
    """Folder of the engine's model on this machine; nothing is ever downloaded."""


class PrivacyConfig(Section):
    """What counts as sensitive and what is done about it."""

    on_sensitive: OnSensitive = OnSensitive.LOCAL
    threshold: SensitivityName = SensitivityName.CONFIDENTIAL
    """A request of this sensitivity or above is sensitive."""
    entities: dict[str, EntityConfig] = {}
    only: tuple[str, ...] | None = None
    """Entity types to look for; None = all that are on by default."""
    countries: tuple[str, ...] | None = None
    """Two-letter codes of the countries whose own numbers are looked for, like `[us, gb, de]`; None = all there are.

    Cards, IBANs, phone numbers, e-mails and numbers behind a label are of no country: they are always looked for.
    """
    recognizers: tuple[str, ...] | None = None
    """Plug-ins of `router/privacy/recognizers/` to use; None = all that are on by default."""
    extractors: tuple[str, ...] = ()
    """Plug-ins of `router/privacy/extractors/` that read the text in images, recordings and files; what none reads counts
    as restricted."""
    names: NamesConfig = NamesConfig()
    rules: tuple[PolicyRule, ...] = ()
    combinations: tuple[Combination, ...] = ()
    """Beside the built-in one: a full name near a telling word, or near anything confidential, is restricted."""
    sessions: SessionsConfig = SessionsConfig()
    scan: ScanConfig = ScanConfig()


class SonaConfig(Section):
    """How an adapter is chosen for a request."""

    enabled: bool = True
    min_confidence: float | None = Field(default=None, ge=0, le=1)
    """Below this the base model answers; None = what the selector was calibrated to."""


class SinkConfig(BaseModel):
    """A sink's row, or its kind alone; the keys beside `kind` are the `Config` of the kind."""

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: str

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return {"kind": value} if isinstance(value, str) else value

    def __str__(self) -> str:
        return self.kind


class RecordConfig(Section):
    """Where decision records go."""

    path: Path = Path("var")
    sinks: tuple[SinkConfig, ...] = (SinkConfig(kind="jsonl"),)


class ResponsesConfig(Section):
    """What is kept of answers of the Responses API, so that callers may go on from them. In memory only."""

    max_bytes: int = Field(default=64 * 1024 * 1024, ge=0)
    """Of all that is kept; with more, the key that has most loses its oldest answers. 0 = nothing is kept."""
    max_per_key: int = Field(default=10_000, ge=1)
    """Answers kept of one key; one more pushes out its oldest."""
    ttl_s: float = Field(default=86_400.0, gt=0)
    """Seconds that an answer is kept."""


class RouterConfig(Section):
    """The whole file."""

    server: ServerConfig = ServerConfig()
    local: LocalConfig | None = None
    providers: dict[str, ProviderConfig] = {}
    models: dict[str, ModelConfig] = {}
    routing: RoutingConfig = RoutingConfig()
    privacy: PrivacyConfig = PrivacyConfig()
    sona: SonaConfig = SonaConfig()
    record: RecordConfig = RecordConfig()
    responses: ResponsesConfig = ResponsesConfig()
