"""What callers said of their answers: a line each in `feedback.jsonl`, beside the decision it belongs to by its id."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import msgspec

from router.core import clock
from router.core.ports import SinkState
from router.core.types import Feedback, Outcome
from router.record.files import Appender
from router.record.outbox import Outbox

FILE = "feedback.jsonl"

KEPT = 50_000
"""The latest answers that can be rated."""

MOST_CHANGES = 8
"""Ratings of one answer that are written down; who changes a mind oftener is heard, and changes nothing."""


class _Answer(NamedTuple):
    principal_id: str
    group: str
    target: str
    ratings: int = 0
    score: float | None = None
    """The latest rating."""


class Heard(Enum):
    """What became of a rating."""

    UNKNOWN = "unknown"
    """The caller has no such answer, or it is too old."""
    FIRST = "first"
    """It is the answer's first: only that counts for canaries and for adapters on trial."""
    LATER = "later"


class FeedbackBook:
    """A sink that remembers who may rate what. Lives on the event loop; its file is written by a thread of its own, and made
    with the first rating."""

    def __init__(
        self,
        folder: Path | None,
        rated: Callable[[str, str, float], None],
        kept: int = KEPT,
        now_unix_s: Callable[[], float] = clock.unix_s,
    ) -> None:
        """`folder` is where the file lies, None = nothing is written. `rated` takes (model group, target, score) of each
        answer's first rating."""
        self._folder, self._rated, self._kept, self._now_unix_s = folder, rated, kept, now_unix_s
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._outbox: Outbox[Feedback] | None = None
        self._file: Appender | None = None

    def write(self, outcome: Outcome) -> None:
        """See `core.ports.Sink`. What brought no answer can't be rated."""
        tries = [one for one in outcome.attempts if one.error_code is None and not one.question]
        answer = tries[-1] if tries else None
        if answer is None:
            return
        self._answers[outcome.decision_id] = _Answer(outcome.principal_id, answer.group, answer.target)
        if len(self._answers) > self._kept:
            self._answers.popitem(last=False)

    def rate(self, decision_id: str, principal_id: str, score: float) -> Heard:
        """Take a caller's rating, 0..1, of an answer of its own.

        A later rating that says something else is written down too, a few times, but counts for nothing else.
        """
        answer = self._answers.get(decision_id)
        if answer is None or answer.principal_id != principal_id:
            return Heard.UNKNOWN
        if score == answer.score or answer.ratings >= MOST_CHANGES:
            return Heard.LATER
        self._answers[decision_id] = answer._replace(ratings=answer.ratings + 1, score=score)
        if not answer.ratings:
            self._rated(answer.group, answer.target, score)
        if self._folder is not None:
            self._write(decision_id, answer, score)
        return Heard.LATER if answer.ratings else Heard.FIRST

    def _write(self, decision_id: str, answer: _Answer, score: float) -> None:
        if self._outbox is None:
            self._outbox = Outbox("feedback", self._append, close=self._close)
        feedback = Feedback(
            decision_id=decision_id,
            time_unix_s=self._now_unix_s(),
            principal_id=answer.principal_id,
            group=answer.group,
            target=answer.target,
            score=score,
        )
        self._outbox.put(feedback)

    def state(self) -> SinkState:
        """See `core.ports.Sink`."""
        return self._outbox.state() if self._outbox is not None else SinkState()

    async def aclose(self) -> None:
        """Write what waits, then close."""
        if self._outbox is not None:
            await self._outbox.aclose()

    def _append(self, batch: Sequence[Feedback]) -> None:
        if self._file is None:
            assert self._folder is not None
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = Appender(self._folder / FILE)
        self._file.append(b"".join(msgspec.json.encode(one) + b"\n" for one in batch))

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
