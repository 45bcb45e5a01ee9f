"""The latest decisions in memory, so that a caller can ask about one by its id; older ones stand in the decision records."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from router.core.ports import SinkState
from router.core.types import Outcome

KEPT = 1000
"""Decisions that are kept; one more pushes out the oldest."""

_ENCODER = msgspec.json.Encoder(enc_hook=str, decimal_format="string")


class Recent:
    """A sink that can be asked."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._outcomes: OrderedDict[str, Outcome] = OrderedDict()

    def write(self, outcome: Outcome) -> None:
        """See `core.ports.Sink`."""
        self._outcomes[outcome.decision_id] = outcome
        if len(self._outcomes) > self._kept:
            self._outcomes.popitem(last=False)

    def find(self, decision_id: str, principal_id: str) -> bytes | None:
        """Encode a decision as the records hold it; None if it isn't kept, or is another caller's."""
        outcome = self._outcomes.get(decision_id)
        return _ENCODER.encode(outcome) if outcome is not None and outcome.principal_id == principal_id else None

    def state(self) -> SinkState:
        """See `core.ports.Sink`."""
        return SinkState()

    async def aclose(self) -> None:
        """See `core.ports.Sink`."""
