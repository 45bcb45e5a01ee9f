"""The frozen values that pass between the stages of the pipeline; no behaviour beyond cheap derivations.

A request flows `Request -> ScanReport -> Verdict -> Plan -> Cleared (per attempt) -> Delta -> Outcome`.
No type in this module but `Request`, `Cleared` and `Delta` can hold prompt or answer text, so nothing
made of the others (logs, metrics, decision records) can leak any.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from enum import Enum, IntEnum
from typing import TypeAlias

import msgspec

from router.core.adapters import Selection

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, JsonValue]


class Locality(IntEnum):
    """How far a request may travel, or how far away a target is; a target needs `target <= verdict`."""

    LOCAL = 0
    REGION = 1
    ANY = 2


class Sensitivity(IntEnum):
    """How sensitive a request's content is, least first."""

    PUBLIC = 0
    INTERNAL = 1
    CONFIDENTIAL = 2
    RESTRICTED = 3


class ScanStatus(Enum):
    """Whether the scan read everything. Anything but COMPLETE means the request stays local."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"


class Masking(Enum):
    """What is done to sensitive spans before a request leaves."""

    NONE = "none"
    PLACEHOLDER = "placeholder"


class Dialect(Enum):
    """Which API a body or an answer is written for. CHAT is the one inside: what differs is translated to and from it.

    The value names the module in `router.wire.inbound` that knows the dialect as callers speak it.
    """

    CHAT = "chat"
    """OpenAI's chat completions."""
    COMPLETIONS = "completions"
    """OpenAI's older completions of one prompt."""
    EMBEDDINGS = "embeddings"
    """OpenAI's embeddings."""
    RESPONSES = "responses"
    """OpenAI's responses."""
    MESSAGES = "messages"
    """Anthropic's messages."""
    COUNT_TOKENS = "count_tokens"
    """Anthropic's count of a messages request's tokens."""


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars that may be spent in a calendar day, week (from Monday) and month, in UTC; None = without limit."""

    day_usd: Decimal | None = None
    week_usd: Decimal | None = None
    month_usd: Decimal | None = None


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one key may ask for; None = without limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    """Of prompts and answers together."""
    concurrency: int | None = None
    """Requests under way at a time."""
    budget: Budget = Budget()


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls: one API key (or the anonymous loopback caller) and what it may do."""

    id: str
    tenant: str = "default"
    allowed_models: tuple[str, ...] | None = None
    """Model names this key may ask for; None = all."""
    max_locality: Locality = Locality.ANY
    on_sensitive: str | None = None
    """Overrides `privacy.on_sensitive` for this key: local, mask or block."""
    admin: bool = False
    """Whether it may change adapters, and see those of all tenants."""
    limits: Limits = Limits()


class Hints(msgspec.Struct, frozen=True, kw_only=True):
    """Wishes from `x-router-*` request headers; they may narrow a decision, never widen it."""

    task: str | None = None
    tier: str | None = None
    session: str | None = None
    max_cost_usd: Decimal | None = None
    max_latency_ms: float | None = None
    locality: Locality | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One decoded request.

    `body` is the caller's whole decoded JSON object in the caller's dialect, unknown fields included. It is the
    only source of what is scanned and of what is sent, so the two can't differ. Nobody changes it in place.
    """

    id: str
    principal: Principal
    model: str
    body: JsonObject
    stream: bool
    hints: Hints
    deadline_s: float
    """Monotonic time (see `core.clock`) at which the whole request must be over."""
    dialect: Dialect = Dialect.CHAT
    headers: tuple[tuple[str, str], ...] = ()
    """Headers that travel on to an upstream of the same dialect, unscanned; of a fixed shape that has no place for text."""
    conversation: str | None = None
    """What the router calls the chain of stored answers that this request continues or begins; None = there is none."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One sensitive span: where it is and what it is. Never the matched text."""

    entity: str
    path: tuple[str | int, ...]
    """Keys and indexes from the body's root to the string leaf, e.g. `("messages", 0, "content")`."""
    start: int
    end: int
    """Character offsets in the leaf, end exclusive."""
    score: float
    recognizer: str
    in_key: bool = False
    """Whether it lies in the last key of the path, not in the value there; the offsets are then the key's."""


class ScanReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the scan saw. `sensitivity` is RESTRICTED whenever `status` is not COMPLETE."""

    status: ScanStatus
    sensitivity: Sensitivity
    findings: tuple[Finding, ...] = ()
    scanned_chars: int = 0
    scanned_bytes: int = 0
    """Of the texts and keys that were read, as UTF-8."""
    leaves: int = 0
    """How many texts were read."""
    elapsed_ms: float = 0.0
    reason: str = ""
    """Why it isn't COMPLETE: `deadline`, `worker_died`, `worker_error`, `overloaded`, `oversize`, `unreadable:<what>`…"""
    ruleset: str = ""
    """Version (hash) of the recognizers and thresholds that were used."""

    @property
    def entities(self) -> tuple[str, ...]:
        """Entity types found, sorted, each once."""
        return tuple(sorted({finding.entity for finding in self.findings}))

    @property
    def entity_counts(self) -> tuple[tuple[str, int], ...]:
        """How many findings there are of each entity type, sorted by type."""
        return tuple(sorted(Counter(finding.entity for finding in self.findings).items()))


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The hard limit that policy sets: how far the request may go, masked how, and which rule said so."""

    max_locality: Locality
    masking: Masking
    rule_id: str
    reason: str
    sensitivity: Sensitivity


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars for one million tokens. What is None has no price of its own: see `record.pricing`."""

    input_usd: Decimal
    output_usd: Decimal | None
    """None = it makes no text: its answers are vectors."""
    cached_input_usd: Decimal | None = None
    cache_write_usd: Decimal | None = None
    reasoning_usd: Decimal | None = None
    audio_input_usd: Decimal | None = None
    audio_output_usd: Decimal | None = None


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One place a request can be sent to: a deployment and, for the local engine, an adapter."""

    group: str
    """Model group the client asked for, or `local`."""
    deployment: str
    """Unique name, `<provider>/<upstream model>`; key of breaker and health."""
    provider: str
    upstream_model: str
    locality: Locality
    adapter: str | None = None
    """`<name>@<version>` on the local engine; None = base model."""
    select_adapter: bool = False
    """True while SONA still has to choose the adapter; resolved just before the attempt."""

    @property
    def label(self) -> str:
        """The value of `x-router-target`."""
        if self.provider == "local":
            return f"local/{self.adapter or 'base'}"
        if self.locality is Locality.LOCAL:
            return self.upstream_model
        return f"{self.provider}/{self.upstream_model}"


class BreakerState(Enum):
    """State of a deployment's circuit breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Health(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What recent attempts say about a deployment; what isn't known is None."""

    state: BreakerState = BreakerState.CLOSED
    available: bool = True
    """False while nothing may be sent there: its breaker is open, another request is the probe, or it said that its rate
    limit is used up."""
    unavailable: str = ""
    """Why not, as a code: `breaker_open`, `rate_limited`; empty = it is available."""
    traffic_ratio: float = 1.0
    """Share of its traffic that it should get, 0..1: less while it degrades and while it comes back."""
    error_ratio: float = 0.0
    """Moving average of the share of attempts that failed by its fault."""
    ttft_ms: float | None = None
    """Peak-sensitive moving average of the time to the first piece of an answer, whole answers included; decays with time."""
    ttft_p50_ms: float | None = None
    ttft_p95_ms: float | None = None
    elapsed_p50_ms: float | None = None
    elapsed_p95_ms: float | None = None
    in_flight: int = 0
    """Attempts under way."""
    queued: int = 0
    """Requests that wait for one of its places."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A target plus the facts a strategy ranks by. Unknown facts are None, never 0."""

    target: Target
    price: Price | None = None
    weight: float = 1.0
    quality: float | None = None
    """How good its answers are, 0..1, as the configuration says."""
    order: int = 0
    """Its place in the configuration, among the candidates that are ranked together."""
    context_tokens: int | None = None
    capabilities: frozenset[str] | None = None
    dialects: frozenset[Dialect] = frozenset({Dialect.CHAT})
    """What its provider takes as it is."""
    health: Health = Health()
    traffic_ratio: float | None = None
    """Share of traffic that it gets as a canary, 0..1; None = it is none."""


class Features(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a strategy may know of the request and its caller; computed in this process, holds no text."""

    input_tokens: int
    max_input_tokens: int | None = None
    """The most that the prompt may turn out to have, where a budget must hold; None = `input_tokens` will do."""
    max_output_tokens: int | None = None
    """Of one of its answers."""
    choices: int = 1
    """How many answers are asked for."""
    needs: frozenset[str] = frozenset()
    """Capabilities the request uses: `tools`, `vision`, `audio`, `files`, `json_schema`, `json_object`, `logprobs`, `n`,
    `web_search`."""
    task: str | None = None
    tier: str | None = None
    language: str | None = None
    """Two-letter code of the newest message's language, where a rule asks for it and it could be told."""
    tenant: str = "default"
    key: str = ""
    """Id of the caller's key."""
    session: str | None = None
    """Keyed hash that names the conversation: of `x-router-session`, else of how it begins."""
    stuck: str | None = None
    """The deployment that answered this conversation last."""
    stream: bool = False
    native: Dialect | None = None
    """The only dialect that can say what the request asks for; None = it can be translated."""
    untranslatable: tuple[str, ...] = ()
    """What of it can't be translated: names of fields, no text."""
    dialect: Dialect = Dialect.CHAT
    """The dialect it came in."""
    bound: bool = False
    """Only the model that was asked for can answer: nothing chooses another, and nothing stands in for it."""
    max_cost_usd: Decimal | None = None
    """The most that this request may cost: what the caller said, and what its budgets leave."""
    max_latency_ms: float | None = None
    """How long the caller wants to wait at most."""


class PlanInputs(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that a plan depends on beside the configuration. No text: records keep it, and the plan can be made again."""

    model: str
    """The model asked for."""
    named: Target | None = None
    """The local target that this name means, if it means one."""
    verdict: Verdict
    features: Features
    seed: float
    """Uniform in [0, 1): the only source of chance in a plan."""
    time_unix_s: float
    online_ratio: float = 1.0
    """Share of the traffic that may leave, 0..1: 0 while no cloud at all can be reached, more by steps once one can."""
    health: dict[str, Health] = {}
    """Of the deployments that were looked at, by name; those that aren't named were never called."""
    canaries: dict[str, float] = {}
    """Share of traffic that each model group, or deployment, gets which is a canary."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a plan."""

    target: Target
    context_tokens: int | None = None
    """The target's context window, where it is known."""
    retries: int = 0
    ttft_s: float
    stall_s: float = 60.0
    """The longest pause between two pieces of a stream."""
    total_s: float
    after: str | None = None
    """Code of the error that this step is for (`context_length_exceeded`, `content_filter`); None = for any that lets
    another target try."""
    gated: bool = False
    """Whether its answer must pass the plan's gates, or else the next model is asked."""
    hedge_after_ms: float | None = None
    """Start the next step too when there is no answer after so long; None = wait."""


class Considered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One candidate as the plan saw it."""

    deployment: str
    group: str
    scores: tuple[float, ...] = ()
    """One of each stage of the strategy, higher is better; the first that differs decides."""
    cost_usd: Decimal | None = None
    """What the request is expected to cost there."""
    excluded: str = ""
    """Why it isn't in the plan, or only as a last resort, as a code; empty = it is."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Ordered steps; the first is the choice, the others are fallbacks."""

    steps: tuple[Step, ...]
    reason: str
    """The value of `x-router-reason` as long as the first step answers."""
    strategy: str
    """The stages' kinds, joined by `+`."""
    rule: str | None = None
    """The rule of `routing.auto` that applied."""
    considered: tuple[Considered, ...] = ()
    """Every candidate, best first, those that are left out last."""
    cascade: str | None = None
    """Whose gates the gated steps' answers must pass: a model group's name, or `auto`."""
    reserve_usd: Decimal | None = None
    """The most that the plan is expected to cost; None = unknown."""


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """Permission for one request to go to one target. Built by `router.policy.clearance.clear` alone.

    `body` is what may be sent: the scanned body itself, or its masked copy.
    """

    request_id: str
    body: JsonObject
    stream: bool
    target: Target
    rule_id: str
    ruleset: str
    dialect: Dialect = Dialect.CHAT
    """The dialect of `body`, and of the answer that is wanted."""
    headers: tuple[tuple[str, str], ...] = ()
    """See `Request.headers`; empty where the body was translated."""
    dropped: tuple[str, ...] = ()
    """Tuning knobs that the translation left out."""
    translated: bool = False
    """Whether `body` was translated into chat: it may then hold what only chat inside knows, such as `cache_control`."""
    leaves: int
    """How many texts the scan read, and their length as UTF-8: what was cleared is what was scanned."""
    scanned_bytes: int
    tenant: str = ""
    """Whose request it is. Only the engine host, which keeps tenants apart and shares its turns among them, is told."""
    isolated: bool = False
    """Whether something was found in it: then no cache of a target may share anything of it with another tenant."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Token counts as the upstream reported them; all but the first two are parts of one of those."""

    input_tokens: int = 0
    """All of the prompt: read from a cache, written to one, and neither."""
    output_tokens: int = 0
    """All of the answer, reasoning included."""
    cached_input_tokens: int = 0
    """Of the input: read from the upstream's prompt cache."""
    reasoning_tokens: int = 0
    """Of the output."""
    cache_write_tokens: int = 0
    """Of the input: written to the upstream's prompt cache."""
    long_cache_write_tokens: int = 0
    """Of those written to a cache: to one that lasts an hour, which costs more."""
    audio_input_tokens: int = 0
    """Of the input."""
    audio_output_tokens: int = 0
    """Of the output."""


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of an answer, in the dialect that its clearance names: a whole one, or one event of a stream.

    `payload` is its JSON as bytes; where the upstream speaks that dialect, the bytes it sent.
    """

    payload: bytes
    dialect: Dialect = Dialect.CHAT
    event: bytes | None = None
    """Name of the stream's event, in dialects that name them."""
    usage: Usage | None = None
    finish_reason: str | None = None
    chars: int = 0
    """Length of what a piece of a stream says, where that is cheap to know."""
    usage_only: bool = False
    """A chunk that holds no choice, only usage; left out for a caller that didn't ask for it."""
    content: bool = True
    """Whether it holds something of the answer itself; False where it is known only to begin or to frame one."""
    dropped: tuple[str, ...] = ()
    """On the first delta of an answer: tuning knobs that the target has no counterpart for, and so didn't get."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One actual try: where, how long, what came of it."""

    target: str
    group: str = ""
    """The target's model group."""
    locality: Locality
    elapsed_ms: float
    """Since it was sent, as `ttft_ms`; the time before, in which it waited for a place, is `queue_ms`."""
    ttft_ms: float | None = None
    error_code: str | None = None
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    sent: bool = True
    """False = it ended before anything could leave: clearance or breaker refused it."""
    masked: bool = False
    """Whether the copy with placeholders was sent."""
    queue_ms: float = 0.0
    """How long it waited for one of the deployment's places."""
    estimated: bool = False
    """Whether `usage` is our estimate: the answer was cut off before the upstream told."""
    pieces: int = 0
    """Pieces of its answer that came, those with nothing but usage left out."""
    chars: int = 0
    """Length of what they said, where the provider tells: see `Delta.chars`."""
    reached: bool = True
    """False = no connection to the upstream could be made."""
    gate: str | None = None
    """The gate that turned its answer down."""
    hedge: bool = False
    """Whether it was started because another was late."""
    question: bool = False
    """Whether it asked a gate's question about an answer, of the engine here: it isn't a try of the request."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a request, for records. It has no field that could hold text of prompt or answer."""

    request_id: str
    decision_id: str
    time_unix_s: float
    principal_id: str
    tenant: str
    model: str
    """The model asked for, once it is known to be one; before, it is only a caller's text."""
    stream: bool
    sensitivity: Sensitivity | None
    entities: tuple[str, ...]
    entity_counts: tuple[tuple[str, int], ...]
    """(entity type, findings of it)."""
    scan_status: ScanStatus | None
    scan_reason: str
    scan_ms: float
    scanned_chars: int
    scanned_bytes: int
    leaves: int
    """How many texts the scan read."""
    ruleset: str
    """Version (hash) of the recognizers and thresholds that were used; empty = nothing was scanned."""
    rule_id: str
    locality: Locality | None
    masked: bool
    target: str
    """Label of the target that was last called or resolved; empty = none."""
    reason: str
    strategy: str
    considered: tuple[Considered, ...]
    planned: tuple[str, ...]
    """Labels of the plan's targets in order; the adapter that SONA had yet to choose is not in them."""
    planned_reason: str
    """Why the first of them stands there."""
    inputs: PlanInputs | None
    """What the plan was made from: it can be made again, under another configuration too."""
    session_is_local: bool
    """Whether its conversation held something before that must stay local."""
    narrowed_to: Locality | None
    """What the caller's own hint said."""
    selection: Selection | None
    attempts: tuple[Attempt, ...]
    status: int
    error_code: str | None
    blame: str | None
    """Whose fault an error was: caller, policy, provider, engine or router."""
    overhead_ms: float
    ttft_ms: float | None
    elapsed_ms: float
    usage: Usage | None
    cost_usd: Decimal | None
    cost_estimated: bool
    """Whether a part of the cost is our estimate."""
    client_gone: bool


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller said of an answer of its own."""

    decision_id: str
    time_unix_s: float
    principal_id: str
    group: str
    """Model group and label of the target that answered."""
    target: str
    score: float
    """0 (useless) to 1 (right)."""
