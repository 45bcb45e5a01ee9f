"""The gates that one model group's cheap answers must pass."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from router.core.errors import stack_of
from router.core.types import Delta, JsonObject, JsonValue
from router.execution.fold import fold
from router.execution.gates import Asked, Gate

_log = logging.getLogger(__name__)


MOST_BYTES = 8 * 1024 * 1024
"""Of an answer that is held for gates, unless the configuration says otherwise: some 40,000 tokens of a stream."""


class Cascade:
    """Gates by their kinds; all of them must accept an answer."""

    def __init__(self, *gates: tuple[str, Gate], most_bytes: int = MOST_BYTES) -> None:
        """An answer that grows larger than `most_bytes` is accepted unseen: so much can't be held for every request at once,
        half of it would fail a gate for being half, and it isn't what a model says that can't answer."""
        self.most_bytes = most_bytes
        self._gates = gates
        self._asks = {name: value for _, gate in gates for name, value in gate.asks.items()}

    def asking(self, body: JsonObject) -> Mapping[str, JsonValue]:
        """Fields that a request lacks and the gates need."""
        return {name: value for name, value in self._asks.items() if not body.get(name)}

    async def turned_down(self, deltas: Sequence[Delta], asked: Asked) -> str | None:
        """Return the kind of the first gate that doesn't accept an answer, or one of its choices; None = all do."""
        for answer in fold(deltas):
            for kind, gate in self._gates:
                try:
                    accepted = await gate.accepts(answer, asked)
                except Exception as error:  # noqa: BLE001 a gate at fault must not cost the answer
                    _log.error("the gate '%s' failed, and so accepts\n%s", kind, stack_of(error))
                    accepted = True
                if not accepted:
                    return kind
        return None
