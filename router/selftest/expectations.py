"""What a configuration promises of a request, read from the file anew: the self-test never asks the judge it tests."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import msgspec

from router.config.schema import KeyConfig, PolicyRule, PrivacyConfig, RouterConfig
from router.core.types import Locality, Sensitivity
from router.policy.groups import group_actions
from router.privacy.severity import DEFAULTS, rules
from router.selftest.canaries import Kind
from router.selftest.cases import Case


class Action(Enum):
    """What must become of a request."""

    LOCAL = "local"
    MASK = "mask"
    BLOCK = "block"
    LEAVE = "leave"
    """It may go anywhere, as it is."""


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """One action and the part of the configuration that says so."""

    action: Action
    why: str


_STRICTNESS = (Action.MASK, Action.LOCAL, Action.BLOCK)


class Promises:
    """Reads them from one configuration."""

    def __init__(self, config: RouterConfig) -> None:
        self._policy: PrivacyConfig = config.privacy
        self._by_entity = rules(config.privacy)
        self._keys = {key.id: key for key in config.server.keys}
        self._group_actions = group_actions(config)

    def of(self, case: Case, entities: Iterable[str] = (), sensitivity: Sensitivity = Sensitivity.PUBLIC) -> Promise:
        """Say what must become of a request in which its canary, and also `entities`, were found."""
        key = self._keys.get(case.caller.id)
        found, blind = frozenset(entities), ""
        if not self._policy.scan.enabled:
            found, sensitivity, blind = frozenset[str](), Sensitivity.PUBLIC, "privacy.scan.enabled: false"
        elif case.canary is not None:
            kind = case.canary.kind
            blind = self._blind_to(kind)
            if not blind:
                found |= {kind.entity}
                sensitivity = max(sensitivity, kind.sensitivity or self._by_entity[kind.entity].sensitivity)
        promise = self._judged(case, found, sensitivity, key)
        if blind and promise.action is Action.LEAVE:
            promise = Promise(action=Action.LEAVE, why=blind)
        return self._narrowed(promise, key)

    def _blind_to(self, kind: Kind) -> str:
        """Say which setting keeps a kind from being found surely; empty if none does."""
        entity = self._policy.entities.get(kind.entity)
        chosen, only = self._policy.recognizers, self._policy.only
        if only is not None and kind.entity not in only:
            return f"privacy.only leaves out {kind.entity}"
        if entity is not None and not entity.enabled:
            return f"privacy.entities.{kind.entity}.enabled: false"
        if entity is not None and entity.min_score is not None and entity.min_score > DEFAULTS[kind.entity].min_score:
            return f"privacy.entities.{kind.entity}.min_score: {entity.min_score:g}"
        missing = [name for name in kind.recognizers if chosen is not None and name not in chosen]
        return f"privacy.recognizers leaves out {', '.join(missing)}" if missing else ""

    def _judged(self, case: Case, found: frozenset[str], sensitivity: Sensitivity, key: KeyConfig | None) -> Promise:
        tenant = key.tenant if key is not None else "default"
        for rule in self._policy.rules:
            if _matches(rule, found, sensitivity, case, tenant):
                action = Action.LEAVE if rule.then == "allow" else Action(rule.then)
                return Promise(action=action, why=f"privacy.rules: {rule.name}")
        threshold = self._policy.threshold
        if sensitivity < threshold.level:
            level = sensitivity.name.lower()
            return Promise(action=Action.LEAVE, why=f"it counts as {level}, privacy.threshold: {threshold.value}")
        own = key.on_sensitive.value if key is not None and key.on_sensitive is not None else None
        given = (own, self._group_actions.get(case.model))
        narrower = [Action(one) for one in given if one is not None]
        default = max(narrower, key=_STRICTNESS.index, default=Action(self._policy.on_sensitive.value))
        actions: list[Action] = []
        for name in found:
            entity = self._policy.entities.get(name)
            actions.append(Action(entity.on_sensitive.value) if entity and entity.on_sensitive else default)
        return Promise(action=max(actions or [default], key=_STRICTNESS.index), why="privacy.on_sensitive")

    def _narrowed(self, promise: Promise, key: KeyConfig | None) -> Promise:
        local = key is not None and key.max_locality.level is Locality.LOCAL
        if key is not None and local and promise.action in (Action.MASK, Action.LEAVE):
            return Promise(action=Action.LOCAL, why=f"server.keys: {key.id} has max_locality: local")
        return promise


def _matches(rule: PolicyRule, found: frozenset[str], sensitivity: Sensitivity, case: Case, tenant: str) -> bool:
    return (
        (not rule.entities or bool(found.intersection(rule.entities)))
        and (not rule.entities or rule.then != "allow" or found <= set(rule.entities))
        and (rule.min_sensitivity is None or sensitivity >= rule.min_sensitivity.level)
        and case.caller.id in (rule.keys or (case.caller.id,))
        and case.model in (rule.models or (case.model,))
        and tenant in (rule.tenants or (tenant,))
    )
