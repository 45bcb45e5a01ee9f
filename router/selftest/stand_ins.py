"""The user's configuration with the world beyond the router replaced: mocks for hosts, made-up keys, a folder of its own.

Everything that decides stays as it is: policy, keys' rules, recognizers, limits of the scan, groups, strategies, prices.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from router import compose
from router.config.load import SECRETS, Loc, Source, load, without_secrets
from router.config.schema import DeploymentConfig, LocalConfig, PriceConfig, ProviderConfig, RouterConfig
from router.core.types import JsonValue
from router.selftest.canaries import Eye, strings
from router.selftest.cases import Caller
from router.selftest.dialects import AsksAnotherHost, dialect
from router.selftest.mock_server import Cloud, LocalEngine

FIRST_S, TOTAL_S, DEADLINE_S, COOLDOWN_S, PROBE_S = 0.8, 1.0, 8.0, 0.3, 0.05
"""Upper bounds of the configuration's clocks here: a cloud that hangs must not cost minutes."""


class StandIns(msgspec.Struct, frozen=True):
    """The mocks of one configuration."""

    clouds: Mapping[str, Cloud]
    engine: LocalEngine | None
    """None where the configuration has no local engine, or the real one is used."""

    async def start(self) -> None:
        """Listen."""
        for mock in (*self.clouds.values(), *((self.engine,) if self.engine else ())):
            await mock.start()

    async def stop(self) -> None:
        """End them all."""
        for mock in (*self.clouds.values(), *((self.engine,) if self.engine else ())):
            await mock.stop()


def load_without_secrets(file: Path, *, real_engine: bool) -> tuple[RouterConfig, Source]:
    """Load a configuration with a made-up key in the place of every secret; only a real engine's is read.

    Raises:
        ConfigError: as `load`.
    """

    def made_up(loc: Loc) -> str | None:
        return None if real_engine and loc[:1] == ("local",) else without_secrets(loc)

    return load(file, made_up)


def stand_ins(config: RouterConfig, eye: Eye, chance: random.Random, *, real_engine: bool) -> StandIns:
    """Make the mocks that a configuration needs; none listens yet."""
    clouds = {name: Cloud(name, dialect(row.kind), eye, chance) for name, row in config.providers.items()}
    return StandIns(clouds, LocalEngine(chance) if has_engine(config) and not real_engine else None)


def has_engine(config: RouterConfig) -> bool:
    """Say whether a configuration has a local engine."""
    local = config.local
    return local is not None and (local.url is not None or local.managed is not None)


def redirected(config: RouterConfig, source: Source, mocks: StandIns, folder: Path) -> RouterConfig:
    """Point a configuration at mocks that listen, and its records at `folder`.

    Raises:
        ConfigError: a provider names a host that no mock can replace.
    """
    local = config.local
    if local is not None and mocks.engine is not None:
        local = _hurried(local.model_copy(update={"url": mocks.engine.url, "managed": None, "api_key": None}))
    routing, server = config.routing, config.server
    breaker = routing.breaker
    clocks = {
        "ttft_s": min(routing.ttft_s, FIRST_S),
        "total_s": min(routing.total_s, TOTAL_S),
        "breaker": breaker.model_copy(
            update={name: min(getattr(breaker, name), COOLDOWN_S) for name in ("cooldown_s", "max_cooldown_s")}
        ),
        "offline": routing.offline.model_copy(update={"probe_s": min(routing.offline.probe_s, PROBE_S)}),
    }
    changes = {
        "local": local,
        "providers": {name: _provider(config, source, name, cloud) for name, cloud in mocks.clouds.items()},
        "models": {
            name: group.model_copy(update={"deployments": tuple(_priced(config, one) for one in group.deployments)})
            for name, group in config.models.items()
        },
        "routing": routing.model_copy(update=clocks),
        "server": server.model_copy(
            update={"host": "127.0.0.1", "port": 0, "deadline_s": min(server.deadline_s, DEADLINE_S)}
        ),
        # The mock engine has no adapters, so there is nothing to select.
        "sona": config.sona if mocks.engine is None else config.sona.model_copy(update={"enabled": False}),
        "record": config.record.model_copy(update={"path": folder}),
    }
    return config.model_copy(update=changes)


def callers(config: RouterConfig) -> tuple[Caller, ...]:
    """List who may call: every key with the models that it may ask for and that exist here."""
    known = ("auto", *config.models, *(("local",) if has_engine(config) else ()))
    if not config.server.keys:
        return (Caller(id="anonymous", models=known),)
    return tuple(
        Caller(
            id=key.id,
            token=key.key.get_secret_value(),
            models=known if key.models is None else tuple(name for name in known if name in key.models),
        )
        for key in config.server.keys
    )


def _hurried(local: LocalConfig) -> LocalConfig:
    return local.model_copy(update={"ttft_s": min(local.ttft_s, FIRST_S), "total_s": min(local.total_s, TOTAL_S)})


def _provider(config: RouterConfig, source: Source, name: str, cloud: Cloud) -> ProviderConfig:
    """Point one provider row at its mock. The path is kept, so that what is sent stays what it was."""
    row = config.providers[name]
    options: dict[str, JsonValue] = dict(row.model_extra or {})
    path = urlsplit(str(options.get("base_url") or getattr(compose.settings_of(row), "base_url", None) or "")).path
    options = {**options, "base_url": cloud.url + path}
    spoken = dialect(row.kind)
    if isinstance(spoken, AsksAnotherHost):
        options = spoken.redirected(options, cloud.url)
    for text in strings({key: value for key, value in options.items() if key not in (*SECRETS, "headers")}):
        if "://" in text and not text.startswith(cloud.url):
            message = "beside base_url it names a host that the self-test can't replace, and won't call"
            raise source.error(("providers", name), message)
    return ProviderConfig.model_validate({**options, "kind": row.kind})


def _priced(config: RouterConfig, deployment: DeploymentConfig) -> DeploymentConfig:
    """Write the list price of the real provider into a deployment: it can't be found by a mock's address."""
    row = config.providers.get(deployment.provider)
    if row is None or deployment.price is not None:
        return deployment
    tariff, window = compose.facts_of(config, deployment)
    price = tariff.price() if tariff is not None else None
    own = PriceConfig.of(price) if price is not None and price.output_usd is not None else None
    return deployment.model_copy(update={"price": own, "context_tokens": window})
