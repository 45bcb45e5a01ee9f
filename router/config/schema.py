"""What a configuration file may say; every key, with its default and its bounds, in one place.

All sections refuse unknown keys: a typo must never become a privacy hole.
"""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from router.core.types import Budget, Limits, Locality, Price, Sensitivity


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


class BudgetConfig(Section):
    """US dollars that a key may spend in a calendar period, in UTC; null = without limit."""

    day_usd: Decimal | None = Field(default=None, ge=0)
    week_usd: Decimal | None = Field(default=None, ge=0)
    month_usd: Decimal | None = Field(default=None, ge=0)


class KeyLimits(Section):
    """What a key may ask for; null = without limit."""

    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    """Of prompts and answers together."""
    concurrency: int | None = Field(default=None, ge=1)
    """Requests under way at a time."""
    budget: BudgetConfig = BudgetConfig()

    @property
    def limits(self) -> Limits:
        """The same as the stages know it."""
        budget = Budget(**self.budget.model_dump())
        return Limits(
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            concurrency=self.concurrency,
            budget=budget,
        )


class KeyConfig(KeyLimits):
    """One API key that callers may use."""

    id: str = Field(min_length=1, max_length=64)
    key: SecretStr
    tenant: str = "default"
    models: tuple[str, ...] | None = None
    max_locality: LocalityName = LocalityName.ANY
    on_sensitive: OnSensitive | None = None
    admin: bool = False
    """Whether it may change adapters, and see those of all tenants."""


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
    environment: tuple[str, ...] = ()
    """Variables that a managed engine host gets of the router's environment, beside those of
    `core.engine_environment`."""
    api_key: SecretStr | None = None
    connect_s: float = Field(default=2.0, gt=0)
    ttft_s: float = Field(default=60.0, gt=0)
    stall_s: float = Field(default=60.0, gt=0)
    total_s: float = Field(default=300.0, gt=0)
    capabilities: frozenset[str] | None = None
    """What the local model can do; it is no last resort for a request that needs more. None = unknown, and tried."""
    context_tokens: int | None = Field(default=None, gt=0)
    """Its context window, likewise."""

    @model_validator(mode="after")
    def _one_of(self) -> LocalConfig:
        if self.url is not None and self.managed is not None:
            raise ValueError("give either 'url' (a running engine host) or 'managed' (one to start), not both")
        if self.replicas and self.url is None:
            raise ValueError("'replicas' stand beside the engine host at 'url': give that too")
        if self.url is None and self.managed is None and self.model_fields_set:
            raise ValueError("give 'url' (a running engine host) or 'managed' (one to start); `local: null` for none")
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
    quality: float | None = Field(default=None, ge=0, le=1)
    """How good its answers are, by your own measure; strategies that look at quality need it."""
    concurrency: int | None = Field(default=None, ge=1)
    """Attempts that may be under way there at a time; further ones wait; null = without limit."""
    queue: int = Field(default=100, ge=0)
    """Requests that may wait for one of its places; one more goes on to the next target."""
    queue_s: float = Field(default=2.0, ge=0)
    """How long one may wait, before it goes on to the next target."""


class PluginConfig(BaseModel):
    """A plug-in's row, or its kind alone; the keys beside `kind` are the `Config` of the kind."""

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: str

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return {"kind": value} if isinstance(value, str) else value

    def __str__(self) -> str:
        return self.kind


class CascadeConfig(Section):
    """A cheap model answers first; where a gate turns its answer down, the next model is asked."""

    gates: tuple[PluginConfig, ...] = Field(min_length=1)
    """Plug-ins of `router/execution/gates/`; all of them must accept the answer."""
    escalations: int = Field(default=1, ge=1)
    """How many times another model is asked."""
    max_bytes: int = Field(default=8 * 1024 * 1024, ge=1)
    """Of an answer that is held for the gates; one that grows larger is accepted unseen."""


Strategy = PluginConfig | tuple[PluginConfig, ...]
"""One stage, or several: each may leave candidates out, and the first that tells two apart orders them."""


class ModelConfig(Section):
    """A model group: the name that clients use, and who answers to it."""

    deployments: tuple[DeploymentConfig, ...] = Field(min_length=1)
    fallbacks: tuple[str, ...] = ()
    """Groups that stand in when no deployment of this one answers."""
    context_fallbacks: tuple[str, ...] = ()
    """Groups that are asked, before the others, when a request is too long for this one."""
    content_fallbacks: tuple[str, ...] = ()
    """Groups that are asked when the provider's content filter refuses; without them that is the answer."""
    strategy: Strategy = PluginConfig(kind="weighted")
    cascade: CascadeConfig | None = None
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
    language: str | None = Field(default=None, pattern="^[a-z]{2}$")
    """Two-letter code of the language that the newest message is written in."""
    session: bool | None = None
    """Whether the request goes on a conversation that was answered before."""
    between: tuple[time, time] | None = None
    """From and until when in the day it holds; over midnight where the second is the earlier."""
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = ()
    timezone: str = "UTC"
    """Of `between` and `days`."""


class AutoConfig(Section):
    """What `model: auto` means when a request may leave."""

    strategy: Strategy = PluginConfig(kind="cost")
    among: tuple[str, ...] = ()
    """Model groups to choose from; empty = all."""
    rules: tuple[RouteRule, ...] = ()
    options: dict[str, Any] = {}
    """The settings of a strategy that is given by its kind alone."""
    cascade: CascadeConfig | None = None


class BreakerConfig(Section):
    """When a deployment is left alone, and for how long."""

    failures: int = Field(default=5, ge=1)
    """Failures in a row that open it."""
    cooldown_s: float = Field(default=10.0, gt=0)
    """How long the first time; twice as long each time that the probe fails, up to `max_cooldown_s`."""
    max_cooldown_s: float = Field(default=120.0, gt=0)
    error_ratio: float = Field(default=0.5, gt=0, le=1)
    """Share of failures that opens it too, where there are `health.min_attempts` attempts in the window."""


class HealthConfig(Section):
    """Over how long a deployment's health is measured, and when traffic leaves it before it fails."""

    window_s: float = Field(default=120.0, gt=0)
    min_attempts: int = Field(default=20, ge=1)
    """With fewer attempts in the window, nothing is taken from a deployment."""
    degraded_error_ratio: float = Field(default=0.2, gt=0, le=1)
    """From this share of failures on, traffic leaves it step by step."""
    recovered_error_ratio: float = Field(default=0.05, ge=0, le=1)
    """Below this, it comes back step by step."""
    degraded_ttft_factor: float = Field(default=3.0, gt=1)
    """As `degraded_error_ratio`: its time to the first token is so many times what is usual for it."""
    min_traffic_ratio: float = Field(default=0.05, gt=0, le=1)
    """The share that it keeps, so that its recovery can be seen."""


class OfflineConfig(Section):
    """What happens when no cloud can be reached at all."""

    enabled: bool = True
    probe_s: float = Field(default=5.0, gt=0)
    """How often it is tried, without any user's text, whether a cloud can be reached again."""


class RetryConfig(Section):
    """How often and how soon the last target of a plan is tried again."""

    base_s: float = Field(default=0.1, gt=0)
    """The first pause is up to this long, each further one up to twice as long: chance decides how long exactly."""
    max_s: float = Field(default=5.0, gt=0)
    """No pause is longer, that which an upstream asks for included: what asks for more isn't tried again."""
    budget_ratio: float = Field(default=0.2, ge=0, le=1)
    """Retries may be this share of all requests, so that they don't add to an outage."""


class HedgeConfig(Section):
    """A second target is started when the first is later than it usually is; the first that answers is taken."""

    enabled: bool = False
    budget_ratio: float = Field(default=0.05, gt=0, le=1)
    """Hedges may be this share of all requests."""
    min_ms: float = Field(default=50.0, ge=0)
    """Nothing is hedged before this."""


class CommitConfig(Section):
    """How long the first pieces of a stream are held back until it has proved itself: until then another target may step in."""

    events: int = Field(default=1, ge=1)
    """Pieces with content that must have come."""
    within_ms: float = Field(default=1000.0, ge=0)
    """After so long since the first piece it is let through anyway."""


class RoutingConfig(Section):
    """How a request that may leave finds its deployment."""

    auto: AutoConfig = AutoConfig()
    ttft_s: float = Field(default=30.0, gt=0)
    stall_s: float = Field(default=60.0, gt=0)
    """The longest pause between two pieces of a stream."""
    total_s: float = Field(default=300.0, gt=0)
    retries: int = Field(default=1, ge=0, le=5)
    retry: RetryConfig = RetryConfig()
    hedge: HedgeConfig = HedgeConfig()
    commit: CommitConfig = CommitConfig()
    breaker: BreakerConfig = BreakerConfig()
    health: HealthConfig = HealthConfig()
    offline: OfflineConfig = OfflineConfig()
    session_ttl_s: float = Field(default=3600.0, gt=0)
    """How long it is remembered which deployment answered a conversation last."""
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


class RecordConfig(Section):
    """Where decision records go."""

    path: Path = Path("var")
    sinks: tuple[PluginConfig, ...] = (PluginConfig(kind="jsonl"),)


class LedgerConfig(Section):
    """Where spending and stored keys are kept."""

    enabled: bool = True
    url: SecretStr | None = None
    """A database, such as `postgresql://user@host/name`; null = an SQLite file in `record.path`."""
    refresh_s: float = Field(default=5.0, gt=0)
    """How often what other routers spent, and keys that were made or revoked, are read."""
    max_waiting: int = Field(default=100_000, ge=1)
    """Rows (by hour, key, model and target) that wait in memory while the store is down."""
    default_max_tokens: int = Field(default=4096, ge=1)
    """The longest answer for a key with a budget whose request sets no limit: what isn't limited can't be set aside."""


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
    ledger: LedgerConfig = LedgerConfig()
    responses: ResponsesConfig = ResponsesConfig()
