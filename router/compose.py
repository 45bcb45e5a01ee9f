"""Wires a validated configuration to running parts; the only place that knows all of them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Set
from functools import cache

import msgspec
from pydantic import BaseModel

from router import strategy_setup
from router.accounts import Accounts
from router.canaries import Canaries
from router.circumstances import Circumstances
from router.config.load import Loc, Source, parse
from router.config.schema import CascadeConfig, DeploymentConfig, PluginConfig, ProviderConfig, RouterConfig
from router.core.errors import ConfigError
from router.core.plugin import load as load_plugin
from router.core.ports import Provider, Sink, SinkDeps
from router.core.types import Budget, Candidate, Dialect, Target
from router.directory import AdapterDirectory
from router.execution.cascade import Cascade
from router.execution.executor import Executor
from router.execution.gates import Gate, GateDeps
from router.execution.health import HealthMonitor
from router.execution.slots import Slots, limits
from router.execution.stickiness import Stickiness
from router.pipeline import Pipeline
from router.policy.groups import group_actions
from router.policy.judge import Judge
from router.privacy.scanner import Scanner
from router.privacy.scanner import validate as validate_privacy
from router.providers import _embedder as embedding
from router.providers._counter import NAME as COUNTER
from router.providers._counter import TARGET as COUNTER_TARGET
from router.providers._counter import Counter
from router.providers._http import host_of, is_loopback
from router.providers.local import ENGINE, EngineHost
from router.providers.local import NAME as LOCAL
from router.record.databases import StoreDown, check_url
from router.record.feedback import FeedbackBook
from router.record.ledger import Ledger, known_keys
from router.record.metrics import Metrics
from router.record.pricing import Tariff, listed
from router.record.recent import Recent
from router.record.recorder import Recorder
from router.record.store import store_of
from router.response_store import ResponseStore
from router.routing.canary import Terms
from router.routing.candidates import AUTO, Group, local_target
from router.routing.language import LanguageDetector
from router.routing.planner import Planner
from router.routing.strategies.canary import Canary
from router.runtime import Runtime
from router.secret_file import FILE as SECRET
from router.secret_file import load_secret
from sona.embedder import OnnxEmbedder, is_installed, load_embedder
from sona.selector import Selector
from sona.static_table import load_static_table

_RESERVED = {
    LOCAL: "the engine host",
    embedding.NAME: "the router's own embedding model",
    COUNTER: "what counts tokens here",
}
"""Names that no provider may have, and whose they are."""

_PLACES = ("base_url", "location", "project", "region")
"""Options of providers that say where requests go."""


def check(config: RouterConfig, source: Source) -> None:
    """Check what no schema can: names that refer to each other, plug-ins and their options, open doors.

    Raises:
        ConfigError: the first thing that is wrong, with its line.
    """
    _check_server(config, source)
    strategy_setup.check(config, source, _RESERVED)
    _check_urls(config, source)
    _cascades(config, source)
    _check_sinks(config, source)
    try:
        validate_privacy(config.privacy)
    except ConfigError as error:
        raise source.error(("privacy",), error.message) from None


def build(config: RouterConfig, source: Source, *, engine: EngineHost | None, records: bool = True) -> Runtime:
    """Build a runtime; opens no connection and starts no process yet.

    `engine` is the engine host to use, where there is one. `records=False` writes no decision records.

    Raises:
        ConfigError: as `check`.
    """
    check(config, source)
    kept = _sinks(config, source) if records else {}
    secret = _secret(config, source, records=records)
    planning = plan_with(config, source, engine.dialects if engine is not None else ENGINE.dialects)
    embedder = cache(lambda: load_embedder(config.record.path / "sona"))
    providers: dict[str, Provider] = {
        **planning.clouds,
        embedding.NAME: embedding.InProcess(embedder),
        COUNTER: Counter(),
    }
    if engine is not None:
        providers[LOCAL] = engine
    routing, slots = config.routing, Slots(limits(config.models))
    health = HealthMonitor(routing.breaker, routing.health, routing.offline, planning.clouds, queued=slots.queued)
    detector = cache(LanguageDetector)
    selector = _selector(config, embedder) if engine is not None and config.sona.enabled else None
    directory = AdapterDirectory(selector, load_detector=detector)
    scanner = Scanner(config.privacy, config.record.path / "scan")
    executor = Executor(
        providers,
        health,
        directory,
        routing,
        slots=slots,
        cascades=_cascades(config, source),
        engine=local_target() if engine is not None else None,
    )
    planner = planning.planner
    canaries = Canaries(_trials(planner), config.record.path if records else None)
    judge = Judge(config.privacy, group_actions(config))
    circumstances = _circumstances(config, planner, canaries, secret, detector)
    metrics = Metrics()
    ledger = _ledger(config, secret) if records and config.ledger.enabled else None
    accounts = Accounts(ledger, metrics.rate_limited)
    recent = Recent()
    feedback = FeedbackBook(config.record.path if records else None, canaries.rate)
    sinks: dict[str, Sink] = {
        "metrics": metrics,
        "recent": recent,
        **({"canaries": canaries} if canaries.ratios else {}),
        "feedback": feedback,
        **kept,
    }
    return Runtime(
        config=config,
        scanner=scanner,
        planner=planner,
        pipeline=Pipeline(
            scanner, judge, planner, executor, directory, circumstances, accounts, config.ledger.default_max_tokens
        ),
        canaries=canaries,
        feedback=feedback,
        directory=directory,
        health=health,
        providers=providers,
        host=engine,
        recorder=Recorder(sinks),
        metrics=metrics,
        recent=recent,
        tariffs=planning.tariffs,
        disabled=planning.disabled,
        responses=ResponseStore(config.responses),
        accounts=accounts,
        ledger=ledger,
        secret=secret,
    )


class Planning(msgspec.Struct, frozen=True):
    """The planner of a configuration, and what it plans with."""

    planner: Planner
    clouds: Mapping[str, Provider]
    tariffs: Mapping[str, Tariff]
    """What the tokens of a target cost, by its label."""
    disabled: Mapping[str, str]
    """Providers that were left out, and why."""


def plan_with(config: RouterConfig, source: Source, local_dialects: Set[Dialect]) -> Planning:
    """Build the planner of a configuration that was checked; opens no connection."""
    clouds, disabled = _providers(config, source)
    tariffs: dict[str, Tariff] = {}
    planner = Planner(
        {name: _group(config, source, name, clouds, tariffs) for name in config.models},
        strategy_setup.auto_ranking(config, source),
        config.routing,
        config.local,
        local_dialects=local_dialects,
        own={embedding.MODEL: embedding.candidate()} if is_installed() else {},
        in_process={Dialect.COUNT_TOKENS: COUNTER_TARGET},
    )
    return Planning(planner, clouds, tariffs, disabled)


def _trials(planner: Planner) -> tuple[Terms, ...]:
    """The terms of all canaries that the configured strategies try."""
    strategies = (strategy for ranking in planner.rankings for strategy in ranking.strategies)
    return tuple(
        {strategy.terms.canary: strategy.terms for strategy in strategies if isinstance(strategy, Canary)}.values()
    )


def _secret(config: RouterConfig, source: Source, *, records: bool) -> bytes:
    """Read the installation's secret; where nothing is recorded none is made, and conversations get names for once."""
    folder = config.record.path
    if not records and not (folder / SECRET).exists():
        return secrets.token_bytes(32)
    try:
        return load_secret(folder)
    except ConfigError as error:
        raise source.error(("record", "path"), error.message) from None


def _circumstances(
    config: RouterConfig,
    planner: Planner,
    canaries: Canaries,
    secret: bytes,
    load_detector: Callable[[], LanguageDetector],
) -> Circumstances:
    """Make what finds out the features that strategies and rules ask for."""
    needs = planner.needs
    detector = load_detector() if "language" in needs else None
    return Circumstances(needs, secret, Stickiness(config.routing.session_ttl_s), canaries, detector)


def engine_host(config: RouterConfig) -> EngineHost | None:
    """The client of the engine host that the configuration names by `url`; None without one."""
    local = config.local
    if local is None or local.url is None:
        return None
    key = local.api_key.get_secret_value() if local.api_key else None
    return EngineHost((local.url, *local.replicas), key, connect_s=local.connect_s)


def _ledger(config: RouterConfig, secret: bytes) -> Ledger:
    """Make the ledger; its store is opened when it starts."""
    own, folder = config.ledger, config.record.path
    store = store_of(own.url, folder)
    return Ledger(store, folder, secret, refresh_s=own.refresh_s, max_waiting=own.max_waiting)


def _selector(config: RouterConfig, embedder: Callable[[], OnnxEmbedder]) -> Selector:
    """Load the embedder (built once, then kept beside the records) and make an empty selector."""
    encoder = embedder()
    static = load_static_table(encoder.token_ids)
    return Selector(encoder, min_confidence=config.sona.min_confidence, static=static)


def _check_server(config: RouterConfig, source: Source) -> None:
    server = config.server
    if not server.keys and not is_loopback(server.host) and not _has_stored_keys(config):
        message = (
            f"refusing to listen on {server.host} without keys: add 'server.keys', make some with `sona-router keys create`,"
            " or use 127.0.0.1"
        )
        raise source.error(("server", "host"), message)
    seen: set[str] = set()
    for index, key in enumerate(server.keys):
        if key.id in seen:
            raise source.error(("server", "keys", index, "id"), f"the id '{key.id}' stands twice")
        seen.add(key.id)
        if len(key.key.get_secret_value()) < 16:
            raise source.error(("server", "keys", index, "key"), "a key needs at least 16 characters")
        if key.limits.budget != Budget() and not config.ledger.enabled:
            message = "a budget needs the ledger, which counts what was spent: set 'ledger.enabled' to true"
            raise source.error(("server", "keys", index, "budget"), message)
    if config.ledger.enabled and config.ledger.url is not None:
        try:
            check_url(config.ledger.url.get_secret_value())
        except ConfigError as error:
            raise source.error(("ledger", "url"), error.message) from None


def _has_stored_keys(config: RouterConfig) -> bool:
    """Whether the ledger's store has keys, as far as is known here; it is asked itself only where nothing is known."""
    if not config.ledger.enabled:
        return False
    if known_keys(config.record.path):
        return True
    store = store_of(config.ledger.url, config.record.path)
    try:
        return bool(store.keys())
    except StoreDown:
        return False
    finally:
        store.close()


def _check_sinks(config: RouterConfig, source: Source) -> None:
    seen: set[str] = set()
    for index, sink in enumerate(config.record.sinks):
        if sink.kind in seen:
            raise source.error(("record", "sinks", index), f"the sink '{sink.kind}' stands twice")
        seen.add(sink.kind)
        _sink_config(config, source, index)


def _sink_config(config: RouterConfig, source: Source, index: int) -> BaseModel:
    row, loc = config.record.sinks[index], ("record", "sinks", index)
    module = strategy_setup.plugin(source, "router.record.sinks", row.kind, loc)
    return parse(source, module.Config, row.model_extra or {}, loc)


def _sinks(config: RouterConfig, source: Source) -> dict[str, Sink]:
    """Build the sinks by kind; opens their files."""
    deps = SinkDeps(folder=config.record.path, policy=policy_version(config))
    built: dict[str, Sink] = {}
    for index, row in enumerate(config.record.sinks):
        settings = _sink_config(config, source, index)
        try:
            built[row.kind] = load_plugin("router.record.sinks", row.kind).build(settings, deps)
        except ConfigError as error:
            raise source.error(("record", "sinks", index), error.message) from None
        except OSError as error:
            raise source.error(("record", "sinks", index), f"can't write there: {error}") from None
    return built


def policy_version(config: RouterConfig) -> str:
    """Hash all configuration that decides where a request may go. Holds no key of anybody."""
    facts = {
        **config.model_dump(mode="json", include={"privacy", "routing", "models"}),
        "keys": [key.model_dump(mode="json", exclude={"key"}) for key in config.server.keys],
        "providers": {
            name: {
                "kind": row.kind,
                "base_url": "",
                **{key: str(getattr(own, key)) for key in _PLACES if hasattr(own, key)},
            }
            for name, row, own in ((name, row, settings_of(row)) for name, row in config.providers.items())
        },
    }
    return hashlib.sha256(msgspec.json.encode(facts, order="sorted")).hexdigest()[:12]


def _provider_config(config: RouterConfig, source: Source, name: str) -> BaseModel:
    row = config.providers[name]
    if row.kind == LOCAL:
        raise source.error(("providers", name, "kind"), "the engine host isn't a provider row; set 'local.url'")
    module = strategy_setup.plugin(source, "router.providers", row.kind, ("providers", name, "kind"))
    return parse(source, module.Config, row.model_extra or {}, ("providers", name))


def _check_urls(config: RouterConfig, source: Source) -> None:
    """Check each provider's options, and that requests can be sent where it, or the engine host, is said to be."""
    urls: dict[Loc, object] = {}
    for name in config.providers:
        urls["providers", name, "base_url"] = getattr(_provider_config(config, source, name), "base_url", None)
    if config.local is not None:
        urls["local", "url"] = config.local.url
        urls |= {("local", "replicas", at): url for at, url in enumerate(config.local.replicas)}
    for loc, url in urls.items():
        try:
            if isinstance(url, str):
                host_of(url)
        except ConfigError as error:
            raise source.error(loc, error.message) from None


def _providers(config: RouterConfig, source: Source) -> tuple[dict[str, Provider], dict[str, str]]:
    """Build (providers by name, why others were left out)."""
    built: dict[str, Provider] = {}
    disabled: dict[str, str] = {}
    for name, row in config.providers.items():
        settings = _provider_config(config, source, name)
        if getattr(settings, "optional", False) and not _has_key(settings):
            disabled[name] = "it is optional and its key is not set"
            continue
        try:
            built[name] = load_plugin("router.providers", row.kind).build(settings, name)
        except ConfigError as error:
            raise source.error(("providers", name), error.message) from None
    return built, disabled


def _has_key(settings: BaseModel) -> bool:
    """Whether a provider can prove who calls; where a key or credentials alone don't tell, its settings say so."""
    given = any(getattr(settings, key, None) is not None for key in ("api_key", "credentials"))
    return bool(getattr(settings, "has_key", given))


def _group(
    config: RouterConfig, source: Source, name: str, providers: Mapping[str, Provider], tariffs: dict[str, Tariff]
) -> Group:
    """Build a model group of the deployments whose provider is there; note their tariffs by target label."""
    model = config.models[name]
    candidates: list[Candidate] = []
    for deployment in model.deployments:
        if deployment.provider not in providers:
            continue
        tariff, window = facts_of(config, deployment)
        candidate = _candidate(config, name, deployment, providers[deployment.provider], tariff, window)
        if tariff is not None:
            tariffs[candidate.target.label] = tariff
        candidates.append(candidate)
    return Group(
        name=name,
        candidates=tuple(candidates),
        ranking=strategy_setup.group_ranking(config, source, name),
        fallbacks=model.fallbacks,
        context_fallbacks=model.context_fallbacks,
        content_fallbacks=model.content_fallbacks,
        escalations=model.cascade.escalations if model.cascade is not None else 0,
    )


def settings_of(row: ProviderConfig) -> BaseModel:
    """Read a provider's row that was checked: its keys, and what its kind puts under those that aren't given."""
    return load_plugin("router.providers", row.kind).Config.model_validate(row.model_extra or {})


def facts_of(config: RouterConfig, deployment: DeploymentConfig) -> tuple[Tariff | None, int | None]:
    """Return (tariff, context window in tokens) of a deployment: the configuration's, else the price list's."""
    row = config.providers[deployment.provider]
    settings = settings_of(row)
    names = [getattr(settings, "prices", None), getattr(settings, "vendor", None), deployment.provider, row.kind]
    tariff, window = listed(
        deployment.model, tuple(name for name in names if name), getattr(settings, "base_url", None)
    )
    own = deployment.price
    return (tariff if own is None else Tariff(own.price)), deployment.context_tokens or window


def _candidate(
    config: RouterConfig,
    group: str,
    deployment: DeploymentConfig,
    provider: Provider,
    tariff: Tariff | None,
    window: int | None,
) -> Candidate:
    row = config.providers[deployment.provider]
    kind = load_plugin("router.providers", row.kind)
    known = getattr(settings_of(row), "capabilities", None) or getattr(kind, "CAPABILITIES", None)
    target = Target(
        group=group,
        deployment=f"{deployment.provider}/{deployment.model}",
        provider=deployment.provider,
        upstream_model=deployment.model,
        locality=deployment.locality.level,
    )
    return Candidate(
        target=target,
        price=tariff.price() if tariff is not None else None,
        weight=deployment.weight,
        quality=deployment.quality,
        context_tokens=window,
        capabilities=deployment.capabilities or known,
        dialects=frozenset(provider.dialects),
    )


def _cascades(config: RouterConfig, source: Source) -> dict[str, Cascade]:
    """Build the cascades by what plans call them: a model group's name, or `auto`."""
    rows: dict[str, tuple[CascadeConfig | None, tuple[str | int, ...]]] = {
        name: (model.cascade, ("models", name, "cascade", "gates")) for name, model in config.models.items()
    }
    rows[AUTO] = (config.routing.auto.cascade, ("routing", "auto", "cascade", "gates"))
    deps = GateDeps(has_engine=config.local is not None and (config.local.url or config.local.managed) is not None)
    return {
        name: Cascade(
            *(_gate(source, row, (*loc, index), deps) for index, row in enumerate(cascade.gates)),
            most_bytes=cascade.max_bytes,
        )
        for name, (cascade, loc) in rows.items()
        if cascade is not None
    }


def _gate(source: Source, row: PluginConfig, loc: tuple[str | int, ...], deps: GateDeps) -> tuple[str, Gate]:
    module = strategy_setup.plugin(source, "router.execution.gates", row.kind, loc)
    settings = parse(source, module.Config, row.model_extra or {}, loc)
    try:
        return row.kind, module.build(settings, deps)
    except ConfigError as error:
        raise source.error(loc, error.message) from None
