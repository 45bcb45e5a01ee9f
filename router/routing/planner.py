"""From what is allowed to an ordered plan: which target first, which ones stand in for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from decimal import Decimal
from itertools import takewhile
from types import MappingProxyType
from typing import Literal, NoReturn

import msgspec
from msgspec.structs import replace

from router.config.schema import LocalConfig, RoutingConfig
from router.core.errors import (
    BudgetExceeded,
    ContextTooLong,
    InvalidRequest,
    ModelNotFound,
    NoHealthyTarget,
    PermissionDenied,
    PolicyBlocked,
    UnsupportedFeature,
    UpstreamFiltered,
    UpstreamRateLimited,
)
from router.core.plugin import nearest
from router.core.types import (
    Candidate,
    Dialect,
    Features,
    Health,
    Locality,
    Masking,
    Plan,
    PlanInputs,
    Price,
    Request,
    Step,
    Target,
    Verdict,
)
from router.routing.candidates import AUTO, LOCAL, LOCAL_BASE, Group, LocalModels, local_target, named_local_target
from router.routing.chance import draw
from router.routing.estimate import most_cost_usd
from router.routing.fitness import (
    CAPABILITY,
    CONTEXT,
    DIALECT,
    misfit,
    refuse,
    refuse_too_dear,
    refuse_untranslatable,
    stands_aside,
)
from router.routing.ranking import Ranked, Ranking
from router.routing.rules import applies
from router.routing.steps import OVER_COST, PRICE_UNKNOWN, considered, gated, hedged, reserve_usd

_NEW = Health()
_FREE = Price(input_usd=Decimal(0), output_usd=Decimal(0))


class Choice(msgspec.Struct, frozen=True):
    """Ranked candidates and why they stand in this order."""

    ranked: tuple[Ranked, ...]
    groups: tuple[str, ...]
    """What the model's name leaves to choose among; what stands in for it not included."""
    reason: str
    strategy: str
    cascade: str | None = None
    """See `Plan.cascade`."""
    escalations: int = 0
    rule: str | None = None
    """See `Plan.rule`."""

    def owns(self, candidate: Candidate) -> bool:
        """Whether the model's name leaves a candidate to choose; else it stands in."""
        return candidate.target.group in self.groups


class Planner:
    """Holds the configured groups and strategies; `plan` is a pure function of them and its arguments."""

    def __init__(
        self,
        groups: Mapping[str, Group],
        auto: Ranking,
        routing: RoutingConfig,
        local: LocalConfig | None,
        *,
        local_dialects: Set[Dialect] = frozenset({Dialect.CHAT}),
        own: Mapping[str, Candidate] = MappingProxyType({}),
        in_process: Mapping[Dialect, Target] = MappingProxyType({}),
    ) -> None:
        """`auto` ranks what `model: auto` may choose among.

        `local_dialects` are those that the engine host takes as they are, `own` the models that this process serves
        itself, by the name that clients use. `in_process` names, for dialects of which this process can answer every request, the target that does.
        """
        self._groups = groups
        self._auto = auto
        self._routing = routing
        self._local = local
        self._local_dialects = local_dialects
        engine = Candidate(
            target=local_target(select=True),
            price=_FREE,
            context_tokens=local.context_tokens if local is not None else None,
            capabilities=local.capabilities if local is not None else None,
            dialects=frozenset({Dialect.CHAT, *local_dialects}),
        )
        self._local_group = Group(name=LOCAL, candidates=(engine,))
        self.words = frozenset(
            word for rule in routing.auto.rules for word in (rule.task, rule.tier) if word is not None
        )
        """Tasks and tiers that rules name: of what callers write there, nothing else is looked at, or recorded."""
        self._own = own
        self._in_process = in_process
        self.needs = self._needs()
        """Features that strategies and rules ask for beyond what stands in the request: `session`, `stuck`, `language`."""

    def named(self, model: str, local: LocalModels) -> Target | None:
        """The local target that a model's name means; None where it means something else."""
        return None if model in self._groups else named_local_target(model, local)

    @property
    def rankings(self) -> tuple[Ranking, ...]:
        """All that is ranked by: for `auto`, and of every model group."""
        return (self._auto, *(group.ranking for group in self._groups.values()))

    def _needs(self) -> frozenset[str]:
        needs = frozenset[str]().union(*(ranking.needs for ranking in self.rankings))
        rules = self._routing.auto.rules
        needs |= {"stuck"} if any(rule.session is not None for rule in rules) else frozenset[str]()
        return needs | ({"language"} if any(rule.language is not None for rule in rules) else frozenset[str]())

    def deployments(self) -> frozenset[str]:
        """Names of all deployments that a plan may hold, the engine host's included."""
        clouds = (one.target.deployment for group in self._groups.values() for one in group.candidates)
        return frozenset((LOCAL, *clouds))

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

    def plan(self, inputs: PlanInputs) -> Plan:
        """Order the targets that the verdict allows.

        Raises:
            NoHealthyTarget: nothing that the verdict allows is configured.
            UnsupportedFeature, ContextTooLong: deployments are allowed, but none can do what is asked.
            InvalidRequest: only a model that is named can answer this, and none is.
            PolicyBlocked: it must stay local, and only a cloud model that was named can answer it.
            BudgetExceeded: every deployment costs more than the request may.
        """
        verdict, features, named = inputs.verdict, inputs.features, inputs.named
        if inputs.model in self._own:
            return self._own_plan(self._own[inputs.model], features)
        here = self._in_process.get(features.dialect)
        if here is not None:
            return self._in_process_plan(here, inputs)
        if named is not None or verdict.max_locality is Locality.LOCAL:
            if features.bound and named is None:
                self._refuse_bound(inputs)
            if features.native is not None and features.native not in self._local_dialects:
                refuse_untranslatable(features)
            return self._local_plan(named or local_target(select=True), inputs)
        if features.bound and inputs.model == AUTO:
            self._refuse_bound(inputs)
        return self._cloud_plan(inputs)

    def _cloud_plan(self, inputs: PlanInputs) -> Plan:
        """Plan what may leave: what is up first, then the local engine, what is down only when all else has failed."""
        features = inputs.features
        choice = self._choose(inputs)
        sorted_out = [self._sort_out(item, inputs) for item in choice.ranked]
        fit = [one for one, excluded in zip(choice.ranked, sorted_out, strict=True) if not excluded]
        spare = self._spare(fit, features)
        reason = choice.reason
        longer = self._aside("context_fallbacks", choice, inputs)
        if longer and _is_too_long(choice, sorted_out, is_last=not fit):
            named = {one.candidate.target for one in longer}
            fit = [*longer, *(one for one in fit if one.candidate.target not in named)]
            longer, reason = [], f"fallback:{ContextTooLong.code}"
        if not fit:
            reason = self._explain_nothing(choice, sorted_out, inputs, is_spared=bool(spare))
        leaves = _leaves(inputs)
        up = [one.candidate for one in fit if one.candidate.health.available and (leaves or _is_local(one.candidate))]
        taken = [one for one in up if self._takes(one, inputs)]
        up = [*taken, *(one for one in up if one not in taken)]
        down = [item.candidate for item in fit if item.candidate not in up]
        targets = [*up, *spare, *down]
        if not targets:
            raise NoHealthyTarget(self._nothing_allowed(inputs.verdict))
        if _is_local(targets[0]) and all(map(_is_local, up)) and not all(map(_is_local, down)):
            limited = leaves and all(one.health.unavailable == "rate_limited" for one in down if not _is_local(one))
            reason = f"fallback:{UpstreamRateLimited.code}" if limited else "offline"
        elif reason == choice.reason and not choice.owns(targets[0]) and (own := _own(choice, sorted_out)):
            reason = f"fallback:{stands_aside(*own[0])}"
        steps = tuple(self._step(one, alone=one is targets[-1]) for one in targets)
        # Gates read chat answers, and only where another model may answer at all.
        escalations = 0 if features.bound or features.native is not None else choice.escalations
        steps = hedged(gated(steps, escalations, [item.candidate for item in fit]), up, features, self._routing.hedge)
        unfiltered = self._aside("content_fallbacks", choice, inputs)
        aside = [
            self._step(item.candidate, after=code)
            for code, items in ((ContextTooLong.code, longer), (UpstreamFiltered.code, unfiltered))
            for item in items
        ]
        may_answer = [*targets, *(item.candidate for item in (*longer, *unfiltered))]
        return Plan(
            steps=(*steps, *aside),
            reason=reason,
            strategy=choice.strategy,
            rule=choice.rule,
            considered=considered(choice.ranked, sorted_out, features, leaves=leaves),
            cascade=choice.cascade,
            reserve_usd=reserve_usd(may_answer, features, escalations + (steps[0].hedge_after_ms is not None)),
        )

    def _sort_out(self, item: Ranked, inputs: PlanInputs) -> str:
        """Say why a candidate can't be used for a request, as a code; empty = it can."""
        candidate, limit_usd = item.candidate, inputs.features.max_cost_usd
        if item.excluded:
            return item.excluded
        if candidate.target.locality > inputs.verdict.max_locality:
            return "locality"
        if unfit := misfit(candidate, inputs.features):
            return unfit
        if limit_usd is None:
            return ""
        cost_usd = most_cost_usd(inputs.features, candidate.price)
        return PRICE_UNKNOWN if cost_usd is None else (OVER_COST if cost_usd > limit_usd else "")

    def _spare(self, fit: Sequence[Ranked], features: Features) -> tuple[Candidate, ...]:
        """Give the local engine as the last resort, where it may be one and isn't among the candidates already."""
        engine = self._local_group.candidates
        usable = self._has_local and self._routing.fallback_local and not features.bound
        usable = usable and not misfit(engine[0], features)
        named_already = any(item.candidate.target.provider == LOCAL for item in fit)
        return engine if usable and not named_already else ()

    def _takes(self, candidate: Candidate, inputs: PlanInputs) -> bool:
        """Whether a candidate gets this request at once: one that degrades, or is too slow for the caller, comes later."""
        health, limit_ms = candidate.health, inputs.features.max_latency_ms
        usual_ms = health.ttft_p50_ms if inputs.features.stream else health.elapsed_p50_ms
        if limit_ms is not None and usual_ms is not None and usual_ms > limit_ms:
            return False
        ratio, session = health.traffic_ratio, inputs.features.session
        # A conversation leaves wholly or not at all: its prompt cache and its tools' loops stay put.
        drawn_by = inputs.seed if session is None else session
        return ratio >= 1.0 or draw(drawn_by, "traffic", candidate.target.deployment) < ratio

    def _explain_nothing(
        self, choice: Choice, sorted_out: Sequence[str], inputs: PlanInputs, *, is_spared: bool
    ) -> str:
        """Say why no deployment can be used: the reason for going local instead, or the error where that can't be."""
        pairs = list(zip(choice.ranked, sorted_out, strict=True))
        dear = [item.candidate for item, code in pairs if code in (OVER_COST, PRICE_UNKNOWN)]
        if dear:
            if is_spared and inputs.model == AUTO:
                return f"fallback:{BudgetExceeded.code}"
            refuse_too_dear(dear, inputs.features)
        filters = {code.partition(":")[2] for code in sorted_out if code.startswith("filtered:")}
        unfit = [item.candidate for item, code in pairs if code.partition(":")[0] in (DIALECT, CAPABILITY, CONTEXT)]
        if unfit and not is_spared:
            refuse(unfit, inputs.features)
        if filters:
            if is_spared:
                return f"fallback:{NoHealthyTarget.code}"
            kinds = "' and '".join(sorted(filters))
            raise NoHealthyTarget(f"the strategy '{kinds}' leaves out every deployment that could answer this request")
        if unfit:
            return f"fallback:{stands_aside(*pairs[0])}"
        return "offline" if is_spared else choice.reason

    def _aside(
        self, kind: Literal["context_fallbacks", "content_fallbacks"], choice: Choice, inputs: PlanInputs
    ) -> list[Ranked]:
        """Rank the groups that are asked only after an error of one kind."""
        if inputs.features.bound:
            return []
        names = dict.fromkeys(name for group in choice.groups for name in getattr(self._group(group), kind))
        ranked = [item for name in names for item in self._rank(self._group(name).ranking, [name], inputs)]
        return [item for item in ranked if not self._sort_out(item, inputs) and item.candidate.health.available]

    def _group(self, name: str) -> Group:
        return self._local_group if name == LOCAL else self._groups[name]

    @property
    def _has_local(self) -> bool:
        return self._local is not None and (self._local.url is not None or self._local.managed is not None)

    def _local_plan(self, target: Target, inputs: PlanInputs) -> Plan:
        verdict = inputs.verdict
        if not self._has_local:
            raise NoHealthyTarget(self._nothing_allowed(verdict))
        forced = verdict.max_locality is Locality.LOCAL and inputs.model in (AUTO, *self._groups)
        reason = f"policy:{verdict.rule_id}" if forced else "explicit"
        return Plan(steps=(self._step(Candidate(target=target), alone=True),), reason=reason, strategy="local")

    def _own_plan(self, candidate: Candidate, features: Features) -> Plan:
        """Plan a model that this process serves itself; it is local, so every verdict allows it."""
        if features.dialect not in candidate.dialects:
            spoken = ", ".join(sorted(one.value for one in candidate.dialects))
            raise UnsupportedFeature(f"'{candidate.target.upstream_model}' answers only: {spoken}", param="model")
        return Plan(steps=(self._step(candidate, alone=True),), reason="explicit", strategy="local")

    def _refuse_bound(self, inputs: PlanInputs) -> NoReturn:
        """Refuse what only a named model can answer, where none is named or the one that is must not get it."""
        here = f"; on this machine there is: {', '.join(self._own)}" if self._own else ""
        if inputs.model == AUTO:
            message = "only the model that a request like this is made for can answer it: name one instead of 'auto'"
            raise InvalidRequest(f"{message}{here}", param="model")
        verdict = inputs.verdict
        why = f"rule '{verdict.rule_id}' keeps this request local ({verdict.reason})"
        raise PolicyBlocked(f"{why}, and no other model can answer in place of '{inputs.model}'{here}")

    def _in_process_plan(self, own: Target, inputs: PlanInputs) -> Plan:
        """Plan what this process can answer itself: a target comes before it only if it speaks the dialect, is up, would
        be chosen, and the request holds nothing that must stay or be masked."""
        verdict, last = inputs.verdict, self._step(Candidate(target=own), alone=True)
        stays = verdict.max_locality is Locality.LOCAL or verdict.masking is not Masking.NONE
        if inputs.named is not None or stays:
            reason = f"policy:{verdict.rule_id}" if stays and verdict.rule_id else "explicit"
            return Plan(steps=(last,), reason=reason, strategy="in-process")
        choice, dialect, leaves = self._choose(inputs), inputs.features.dialect, _leaves(inputs)
        usable = [item.candidate for item in choice.ranked if not item.excluded]
        allowed = [one for one in usable if one.target.locality <= verdict.max_locality]
        able = takewhile(lambda one: leaves and dialect in one.dialects and one.health.available, allowed)
        steps = tuple(self._step(one) for one in able)
        reason = choice.reason if steps else "in-process"
        shown = considered(choice.ranked, ["" for _ in choice.ranked], inputs.features)
        return Plan(steps=(*steps, last), reason=reason, strategy=choice.strategy, considered=shown)

    def _nothing_allowed(self, verdict: Verdict) -> str:
        if verdict.max_locality is Locality.LOCAL:
            why = f"rule '{verdict.rule_id}' keeps this request local" if verdict.rule_id else "a local model was asked"
            return f"{why}, and no local engine is configured; set 'local.url' or 'local.managed'"
        return "no deployment is configured for this request and there is no local engine to fall back to"

    def _choose(self, inputs: PlanInputs) -> Choice:
        """Rank what the model's name leaves to choose among, and what stands in for that."""
        features, model = inputs.features, inputs.model
        if model != AUTO:
            group = self._group(model)
            ranked = self._rank(group.ranking, [model], inputs)
            spare = () if features.bound else self._fallbacks([model], inputs)
            cascade = model if group.escalations else None
            return Choice((*ranked, *spare), (model,), "explicit", group.ranking.name, cascade, group.escalations)
        auto = self._routing.auto
        rule = next((rule for rule in auto.rules if applies(rule, features, inputs.time_unix_s)), None)
        names = tuple((rule.use if rule else auto.among) or self._groups)
        ranked = self._rank(self._auto, names, inputs)
        reason = f"rule:{rule.name}" if rule else f"strategy:{self._auto.name}"
        escalations = auto.cascade.escalations if auto.cascade is not None else 0
        everything = (*ranked, *self._fallbacks(names, inputs))
        cascade = AUTO if escalations else None
        return Choice(everything, names, reason, self._auto.name, cascade, escalations, rule.name if rule else None)

    def _fallbacks(self, names: Sequence[str], inputs: PlanInputs) -> tuple[Ranked, ...]:
        """Rank the groups that stand in for `names`, theirs in turn included, each group once."""
        seen, queue = set(names), list(names)
        found: list[Ranked] = []
        while queue:
            for name in self._group(queue.pop(0)).fallbacks:
                if name not in seen:
                    seen.add(name)
                    queue.append(name)
                    found.extend(self._rank(self._group(name).ranking, [name], inputs))
        return tuple(found)

    def _rank(self, ranking: Ranking, names: Sequence[str], inputs: PlanInputs) -> tuple[Ranked, ...]:
        """Rank all candidates of some groups by what is known of them now."""
        known: list[Candidate] = []
        for name in names:
            for one in self._group(name).candidates:
                health = inputs.health.get(one.target.deployment, _NEW)
                canary = inputs.canaries.get(name, inputs.canaries.get(one.target.deployment))
                known.append(replace(one, health=health, traffic_ratio=canary, order=len(known)))
        return ranking.rank(inputs.features, known, inputs.seed)

    def _step(self, candidate: Candidate, *, alone: bool = False, after: str | None = None) -> Step:
        is_local = candidate.target.locality is Locality.LOCAL
        clocks = self._local if is_local and self._local else self._routing
        return Step(
            target=candidate.target,
            context_tokens=candidate.context_tokens,
            retries=self._routing.retries if alone else 0,
            ttft_s=clocks.ttft_s,
            stall_s=clocks.stall_s,
            total_s=clocks.total_s,
            after=after,
        )


def _own(choice: Choice, sorted_out: Sequence[str]) -> list[tuple[Ranked, str]]:
    """Pick the candidates that the model's name leaves to choose, each with why it can't be used."""
    return [(item, code) for item, code in zip(choice.ranked, sorted_out, strict=True) if choice.owns(item.candidate)]


def _is_too_long(choice: Choice, sorted_out: Sequence[str], *, is_last: bool) -> bool:
    """Whether what was asked for can't answer because a request is too long; `is_last` = nor can what stands in for it."""
    codes = [code for _, code in _own(choice, sorted_out)]
    return all(codes) and CONTEXT in (sorted_out if is_last else codes)


def _is_local(candidate: Candidate) -> bool:
    return candidate.target.locality is Locality.LOCAL


def _leaves(inputs: PlanInputs) -> bool:
    """Whether a request may go to a cloud: the network is up, or it is of the share that leaves while that comes back."""
    return inputs.online_ratio >= 1.0 or draw(inputs.seed, "online") < inputs.online_ratio
