"""What the last attempts at one deployment measured, over a moving window, in bounded memory. Knows no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

_SLICES = 8
"""The window moves on by slices of this part of it."""

_RECENT = 2
"""Slices that are recent; those before them tell what is usual."""

_SAMPLES = 32
"""Times of each kind that a slice keeps, the last ones; so quantiles cost microseconds however much traffic there is."""

_ENOUGH = 5
"""Fewer times than this aren't compared."""

_TELLING = 20
"""Fewer times than this don't tell which is longer than nearly all."""

_PRIOR_ATTEMPTS = 2.0
"""Answers that the error ratio imagines before the first attempt, so that one failure alone isn't a ratio of 1."""


class Quantiles(msgspec.Struct, frozen=True, kw_only=True):
    """Times of the window in milliseconds; what wasn't measured is None."""

    ttft_p50_ms: float | None = None
    ttft_p95_ms: float | None = None
    elapsed_p50_ms: float | None = None
    elapsed_p95_ms: float | None = None
    ttft_p99_ms: float | None = None
    """This and the next only where there are enough times to tell."""
    elapsed_p99_ms: float | None = None
    slowdown: float | None = None
    """How many times the usual median the recent median of times to the first token is."""


class _Slice:
    __slots__ = ("attempts", "elapsed_ms", "index", "ttft_ms")

    def __init__(self, index: int) -> None:
        self.index = index
        self.attempts = 0
        self.ttft_ms: deque[float] = deque(maxlen=_SAMPLES)
        self.elapsed_ms: deque[float] = deque(maxlen=_SAMPLES)


class Window:
    """Times and failures of the last `window_s` seconds. All methods take the monotonic time."""

    def __init__(self, window_s: float) -> None:
        self._slice_s = window_s / _SLICES
        self._decay_step_s = self._slice_s / 64
        """Within it all attempts weigh the same: the ratio is wrong by 1 % at most, and each costs a power less."""
        self._slices: deque[_Slice] = deque()
        self._attempts = 0.0
        """Weight of all attempts: one counts 1 at first and half as much after each slice's time."""
        self._failures = 0.0
        self._weighed_s = 0.0
        self._quantiles: Quantiles | None = None
        self._quantiles_index = 0

    def failed(self, now_s: float) -> None:
        """Count an attempt that failed."""
        self._counted(now_s)
        self._failures += 1

    def finished(self, now_s: float, elapsed_ms: float) -> None:
        """Count an attempt that brought a whole answer, and keep its time."""
        self._counted(now_s).elapsed_ms.append(elapsed_ms)
        self._quantiles = None

    def first_token(self, now_s: float, ttft_ms: float) -> None:
        """Keep the time to a first token."""
        self._slice(now_s).ttft_ms.append(ttft_ms)
        self._quantiles = None

    def forgive(self) -> None:
        """Forget all attempts and failures, keep the times: what failed before a breaker closed is over."""
        self._attempts = self._failures = 0.0
        for one in self._slices:
            one.attempts = 0

    def attempts(self, now_s: float) -> int:
        """Count the attempts in the window."""
        self._drop_old(now_s)
        return sum(one.attempts for one in self._slices)

    def error_ratio(self, now_s: float) -> float:
        """Return the share of attempts that failed, recent ones counting more; without attempts it goes to 0."""
        if now_s - self._weighed_s > self._decay_step_s:
            self._decay(now_s)
        return self._failures / (self._attempts + _PRIOR_ATTEMPTS)

    def quantiles(self, now_s: float) -> Quantiles:
        """Summarize the times in the window."""
        self._drop_old(now_s)
        index = int(now_s / self._slice_s)
        if self._quantiles is None or self._quantiles_index != index:
            self._quantiles_index, recent_from = index, index - _RECENT
            ttft_ms = sorted(_all(one.ttft_ms for one in self._slices))
            elapsed_ms = sorted(_all(one.elapsed_ms for one in self._slices))
            usual = sorted(_all(one.ttft_ms for one in self._slices if one.index <= recent_from))
            recent = sorted(_all(one.ttft_ms for one in self._slices if one.index > recent_from))
            comparable = min(len(usual), len(recent)) >= _ENOUGH
            self._quantiles = Quantiles(
                ttft_p50_ms=_quantile(ttft_ms, 0.5),
                ttft_p95_ms=_quantile(ttft_ms, 0.95),
                elapsed_p50_ms=_quantile(elapsed_ms, 0.5),
                elapsed_p95_ms=_quantile(elapsed_ms, 0.95),
                ttft_p99_ms=_quantile(ttft_ms, 0.99) if len(ttft_ms) >= _TELLING else None,
                elapsed_p99_ms=_quantile(elapsed_ms, 0.99) if len(elapsed_ms) >= _TELLING else None,
                slowdown=_at(recent, 0.5) / max(_at(usual, 0.5), 1e-3) if comparable else None,
            )
        return self._quantiles

    def _counted(self, now_s: float) -> _Slice:
        if now_s - self._weighed_s > self._decay_step_s:
            self._decay(now_s)
        self._attempts += 1
        one = self._slice(now_s)
        one.attempts += 1
        return one

    def _slice(self, now_s: float) -> _Slice:
        index = int(now_s / self._slice_s)
        if not self._slices or self._slices[-1].index != index:
            self._drop_old(now_s)
            self._slices.append(_Slice(index))
        return self._slices[-1]

    def _drop_old(self, now_s: float) -> None:
        oldest = int(now_s / self._slice_s) - _SLICES + 1
        while self._slices and self._slices[0].index < oldest:
            self._slices.popleft()

    def _decay(self, now_s: float) -> None:
        left = 0.5 ** ((now_s - self._weighed_s) / self._slice_s)
        self._attempts *= left
        self._failures *= left
        self._weighed_s = now_s


def _all(parts: Iterable[Iterable[float]]) -> list[float]:
    return [time for part in parts for time in part]


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    return round(_at(ordered, share), 1) if ordered else None


def _at(ordered: Sequence[float], share: float) -> float:
    """Return the nearest rank: the smallest time that at least `share` of all don't exceed."""
    rank = -int(-share * len(ordered) // 1)
    return ordered[max(rank, 1) - 1]
