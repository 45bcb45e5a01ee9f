"""The ledger on SQLite: what is counted reaches the store once, whatever fails in between, and is known again at a start."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from router.core import clock
from router.core.periods import Spent, periods
from router.core.types import Attempt, Budget, Limits, Locality, Price, Principal, Usage
from router.record.databases import Row, Sqlite, StoreDown, Value
from router.record.keys import StoredKey, digest, fingerprint
from router.record.ledger import LEFT, SNAPSHOT, Ledger
from router.record.pricing import Tariff
from router.record.store import Batch, Place, SpentPicousd, Store, Tally
from router.record.trace import Trace

pytestmark = pytest.mark.anyio

SECRET = b"s" * 32
WHO = Principal(id="someone", tenant="lab", limits=Limits(budget=Budget(day_usd=Decimal("0.5"))))


def attempt(usd: str | None, target: str = "cloud/m", *, estimated: bool = False) -> Attempt:
    usage = Usage(input_tokens=10, output_tokens=4, reasoning_tokens=1)
    cost = None if usd is None else Decimal(usd)
    return Attempt(
        target=target, locality=Locality.ANY, elapsed_ms=1.0, usage=usage, cost_usd=cost, estimated=estimated
    )


class Trouble(Sqlite):
    """A database that fails where it is told to: before a transaction's end, or just behind it, when nobody knows."""

    def __init__(self, path: Path, faults: list[str]) -> None:
        super().__init__(path)
        self._faults = faults

    def execute(self, sql: str, values: Mapping[str, Value] | None = None) -> int:
        fault = self._faults[0] if self._faults else ""
        if sql == "COMMIT" and fault:
            self._faults.pop(0)
            if fault == "behind":
                super().execute(sql, values)
            raise StoreDown(fault)
        return super().execute(sql, values)

    def query(self, sql: str, values: Mapping[str, Value] | None = None) -> list[Row]:
        if self._faults and self._faults[0] == "down":
            raise StoreDown("down")
        return super().query(sql, values)


def store_at(folder: Path, faults: list[str] | None = None) -> Store:
    def connect() -> Trouble:
        if faults and faults[0] == "down":
            raise StoreDown("down")
        return Trouble(folder / "ledger.sqlite", faults if faults is not None else [])

    return Store(connect, Sqlite.begin)


def ledger_at(folder: Path, faults: list[str] | None = None, *, max_waiting: int = 1000) -> Ledger:
    return Ledger(store_at(folder, faults), folder, SECRET, refresh_s=0.05, max_waiting=max_waiting)


def left(folder: Path) -> list[Path]:
    """Files of what couldn't be written."""
    return [*folder.glob(f"{LEFT}*")]


def totals(folder: Path) -> tuple[int, Decimal]:
    store = store_at(folder)
    lines = store.report((), 0)
    store.close()
    return (lines[0].tally.attempts, Decimal(lines[0].tally.cost_picousd) / 10**12) if lines else (0, Decimal(0))


@pytest.mark.parametrize("faults", [*itertools.product(["", "before", "behind"], repeat=3)], ids="-".join)
async def test_what_is_counted_is_stored_once_wherever_a_commit_fails(tmp_path: Path, faults: Sequence[str]) -> None:
    """A commit whose answer is lost may have been done: the same batch is tried again, and must not count twice."""
    store = store_at(tmp_path, [fault for fault in faults if fault])
    row = (Place(0, "k", "t", "m", "x", "cloud", False), Tally(requests=1, attempts=1, cost_picousd=7))
    for number in (1, 2):
        batch = Batch(writer="w", number=number, rows=[row])
        for _ in range(5):
            try:
                store.write(batch)
            except StoreDown:
                continue
            break
    store.close()
    assert totals(tmp_path) == (2, Decimal(14) / 10**12)


async def test_spending_is_known_at_once_and_after_a_restart(tmp_path: Path) -> None:
    one = ledger_at(tmp_path)
    await one.start()
    one.add(WHO, "m", [attempt("0.1"), attempt("0.02", "cloud/other", estimated=True), attempt(None, "cloud/new")])
    assert one.spent("someone").day_usd == Decimal("0.12")
    await asyncio.sleep(0.2)  # read back meanwhile: it must not be counted twice, nor forgotten
    assert one.spent("someone").month_usd == Decimal("0.12")
    await one.aclose()
    assert totals(tmp_path) == (3, Decimal("0.12"))
    again = ledger_at(tmp_path)
    assert again.spent("someone").week_usd == Decimal("0.12")  # from what it kept, before the store was asked
    await again.start()
    assert again.spent("someone").week_usd == Decimal("0.12")
    await again.aclose()


async def test_the_report_tells_requests_attempts_estimates_and_what_has_no_price(tmp_path: Path) -> None:
    one = ledger_at(tmp_path)
    await one.start()
    one.add(WHO, "m", [attempt("0.1"), attempt("0.02", estimated=True), attempt(None)])
    await one.aclose()
    store = store_at(tmp_path)
    lines = {line.names: line.tally for line in store.report(("key", "estimated"), 0)}
    store.close()
    sure, estimated = lines["someone", 0], lines["someone", 1]
    assert (sure.requests, sure.attempts, sure.unpriced, sure.input_tokens) == (1, 2, 1, 20)
    assert (estimated.requests, estimated.attempts, estimated.cost_picousd) == (0, 1, 20_000_000_000)


async def test_while_the_store_is_down_rows_wait_bounded_and_go_to_a_file_at_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    faults = ["down"]
    one = ledger_at(tmp_path, faults, max_waiting=2)
    await one.start()
    for number in range(300):
        one.add(WHO, "m", [attempt("0.001", f"cloud/{number % 3}")])
    state = one.state()
    assert (state.waiting, state.lost) == (2, 100)
    assert caplog.text.count("others are lost") == 1
    assert state.trouble
    assert one.spent("someone").day_usd == Decimal("0.3")  # what is lost to the store still counts here
    await one.aclose()
    assert left(tmp_path)
    assert totals(tmp_path) == (0, Decimal(0))
    again = ledger_at(tmp_path)
    await again.start()
    await again.aclose()
    assert totals(tmp_path) == (200, Decimal("0.2"))
    assert not left(tmp_path)


async def test_runs_that_share_a_folder_leave_nothing_of_each_other_s_behind(tmp_path: Path) -> None:
    runs = [ledger_at(tmp_path, ["down"]) for _ in range(3)]
    for one in runs:
        await one.start()
        one.add(WHO, "m", [attempt("0.1")])
    await asyncio.gather(*(one.aclose() for one in runs))
    still_down = ledger_at(tmp_path, ["down"])
    await still_down.start()
    await still_down.aclose()
    assert len(left(tmp_path)) == 1
    again = [ledger_at(tmp_path) for _ in range(2)]
    for one in again:
        await one.start()  # both find it, and write it once
    await asyncio.gather(*(one.aclose() for one in again))
    assert totals(tmp_path) == (3, Decimal("0.3"))
    assert not left(tmp_path)


@pytest.mark.parametrize("count", [-(10**6), 10**18, 10**23])
async def test_counts_that_an_upstream_made_up_neither_stop_the_store_nor_give_money_back(
    tmp_path: Path, count: int
) -> None:
    tariff = Tariff(Price(input_usd=Decimal(3), output_usd=Decimal(15)))
    trace = Trace("r", lambda _: tariff)
    made_up = Usage(input_tokens=count, output_tokens=count)
    trace.attempted(Attempt(target="cloud/m", locality=Locality.ANY, elapsed_ms=1.0, usage=made_up, pieces=1))
    one = ledger_at(tmp_path)
    await one.start()
    one.add(WHO, "m", trace.attempts)
    one.add(WHO, "m", [attempt("0.1"), attempt("1e18", "cloud/of-a-mad-price")])
    async with asyncio.timeout(5):
        while one.state().waiting:
            await asyncio.sleep(0.02)
    assert one.state().trouble == ""
    assert one.spent("someone").day_usd >= Decimal("0.1")
    await one.aclose()
    assert trace.outcome().usage is None


async def test_a_bug_in_the_store_is_logged_once_by_its_place_and_the_thread_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Buggy(Sqlite):
        tries = 0

        def execute_all(self, sql: str, rows: Sequence[Mapping[str, Value]]) -> None:
            Buggy.tries += 1
            if Buggy.tries < 3:
                raise ValueError("what somebody wrote")
            super().execute_all(sql, rows)

    store = Store(lambda: Buggy(tmp_path / "ledger.sqlite"), Sqlite.begin)
    one = Ledger(store, tmp_path, SECRET, refresh_s=0.05, max_waiting=10)
    await one.start()
    one.add(WHO, "m", [attempt("0.1")])
    async with asyncio.timeout(10):
        while one.state().waiting:
            await asyncio.sleep(0.02)
    await one.aclose()
    assert totals(tmp_path) == (1, Decimal("0.1"))
    assert caplog.text.count("execute_all") == 1
    assert "ValueError" in caplog.text
    assert "what somebody wrote" not in caplog.text


async def test_a_long_outage_keeps_no_more_rows_than_there_are_places(tmp_path: Path) -> None:
    faults = ["down"]
    one = ledger_at(tmp_path, faults)
    await one.start()
    for _ in range(4):
        one.add(WHO, "m", [attempt("0.001")])
        await asyncio.sleep(0.6)
    assert one.state().waiting <= 3
    faults.clear()
    async with asyncio.timeout(10):
        while one.state().waiting:
            await asyncio.sleep(0.05)
    await one.aclose()
    assert totals(tmp_path) == (4, Decimal("0.004"))


async def test_what_other_routers_spent_is_learned_and_keys_come_and_go(tmp_path: Path) -> None:
    one = ledger_at(tmp_path)
    await one.start()
    assert not one.has_keys
    other = store_at(tmp_path)
    hour = int(clock.unix_s()) // 3600 * 3600
    row = (Place(hour, "someone", "lab", "m", "x", "cloud", False), Tally(attempts=1, cost_picousd=5 * 10**11))
    other.write(Batch(writer="other", number=1, rows=[row]))
    for key, secret in (("sk-a", SECRET), ("sk-b", b"x" * 32)):
        stored = StoredKey(
            principal=WHO if key == "sk-a" else Principal(id="foreign"),
            digest=digest(secret, key).hex(),
            secret_id=fingerprint(secret),
            created_unix_s=1,
        )
        assert other.add_key(stored)
        assert not other.add_key(stored)
    async with asyncio.timeout(10):
        while not one.keys or one.spent("someone").day_usd != Decimal("0.5"):
            await asyncio.sleep(0.02)
    assert one.keys == {digest(SECRET, "sk-a"): WHO}
    assert other.revoke_key("someone")
    assert not other.revoke_key("someone")
    async with asyncio.timeout(10):
        while one.keys:
            await asyncio.sleep(0.02)
    assert one.has_keys  # so that nobody comes in without one
    other.close()
    await one.aclose()
    assert ledger_at(tmp_path).has_keys


async def test_a_key_that_was_revoked_is_known_to_be_though_nothing_can_be_kept_in_the_folder(tmp_path: Path) -> None:
    """Its own disk may be full while the store, which is elsewhere, is well."""
    one, other = ledger_at(tmp_path), store_at(tmp_path)
    await one.start()
    (tmp_path / f"{SNAPSHOT}.new").mkdir()
    key = StoredKey(principal=WHO, digest=digest(SECRET, "sk").hex(), secret_id=fingerprint(SECRET), created_unix_s=1)
    assert other.add_key(key)
    async with asyncio.timeout(5):
        while not one.keys:
            await asyncio.sleep(0.02)
    async with asyncio.timeout(5):
        while not one.state().trouble:
            await asyncio.sleep(0.02)
    assert one.state().trouble == "its folder can't be written: Is a directory", "shown to whoever asks /ready: no path"
    assert other.revoke_key("someone")
    async with asyncio.timeout(5):
        while one.keys:
            await asyncio.sleep(0.02)
    other.close()
    (tmp_path / f"{SNAPSHOT}.new").rmdir()
    await one.aclose()


@pytest.mark.parametrize(("days", "week_usd", "month_usd"), [(1, "0.1", "0.1"), (7, "0", "0.1"), (31, "0", "0")])
async def test_a_start_without_the_store_knows_what_was_spent_in_periods_that_still_run(
    tmp_path: Path, days: int, week_usd: str, month_usd: str
) -> None:
    now_s = datetime(2026, 11, 10, 12, tzinfo=UTC).timestamp()  # a Tuesday

    def run(faults: list[str]) -> Ledger:
        return Ledger(
            store_at(tmp_path, faults), tmp_path, SECRET, refresh_s=1, max_waiting=10, now_unix_s=lambda: now_s
        )

    one = run([])
    await one.start()
    one.add(WHO, "m", [attempt("0.1")])
    await one.aclose()
    now_s += days * 86_400
    spent = run(["down"]).spent("someone")
    assert spent == Spent(week_usd=Decimal(week_usd), month_usd=Decimal(month_usd))


def test_whether_there_are_keys_is_not_known_where_the_store_was_never_read(tmp_path: Path) -> None:
    assert not ledger_at(tmp_path).is_known
    for damaged in (b"", b"{", b"\xff\xfe", b"[]"):
        (tmp_path / SNAPSHOT).write_bytes(damaged)
        assert not ledger_at(tmp_path).is_known


@pytest.mark.parametrize(("day", "month_usd"), [(11, "0.1"), (30, "0")])
async def test_at_midnight_the_day_begins_anew_and_the_month_goes_on(tmp_path: Path, day: int, month_usd: str) -> None:
    times = [datetime(2026, 11, day, 23, 59, 59, tzinfo=UTC).timestamp()]
    one = Ledger(store_at(tmp_path), tmp_path, SECRET, refresh_s=1, max_waiting=10, now_unix_s=lambda: times[-1])
    one.add(WHO, "m", [attempt("0.1")])
    assert one.spent("someone").day_usd == Decimal("0.1")
    times.append(times[0] + 2)
    assert one.spent("someone").day_usd == 0
    assert one.spent("someone").month_usd == Decimal(month_usd)
    assert one.periods == periods(times[-1])


def test_sums_of_the_store_are_exact(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    rows = [
        (Place(hour, "k", "t", "m", "x", "cloud", False), Tally(attempts=1, cost_picousd=123_456_789_012))
        for hour in range(0, 3600 * 1000, 3600)
    ]
    store.write(Batch(writer="w", number=1, rows=rows))
    assert store.spent(7200, 3600, 0) == {
        "k": SpentPicousd(123_456_789_012 * 998, 123_456_789_012 * 999, 123_456_789_012_000)
    }
    store.close()
