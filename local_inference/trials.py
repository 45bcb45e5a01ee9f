"""New versions that take a share of traffic before they take all of it: which there are, and what to do with each."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from local_inference.rollout import Decision, Rules, decide
from local_inference.traffic import Traffic

_log = logging.getLogger(__name__)


class Trial(msgspec.Struct, frozen=True):
    """One new version and the one that it may replace."""

    id: str
    old_id: str
    since_s: float


class Trials:
    """At most one trial a name. `on_change` is called as one begins or ends."""

    def __init__(self, rules: Rules | None, traffic: Traffic, on_change: Callable[[], None]) -> None:
        """Without rules there are none: a new version takes all traffic as soon as it is ready."""
        self._rules = rules
        self._traffic = traffic
        self._on_change = on_change
        self._trials: dict[str, Trial] = {}

    def of(self, name: str) -> str | None:
        """Find the id of the version on trial."""
        trial = self._trials.get(name)
        return trial.id if trial is not None else None

    def begin(self, id: str, old_id: str, now_s: float) -> bool:
        """Begin to try a version, unless one of its name is tried already; False = nothing is ever tried."""
        name = id.partition("@")[0]
        if self._rules is None:
            return False
        if name not in self._trials:
            self._trials[name] = Trial(id, old_id, now_s)
            for one in (id, old_id):
                self._traffic.restart(one)
            self._traffic.share(name, id, self._rules.ratio)
            self._on_change()
            _log.info("adapter on trial id=%s ratio=%s", id, self._rules.ratio)
        return True

    def end(self, name: str) -> None:
        """Stop trying a version of a name, if one is."""
        if self._trials.pop(name, None) is not None:
            self._traffic.end_share(name)
            self._on_change()

    def decided(self, now_s: float) -> list[tuple[Trial, Decision]]:
        """List the trials that have come to an end."""
        if self._rules is None:
            return []
        found: list[tuple[Trial, Decision]] = []
        for trial in self._trials.values():
            new, old = self._traffic.tally(trial.id), self._traffic.tally(trial.old_id)
            decision = decide(self._rules, now_s - trial.since_s, new, old)
            if decision is not Decision.WAIT:
                _log.info("adapter trial ends id=%s: %s after %d answers", trial.id, decision.value, new.answers)
                found.append((trial, decision))
        return found
