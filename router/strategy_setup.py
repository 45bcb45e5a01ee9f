"""Checks what no schema can of model groups, rules and strategies, and builds the strategies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from router.config.load import Source, parse
from router.config.schema import RouterConfig
from router.config.schema import Strategy as Stages
from router.core.errors import ConfigError
from router.core.plugin import load as load_plugin
from router.core.plugin import nearest
from router.core.ports import Misfit, Pool, Strategy
from router.core.types import Locality
from router.routing.canary import Terms
from router.routing.candidates import AUTO, LOCAL
from router.routing.features import NEEDS
from router.routing.ranking import Ranking
from router.routing.strategies.canary import Canary

Loc = tuple[str | int, ...]

_Use = tuple[Loc, Stages, Mapping[str, object], tuple[str, ...]]
"""A strategy: (place, stages, options, groups that it will choose among)."""

_AUTO: Loc = ("routing", "auto", "strategy")


def check(config: RouterConfig, source: Source, reserved: Mapping[str, str]) -> None:
    """Check model groups, fallbacks, rules and strategies; `reserved` are names that no provider may have, and why.

    Raises:
        ConfigError: the first thing that is wrong, with its line.
    """
    _check_groups(config, source, reserved)
    _check_rules(config, source)
    terms: dict[str, Terms] = {}
    for loc, stages, options, groups in _uses(config):
        ranking = rank_by(source, stages, loc, options, _pool(config, groups))
        for strategy in ranking.strategies:
            if (
                isinstance(strategy, Canary)
                and terms.setdefault(strategy.terms.canary, strategy.terms) != strategy.terms
            ):
                message = (
                    f"'{strategy.terms.canary}' is a canary on other terms elsewhere; write the same, or name another"
                )
                raise source.error(loc, message)


def auto_ranking(config: RouterConfig, source: Source) -> Ranking:
    """Build the strategy of `model: auto`, of a configuration that was checked."""
    return rank_by(source, config.routing.auto.strategy, _AUTO, config.routing.auto.options)


def group_ranking(config: RouterConfig, source: Source, name: str) -> Ranking:
    """Build the strategy of a model group, of a configuration that was checked."""
    return rank_by(source, config.models[name].strategy, ("models", name, "strategy"), {})


def rank_by(
    source: Source, stages: Stages, loc: Loc, options: Mapping[str, object], pool: Pool | None = None
) -> Ranking:
    """Build a strategy from its stages; `options` are those of one that is given by its kind alone.

    With `pool`, its options are checked against what it will choose from.

    Raises:
        ConfigError: there is no such strategy, or an option is wrong.
    """
    built: list[tuple[str, Strategy]] = []
    for index, row in enumerate(stages if isinstance(stages, tuple) else (stages,)):
        own = (*loc, index) if isinstance(stages, tuple) else loc
        module = plugin(source, "router.routing.strategies", row.kind, own)
        settings_loc = own if row.model_extra or not options else ("routing", "auto", "options")
        settings = parse(source, module.Config, row.model_extra or options, settings_loc)
        check_options = getattr(module, "check", None)
        wrong: Misfit | None = check_options(settings, pool) if pool is not None and check_options else None
        if wrong is not None:
            raise source.error((*settings_loc, *wrong.place), wrong.message)
        built.append((row.kind, module.build(settings)))
    return Ranking(*built)


def known(source: Source, name: str, names: Sequence[str], loc: Loc, what: str) -> None:
    """Refuse a name that means nothing.

    Raises:
        ConfigError: names the nearest.
    """
    if name not in names:
        raise source.error(loc, f"there is no {what} '{name}'{nearest(name, names)}")


def plugin(source: Source, package: str, kind: str, loc: Loc) -> Any:
    """Import a plug-in's module.

    Raises:
        ConfigError: there is none of this kind; names the nearest.
    """
    try:
        return load_plugin(package, kind)
    except ConfigError as error:
        raise source.error(loc, error.message) from None


def _uses(config: RouterConfig) -> list[_Use]:
    """List every strategy."""
    auto = config.routing.auto
    among = tuple(dict.fromkeys((*(auto.among or config.models), *(name for rule in auto.rules for name in rule.use))))
    own: list[_Use] = [
        (("models", name, "strategy"), model.strategy, {}, (name,)) for name, model in config.models.items()
    ]
    return [*own, (_AUTO, auto.strategy, auto.options, among)]


def _pool(config: RouterConfig, groups: Sequence[str]) -> Pool:
    deployments = [one for name in groups if name != LOCAL for one in config.models[name].deployments]
    names = [f"{one.provider}/{one.model}" for one in deployments]
    return Pool(
        groups=tuple(groups),
        deployments=tuple(dict.fromkeys(names)),
        rated={name: one.quality for name, one in zip(names, deployments, strict=True) if one.quality is not None},
    )


def _check_groups(config: RouterConfig, source: Source, reserved: Mapping[str, str]) -> None:
    providers, groups = sorted(config.providers), sorted(config.models)
    for name in config.providers:
        if name in reserved:
            raise source.error(("providers", name), f"'{name}' is the name of {reserved[name]}; choose another")
        if "/" in name:
            raise source.error(("providers", name), f"'{name}' must not hold '/': targets are named provider/model")
    for name, model in config.models.items():
        if name in (AUTO, LOCAL) or name.startswith("local/"):
            raise source.error(("models", name), f"'{name}' has a meaning of its own; choose another name")
        for index, deployment in enumerate(model.deployments):
            loc = ("models", name, "deployments", index)
            known(source, deployment.provider, providers, (*loc, "provider"), "provider")
            if deployment.locality.level is Locality.LOCAL:
                message = "only the engine host is local; write region or any, or set 'local.url'"
                raise source.error((*loc, "locality"), message)
        for kind in ("fallbacks", "context_fallbacks", "content_fallbacks"):
            for index, fallback in enumerate(getattr(model, kind)):
                known(source, fallback, [*groups, LOCAL], ("models", name, kind, index), "model group")


def _check_rules(config: RouterConfig, source: Source) -> None:
    groups, auto = sorted(config.models), config.routing.auto
    for index, name in enumerate(auto.among):
        known(source, name, [*groups, LOCAL], ("routing", "auto", "among", index), "model group")
    for number, rule in enumerate(auto.rules):
        loc = ("routing", "auto", "rules", number)
        for index, name in enumerate(rule.use):
            known(source, name, [*groups, LOCAL], (*loc, "use", index), "model group")
        for need in sorted(rule.needs):
            known(source, need, sorted(NEEDS), (*loc, "needs"), "capability")
        if rule.between is not None and rule.between[0] == rule.between[1]:
            raise source.error((*loc, "between"), "this is no time at all; leave it out for the whole day")
        _check_timezone(source, rule.timezone, (*loc, "timezone"))


def _check_timezone(source: Source, name: str, loc: Loc) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        zones = sorted(available_timezones())
        near = nearest(name, zones) if zones else "; this machine has no list of time zones: install tzdata"
        raise source.error(loc, f"there is no time zone '{name}'{near if len(near) < 200 else ''}") from None
