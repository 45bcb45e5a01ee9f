"""From what is allowed to an ordered plan: which target first, which ones stand in for it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from decimal import Decimal
from itertools import takewhile
from types import MappingProxyType
from typing import NoReturn

import msgspec

from router.config.schema import LocalConfig, RouteRule, RoutingConfig
from router.core.errors import (
    ContextTooLong,
    InvalidRequest,
    ModelNotFound,
    NoHealthyTarget,
    PermissionDenied,
    PolicyBlocked,
    UnsupportedFeature,
)
from router.core.plugin import nearest
from router.core.ports import Strategy
from router.core.types import (
    Candidate,
    Dialect,
    Features,
    Health,
    Locality,
    Masking,
    Plan,
    Price,
    Request,
    Step,
    Target,
    Verdict,
)
from router.routing.candidates import AUTO, LOCAL, LOCAL_BASE, Group, LocalModels, local_target, named_local_target
from router.routing.features import FIELDS

_FREE = Price(input_usd=Decimal(0), output_usd=Decimal(0))
_LOCAL_GROUP = Group(name=LOCAL, candidates=(Candidate(target=local_target(select=True), price=_FREE),))


class Facts(msgspec.Struct, frozen=True):
    """What changes from request to request and isn't in the configuration."""

    local: LocalModels
    health: Callable[[str], Health]
    """Health of a deployment by its name."""
    seed: float
    """Uniform in [0, 1): the only source of chance in a plan."""


class Choice(msgspec.Struct, frozen=True):
    """Ranked candidates and why they stand in this order."""

    ranked: tuple[tuple[Candidate, float], ...]
    reason: str
    strategy: str


class Planner:
    """Holds the configured groups and strategies; `plan` is a pure function of them and its arguments."""

    def __init__(
        self,
        groups: Mapping[str, Group],
        strategies: Mapping[str, Strategy],
        routing: RoutingConfig,
        local: LocalConfig | None,
        *,
        local_dialects: Set[Dialect] = frozenset({Dialect.CHAT}),
        own: Mapping[str, Candidate] = MappingProxyType({}),
        in_process: Mapping[Dialect, Target] = MappingProxyType({}),
    ) -> None:
        """`strategies` holds one built strategy for every name that groups and `routing.auto` use.

        `local_dialects` are those that the engine host takes as they are, `own` the models that this process serves
        itself, by the name that clients use. `in_process` names, for dialects of which this process can answer every request, the target that does.
        """
        self._groups = groups
        self._strategies = strategies
        self._routing = routing
        self._local = local
        self._local_dialects = local_dialects
        self._own = own
        self._in_process = in_process

    @property
    def own_names(self) -> tuple[str, ...]:
        """The models that this process serves itself."""
        return tuple(self._own)

    @property
    def group_names(self) -> tuple[str, ...]:
        """The model groups that clients may name."""
        return tuple(self._groups)

    def check_model(self, request: Request, local: LocalModels) -> None:
        """Refuse a model name that means nothing, or that the caller's key may not use.

        Raises:
            ModelNotFound: names the nearest.
            PermissionDenied: the key isn't allowed this model.
        """
        model = request.model
        own = {*self._groups, *self._own}
        if model != AUTO and model not in own and named_local_target(model, local) is None:
            known = sorted({AUTO, LOCAL, LOCAL_BASE, *own, *local.known})
            raise ModelNotFound(f"there is no such model{nearest(model, known)}", param="model")
        allowed = request.principal.allowed_models
        if allowed is not None and model not in allowed:
            raise PermissionDenied(f"this key may not use '{model}'; it may use: {', '.join(allowed)}", param="model")

    def plan(self, request: Request, verdict: Verdict, features: Features, facts: Facts) -> Plan:
        """Order the targets that the verdict allows.

        Raises:
            NoHealthyTarget: nothing that the verdict allows is configured.
            UnsupportedFeature, ContextTooLong: deployments are allowed, but none can do what is asked.
            InvalidRequest: only a model that is named can answer this, and none is.
            PolicyBlocked: it must stay local, and only a cloud model that was named can answer it.
        """
        if request.model in self._own:
            return self._own_plan(self._own[request.model], features)
        named = named_local_target(request.model, facts.local) if request.model not in self._groups else None
        here = self._in_process.get(request.dialect)
        if here is not None:
            return self._in_process_plan(here, request, verdict, features, facts, is_local=named is not None)
        if named is not None or verdict.max_locality is Locality.LOCAL:
            if features.bound and named is None:
                self._refuse_bound(request, verdict)
            if features.native is not None and features.native not in self._local_dialects:
                _refuse_untranslatable(features)
            return self._local_plan(named or local_target(select=True), request, verdict)
        if features.bound and request.model == AUTO:
            self._refuse_bound(request, verdict)
        choice = self._choose(request, features, facts)
        allowed = [item for item in choice.ranked if item[0].target.locality <= verdict.max_locality]
        speaks = features.native is None or features.native in self._local_dialects
        use_local = self._has_local and self._routing.fallback_local and speaks and not features.bound
        able = _able([candidate for candidate, _ in allowed], features, must=not use_local)
        live = [candidate for candidate in able if candidate.health.available]
        down = [candidate for candidate in able if not candidate.health.available]
        named_already = any(candidate.target.provider == LOCAL for candidate in able)
        spare = _LOCAL_GROUP.candidates if use_local and not named_already else ()
        # A target whose breaker is open is only tried when everything else has failed.
        targets = [*live, *spare, *down]
        if not targets:
            raise NoHealthyTarget(self._nothing_allowed(verdict))
        reason = choice.reason if live else ("offline" if use_local else choice.reason)
        steps = tuple(self._step(one.target, one.context_tokens, alone=one is targets[-1]) for one in targets)
        return Plan(steps=steps, reason=reason, strategy=choice.strategy, scores=_scores(choice))

    def _group(self, name: str) -> Group:
        return _LOCAL_GROUP if name == LOCAL else self._groups[name]

    @property
    def _has_local(self) -> bool:
        return self._local is not None and (self._local.url is not None or self._local.managed is not None)

    def _local_plan(self, target: Target, request: Request, verdict: Verdict) -> Plan:
        if not self._has_local:
            raise NoHealthyTarget(self._nothing_allowed(verdict))
        forced = verdict.max_locality is Locality.LOCAL and request.model in (AUTO, *self._groups)
        reason = f"policy:{verdict.rule_id}" if forced else "explicit"
        return Plan(steps=(self._step(target, None, alone=True),), reason=reason, strategy="local")

    def _own_plan(self, candidate: Candidate, features: Features) -> Plan:
        """Plan a model that this process serves itself; it is local, so every verdict allows it."""
        if features.dialect not in candidate.dialects:
            spoken = ", ".join(sorted(one.value for one in candidate.dialects))
            raise UnsupportedFeature(f"'{candidate.target.upstream_model}' answers only: {spoken}", param="model")
        step = self._step(candidate.target, candidate.context_tokens, alone=True)
        return Plan(steps=(step,), reason="explicit", strategy="local")

    def _refuse_bound(self, request: Request, verdict: Verdict) -> NoReturn:
        """Refuse what only a named model can answer, where none is named or the one that is must not get it."""
        here = f"; on this machine there is: {', '.join(self._own)}" if self._own else ""
        if request.model == AUTO:
            message = "only the model that a request like this is made for can answer it: name one instead of 'auto'"
            raise InvalidRequest(f"{message}{here}", param="model")
        why = f"rule '{verdict.rule_id}' keeps this request local ({verdict.reason})"
        raise PolicyBlocked(f"{why}, and no other model can answer in place of '{request.model}'{here}")

    def _in_process_plan(
        self, own: Target, request: Request, verdict: Verdict, features: Features, facts: Facts, *, is_local: bool
    ) -> Plan:
        """Plan what this process can answer itself: a target comes before it only if it speaks the dialect, is up, would
        be chosen, and the request holds nothing that must stay or be masked."""
        last = self._step(own, None, alone=True)
        stays = verdict.max_locality is Locality.LOCAL or verdict.masking is not Masking.NONE
        if is_local or stays:
            reason = f"policy:{verdict.rule_id}" if stays and verdict.rule_id else "explicit"
            return Plan(steps=(last,), reason=reason, strategy="in-process")
        choice = self._choose(request, features, facts)
        allowed = [one for one, _ in choice.ranked if one.target.locality <= verdict.max_locality]
        able = list(takewhile(lambda one: request.dialect in one.dialects and one.health.available, allowed))
        steps = tuple(self._step(one.target, None, alone=False) for one in able)
        reason = choice.reason if steps else "in-process"
        return Plan(steps=(*steps, last), reason=reason, strategy=choice.strategy, scores=_scores(choice))

    def _nothing_allowed(self, verdict: Verdict) -> str:
        if verdict.max_locality is Locality.LOCAL:
            why = f"rule '{verdict.rule_id}' keeps this request local" if verdict.rule_id else "a local model was asked"
            return f"{why}, and no local engine is configured; set 'local.url' or 'local.managed'"
        return "no deployment is configured for this request and there is no local engine to fall back to"

    def _choose(self, request: Request, features: Features, facts: Facts) -> Choice:
        if request.model != AUTO:
            group = self._group(request.model)
            ranked = self._rank(group.strategy, [group.name], features, facts)
            spare = () if features.bound else self._fallbacks([group.name], features, facts)
            return Choice((*ranked, *spare), "explicit", group.strategy)
        auto = self._routing.auto
        rule = next((rule for rule in auto.rules if _applies(rule, request, features)), None)
        names = list((rule.use if rule else auto.among) or self._groups)
        ranked = self._rank(auto.strategy, names, features, facts)
        reason = f"rule:{rule.name}" if rule else f"strategy:{auto.strategy}"
        return Choice((*ranked, *self._fallbacks(names, features, facts)), reason, auto.strategy)

    def _fallbacks(self, names: Sequence[str], features: Features, facts: Facts) -> tuple[tuple[Candidate, float], ...]:
        """Rank the groups that stand in for `names`, theirs in turn included, each group once."""
        seen, queue = set(names), list(names)
        found: list[tuple[Candidate, float]] = []
        while queue:
            for name in self._group(queue.pop(0)).fallbacks:
                if name not in seen:
                    seen.add(name)
                    queue.append(name)
                    found.extend(self._rank(self._group(name).strategy, [name], features, facts))
        return tuple(found)

    def _rank(
        self, strategy: str, names: Sequence[str], features: Features, facts: Facts
    ) -> tuple[tuple[Candidate, float], ...]:
        """Rank all candidates of some groups, best first; those that can't do what is needed left out."""
        known = [
            msgspec.structs.replace(candidate, health=facts.health(candidate.target.deployment))
            for name in names
            for candidate in self._group(name).candidates
        ]
        scores = self._strategies[strategy].rank(features, known, facts.seed)
        return tuple(sorted(zip(known, scores, strict=True), key=lambda item: -item[1]))

    def _step(self, target: Target, context_tokens: int | None, *, alone: bool) -> Step:
        clocks = self._local if target.locality is Locality.LOCAL and self._local else self._routing
        return Step(
            target=target,
            context_tokens=context_tokens,
            retries=self._routing.retries if alone else 0,
            ttft_s=clocks.ttft_s,
            total_s=clocks.total_s,
        )


def _scores(choice: Choice) -> tuple[tuple[str, float], ...]:
    return tuple((candidate.target.deployment, round(score, 6)) for candidate, score in choice.ranked)


def _applies(rule: RouteRule, request: Request, features: Features) -> bool:
    if rule.min_input_tokens is not None and features.input_tokens < rule.min_input_tokens:
        return False
    if rule.max_input_tokens is not None and features.input_tokens > rule.max_input_tokens:
        return False
    wanted = ((rule.task, features.task), (rule.tier, features.tier))
    wanted += ((rule.tenant, request.principal.tenant), (rule.key, request.principal.id))
    return rule.needs <= features.needs and all(want is None or want == have for want, have in wanted)


def _refuse_untranslatable(features: Features) -> NoReturn:
    fields = ", ".join(features.untranslatable)
    message = f"no target that may answer this request speaks an API that can say: {fields}"
    raise UnsupportedFeature(message, param=features.untranslatable[0])


def _able(candidates: Sequence[Candidate], features: Features, *, must: bool) -> list[Candidate]:
    """Keep the candidates that can do what the request needs; what is unknown of one counts as able.

    Raises:
        UnsupportedFeature, ContextTooLong: there were some, none is left, and one `must` be.
    """
    native = features.native
    wanted = {features.dialect, Dialect.CHAT} if native is None else {native}
    speaking = [one for one in candidates if wanted & one.dialects]
    if candidates and not speaking and must:
        if native is None:
            raise UnsupportedFeature(f"no deployment of this model answers {features.dialect.value}", param="model")
        _refuse_untranslatable(features)
    able = [one for one in speaking if one.capabilities is None or features.needs <= one.capabilities]
    if speaking and not able and must:
        missing = sorted(min((features.needs - (one.capabilities or set()) for one in speaking), key=len))
        message = f"no deployment of this model can do what the request needs: {', '.join(missing)}"
        raise UnsupportedFeature(message, param=FIELDS.get(missing[0], missing[0]))
    tokens = features.input_tokens + (features.max_output_tokens or 0)
    # What is bound comes in batches, each item of which has the window to itself: the upstream knows.
    fitting = [one for one in able if one.context_tokens is None or tokens <= one.context_tokens or features.bound]
    if able and not fitting and must:
        window = max(one.context_tokens or 0 for one in able)
        raise ContextTooLong(f"about {tokens} tokens are more than the largest context window here, {window}")
    return fitting
