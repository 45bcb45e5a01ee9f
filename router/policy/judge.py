"""The judge with a memory: the rules, and which conversations are local already."""

from __future__ import annotations

from collections.abc import Mapping

from router.config.schema import PrivacyConfig
from router.core import clock
from router.core.types import Locality, Request, ScanReport, Verdict
from router.policy.rules import CALLER_LIMIT, judge
from router.policy.sessions import Sessions


class Judge:
    """Applies one configuration's policy; the decision itself is `rules.judge`, which is pure."""

    def __init__(self, policy: PrivacyConfig, group_actions: Mapping[str, str]) -> None:
        """Take the policy, and `on_sensitive` of the model groups that set it."""
        self._policy = policy
        self._group_actions = group_actions
        self._sessions = Sessions(policy.sessions)

    def session_is_local(self, request: Request) -> bool:
        """Whether the request's conversation held something before that must stay local."""
        return self._sessions.is_local(request, clock.monotonic_s())

    def verdict(self, request: Request, report: ScanReport, *, remember: bool = True) -> Verdict:
        """Judge a scanned request. With `remember`, a conversation that must stay local will from now on.

        Raises:
            PolicyBlocked: the policy refuses the request.
        """
        verdict = judge(
            request,
            report,
            self._policy,
            group_action=self._group_actions.get(request.model),
            session_is_local=self.session_is_local(request),
        )
        if remember and verdict.max_locality is Locality.LOCAL and verdict.rule_id != CALLER_LIMIT:
            self._sessions.keep_local(request, clock.monotonic_s())
        return verdict
