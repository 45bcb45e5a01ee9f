"""What a simulation came to, as JSON and as tables for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec
from rich.console import Console
from rich.table import Table

from router.simulation.replay import Replayed


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions that went to one target and would go to another."""

    before: str
    after: str
    decisions: int
    before_usd: Decimal
    after_usd: Decimal
    unknown_usd: int
    """Of these decisions: how many have no known cost, before or after; they are in neither sum."""
    before_ms: float | None
    """Mean time of an answer, over the decisions whose time is known before and after."""
    after_ms: float | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole."""

    decisions: int
    same: int
    """Made again exactly: the same targets in the same order, for the same reason, with the same scores."""
    unplanned: int
    """Requests that ended before there was a plan to make: wrong ones, and those that policy refused."""
    unreadable: int
    """Lines that aren't decisions of this version."""
    before_local: int
    after_local: int
    refused: int
    total: Move
    moves: tuple[Move, ...]
    """By pairs of targets, most decisions first; those that stay where they are are not among them."""
    reasons: dict[str, int]
    """How often each reason would be given."""


def summed_up(replayed: Sequence[Replayed], unplanned: int, unreadable: int) -> Report:
    """Count."""
    pairs: dict[tuple[str, str], list[Replayed]] = {}
    for one in replayed:
        if one.before != one.after:
            pairs.setdefault((one.before, one.after), []).append(one)
    moves = [_move(before, after, ones) for (before, after), ones in pairs.items()]
    return Report(
        decisions=len(replayed),
        same=sum(one.is_same for one in replayed),
        unplanned=unplanned,
        unreadable=unreadable,
        before_local=sum(one.before_local for one in replayed),
        after_local=sum(one.after_local is True for one in replayed),
        refused=sum(one.after_local is None for one in replayed),
        total=_move("all", "all", replayed),
        moves=tuple(sorted(moves, key=lambda move: (-move.decisions, move.before, move.after))),
        reasons=dict(Counter(one.after_reason or one.after for one in replayed).most_common()),
    )


def show(report: Report, console: Console) -> None:
    """Print it."""
    console.print(
        f"{report.decisions:,} decisions made again; {report.same:,} exactly as recorded, "
        f"{report.decisions - report.same:,} otherwise"
    )
    if report.unplanned or report.unreadable:
        console.print(
            f"left out: {report.unplanned:,} that ended before a choice, {report.unreadable:,} lines that can't be read"
        )
    facts = Table("", "recorded", "simulated", title="All decisions")
    facts.add_row("answered locally", f"{report.before_local:,}", f"{report.after_local:,}")
    facts.add_row("refused", "0", f"{report.refused:,}")
    facts.add_row("cost, US dollars", _usd(report.total.before_usd), _usd(report.total.after_usd))
    facts.add_row("mean time of an answer", _ms(report.total.before_ms), _ms(report.total.after_ms))
    console.print(facts)
    if report.total.unknown_usd:
        console.print(f"the cost of {report.total.unknown_usd:,} decisions is unknown and in neither sum")
    if report.moves:
        moves = Table("from", "to", "decisions", "cost before", "after", "time before", "after", title="What moves")
        for move in report.moves:
            moves.add_row(
                move.before,
                move.after,
                f"{move.decisions:,}",
                _usd(move.before_usd),
                _usd(move.after_usd),
                _ms(move.before_ms),
                _ms(move.after_ms),
            )
        console.print(moves)


def _move(before: str, after: str, ones: Iterable[Replayed]) -> Move:
    costs: list[tuple[Decimal, Decimal]] = []
    times: list[tuple[float, float]] = []
    count = 0
    for one in ones:
        count += 1
        if one.before_usd is not None and one.after_usd is not None:
            costs.append((one.before_usd, one.after_usd))
        if one.before_ms is not None and one.after_ms is not None:
            times.append((one.before_ms, one.after_ms))
    return Move(
        before=before,
        after=after,
        decisions=count,
        before_usd=sum((cost for cost, _ in costs), Decimal(0)),
        after_usd=sum((cost for _, cost in costs), Decimal(0)),
        unknown_usd=count - len(costs),
        before_ms=sum(time for time, _ in times) / len(times) if times else None,
        after_ms=sum(time for _, time in times) / len(times) if times else None,
    )


def _usd(amount: Decimal) -> str:
    return f"${amount:.6f}"


def _ms(time_ms: float | None) -> str:
    return "unknown" if time_ms is None else f"{time_ms:,.1f} ms"
