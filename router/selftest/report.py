"""What a self-test came to: as JSON, as a table, and in one sentence. Names types and fields, never values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from router.selftest.trial import Fate, Judged

LEAST_WIDTH = 120
LATE_RATIO = 0.25
"""More requests than this kept back by a late scan, where nothing was wrong, is a failure of its own."""


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of one check."""

    name: str
    requests: int = 0
    sensitive: int = 0
    """Requests with a value that must not be seen by a cloud."""
    leaked: int = 0
    local: int = 0
    """Of all requests: answered by the local engine."""
    masked: int = 0
    """Sensitive ones that a cloud answered without seeing the value."""
    blocked: int = 0
    unavailable: int = 0
    harmless: int = 0
    harmless_answered: int = 0
    late: int = 0
    """Kept back because the scan wasn't done."""
    failed: int = 0
    """Requests with a problem, leaks included."""
    skipped: str = ""
    """Why it wasn't run."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Something that went wrong, how often, and with what."""

    check: str
    what: str
    entity: str = ""
    field: str = ""
    cloud: str = ""
    count: int = 1


class Allowed(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A type that the configuration lets leave as it is."""

    entity: str
    why: str
    sent: int
    left: int
    """How many of them a cloud saw."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole."""

    passed: bool
    verdict: str
    config: str
    seed: int
    requests: int
    sensitive: int
    leaked: int
    upper_bound: float | None
    """95 % upper bound of the share that leaks: 3 / `sensitive` where none did."""
    elapsed_s: float
    checks: tuple[CheckResult, ...]
    problems: tuple[Problem, ...]
    allowed: tuple[Allowed, ...]
    notes: tuple[str, ...]


def count(name: str, judged: Iterable[Judged], leaks: frozenset[int]) -> CheckResult:
    """Count the answers of one check; `leaks` are ids of canaries that clouds saw and must not have seen."""
    all_of_it = list(judged)
    fates = Counter(one.reply.fate for one in all_of_it)
    sensitive = [one for one in all_of_it if one.reply.case.canary is not None and one.may_leave is None]
    harmless = [one for one in all_of_it if one.reply.case.canary is None]
    leaked = [one for one in sensitive if one.reply.case.canary is not None and one.reply.case.canary.id in leaks]
    masked = [one for one in sensitive if one.reply.fate is Fate.CLOUD and one not in leaked]
    failed = [one for one in all_of_it if one.problem or one in leaked]
    return CheckResult(
        name=name,
        requests=len(all_of_it),
        sensitive=len(sensitive),
        leaked=len(leaked),
        local=fates[Fate.LOCAL],
        masked=len(masked),
        blocked=fates[Fate.BLOCKED],
        unavailable=fates[Fate.UNAVAILABLE] + fates[Fate.BROKEN] + fates[Fate.DECLINED],
        harmless=len(harmless),
        harmless_answered=sum(one.reply.fate in (Fate.CLOUD, Fate.LOCAL) for one in harmless),
        late=sum(one.reply.unscanned for one in all_of_it),
        failed=len(failed),
    )


def report(
    *,
    config: str,
    seed: int,
    elapsed_s: float,
    checks: tuple[CheckResult, ...],
    problems: Iterable[Problem],
    allowed: Iterable[Allowed],
    notes: tuple[str, ...],
) -> Report:
    """Sum up."""
    found = tuple(sorted(problems))
    sensitive, leaked = sum(one.sensitive for one in checks), sum(one.leaked for one in checks)
    bound = min(3 / sensitive, 1.0) if sensitive and not leaked else None
    return Report(
        passed=not found,
        verdict=_verdict(sensitive, leaked, found, bound),
        config=config,
        seed=seed,
        requests=sum(one.requests for one in checks),
        sensitive=sensitive,
        leaked=leaked,
        upper_bound=bound,
        elapsed_s=round(elapsed_s, 1),
        checks=checks,
        problems=found,
        allowed=tuple(sorted(allowed)),
        notes=notes,
    )


def _verdict(sensitive: int, leaked: int, problems: tuple[Problem, ...], bound: float | None) -> str:
    if leaked:
        return f"FAIL: {leaked:,} of {sensitive:,} sensitive values reached a cloud."
    if problems:
        failed = sum(one.count for one in problems)
        return f"FAIL: no sensitive value reached a cloud, but {failed:,} expectations weren't met."
    if bound is None:
        return "PASS, but nothing was at stake: this configuration lets every value leave."
    return (
        f"PASS: none of {sensitive:,} sensitive values reached a cloud; "
        f"with 95 % confidence fewer than 1 in {int(1 / bound):,} would."
    )


Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many requests of it are done, and how many there are (0 = unknown)."""


@contextmanager
def progress() -> Generator[Progress]:
    """Show on standard error how far it is: one line that changes on a terminal, else a line for each check."""
    console = Console(stderr=True)
    last = ""
    with console.status("") as status:

        def step(what: str, done: int, total: int) -> None:
            nonlocal last
            status.update(f"{what} {f'{done}/{total}' if total else ''}")
            if what != last and not console.is_terminal:
                console.print(f"selftest: {what}{f' ({total} requests)' if total else ''}", highlight=False)
            last = what

        yield step


def show(result: Report) -> None:
    """Print it for a person."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, LEAST_WIDTH)  # a file has no edge
    console.print(_table(result.checks))
    for why, names in _skipped(result.checks).items():
        console.print(Text(f"Not run, since {why}: {', '.join(names)}.", style="dim"))
    if result.allowed:
        console.print(Text("\nYour configuration lets these leave as they are:", style="bold yellow"))
        for one in result.allowed:
            console.print(f"  {one.entity}: {one.why} [dim]({one.left} of {one.sent} were seen by a cloud)[/dim]")
    for note in result.notes:
        console.print(Text(f"\nNote: {note}", style="yellow"))
    if result.problems:
        console.print(Text("\nProblems:", style="bold red"))
        for one in result.problems:
            about = " in ".join(filter(None, (one.entity, f"'{one.field}'" if one.field else "")))
            where = f" at cloud '{one.cloud}'" if one.cloud else ""
            console.print(
                Text(f"  {one.count:>4} x {about or 'a harmless prompt'} {one.what}{where}, while {one.check}")
            )
    console.print(
        f"\n{result.requests:,} requests, {result.sensitive:,} of them sensitive, in {result.elapsed_s:.0f} s; "
        f"seed {result.seed}",
        highlight=False,
        style="dim",
    )
    console.print(Text(result.verdict, style="bold green" if result.passed else "bold red"), soft_wrap=True)


def _skipped(checks: Iterable[CheckResult]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for one in checks:
        if one.skipped:
            reasons.setdefault(one.skipped, []).append(one.name)
    return reasons


def _table(checks: Iterable[CheckResult]) -> Table:
    table = Table(title="What became of the requests", title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.add_column("while", no_wrap=True)
    for name in ("sent", "sensitive", "leaked", "bound", "local", "masked", "refused", "no answer", "harmless ok"):
        table.add_column(name, justify="right")
    table.add_column("", no_wrap=True)
    for one in checks:
        if one.skipped:
            table.add_row(Text(one.name, style="dim"), *[""] * 9, Text("not run", style="dim"))
            continue
        bound = f"{min(3 / one.sensitive, 1):.2%}" if one.sensitive and not one.leaked else "-"
        leaked = Text(f"{one.leaked:,}", style="bold red" if one.leaked else "")
        counts = (f"{number:,}" for number in (one.local, one.masked, one.blocked, one.unavailable))
        answered = f"{one.harmless_answered}/{one.harmless}"
        mark = Text("FAILED", style="bold red") if one.failed else Text("ok", style="green")
        table.add_row(one.name, f"{one.requests:,}", f"{one.sensitive:,}", leaked, bound, *counts, answered, mark)
    return table
