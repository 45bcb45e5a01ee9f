"""New versions that take a share of traffic before they take all of it: which there are, and what to do with each."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from local_inference.registry import Tried
from local_inference.rollout import Decision, Rules, Tally, decide
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
        self._told: dict[str, tuple[Tally, Tally]] = {}

    def of(self, name: str) -> str | None:
        """Find the id of the version on trial."""
        trial = self._trials.get(name)
        return trial.id if trial is not None else None

    def begin(self, id: str, old_id: str, now_s: float, before: Tried | None = None) -> bool:
        """Begin to try a version, unless one of its name is tried already; False = nothing is ever tried.

        A trial that an earlier process began, as told by `before`, goes on where it was.
        """
        name = id.partition("@")[0]
        if self._rules is None:
            return False
        if name not in self._trials:
            fresh = Tried(name=name, version=id.partition("@")[2], old=old_id.partition("@")[2], elapsed_s=0.0)
            told = before if before is not None and is_of(before, id, old_id) else fresh
            self._trials[name] = Trial(id, old_id, now_s - told.elapsed_s)
            self._traffic.restart(id, told.new_tally)
            self._traffic.restart(old_id, told.old_tally)
            self._traffic.share(name, id, self._rules.ratio)
            self._on_change()
            _log.info("adapter on trial id=%s ratio=%s answers=%d", id, self._rules.ratio, told.new_tally.answers)
        return True

    def end(self, name: str) -> Trial | None:
        """Stop trying a version of a name, if one is; return the trial that ended."""
        trial = self._trials.pop(name, None)
        if trial is not None:
            self._told.pop(name, None)
            self._traffic.end_share(name)
            self._on_change()
        return trial

    def news(self, now_s: float) -> list[Tried]:
        """Tell of each trial what was counted, where that is more than was told before."""
        found: list[Tried] = []
        for name, trial in self._trials.items():
            counted = (self._traffic.tally(trial.id), self._traffic.tally(trial.old_id))
            if self._told.get(name) != counted:
                self._told[name] = counted
                elapsed_s = round(now_s - trial.since_s, 1)
                version, old = trial.id.partition("@")[2], trial.old_id.partition("@")[2]
                new_tally, old_tally = counted
                found.append(
                    Tried(
                        name=name,
                        version=version,
                        old=old,
                        elapsed_s=elapsed_s,
                        new_tally=new_tally,
                        old_tally=old_tally,
                    )
                )
        return found

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


def is_of(tried: Tried, id: str, old_id: str) -> bool:
    """Say whether a record tells of the trial of these two versions."""
    return (tried.version, tried.old) == (id.partition("@")[2], old_id.partition("@")[2])
