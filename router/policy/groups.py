"""What the model groups say of sensitive requests: for each name that a client may send, the groups that may answer."""

from __future__ import annotations

from collections.abc import Iterable

from router.config.schema import OnSensitive, RouterConfig

AUTO = "auto"
_STRICTNESS = (OnSensitive.MASK, OnSensitive.LOCAL, OnSensitive.BLOCK)


def group_actions(config: RouterConfig) -> dict[str, str]:
    """Give `on_sensitive` of each model group that sets it, or of one that may answer in its place and is stricter.

    `auto` has that of the groups it may choose, and their fallbacks.
    """
    auto = config.routing.auto
    chosen = {name for rule in auto.rules for name in rule.use} | set(auto.among or config.models)
    asked = {AUTO: _answering(config, chosen)} | {name: _answering(config, [name]) for name in config.models}
    actions: dict[str, str] = {}
    for name, answering in asked.items():
        own = config.models[name].on_sensitive if name in config.models else None
        least = _STRICTNESS.index(own or config.privacy.on_sensitive)
        given = [config.models[each].on_sensitive for each in answering]
        levels = [_STRICTNESS.index(action) for action in given if action is not None]
        binding = [level for level in levels if level >= least]
        if binding:
            actions[name] = _STRICTNESS[max(binding)].value
    return actions


def _answering(config: RouterConfig, names: Iterable[str]) -> set[str]:
    """Follow the fallbacks of some groups."""
    found: set[str] = set()
    queue = list(names)
    while queue:
        name = queue.pop()
        if name in config.models and name not in found:
            found.add(name)
            model = config.models[name]
            queue.extend((*model.fallbacks, *model.context_fallbacks, *model.content_fallbacks))
    return found
