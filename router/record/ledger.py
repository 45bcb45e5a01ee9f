"""What every key spent: counted in memory, written in batches by a thread of its own, and read back for all routers.

No request waits for the store. While it is down or slow, what is spent is counted in memory, by hour, key, model and target,
so that an outage of a day is a few thousand rows; budgets then hold on what was last known and what was spent here since.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import TypeVar

import msgspec

from router.core import clock
from router.core.errors import stack_of
from router.core.periods import Periods, Spent, periods
from router.core.types import Attempt, Locality, Principal
from router.record.databases import StoreDown
from router.record.files import write_whole
from router.record.keys import StoredKey, bearers, fingerprint
from router.record.store import PICO, Batch, Place, SpentPicousd, Store, Tally, usd

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

BATCH_S = 0.25
"""How long usage is collected before it is written; a killed process loses no more than this."""

_MOST_PICOUSD = 10**18
"""A million dollars: no attempt counts as more, so that whatever price stands in a configuration, the database can hold it."""

_NOTHING = SpentPicousd()
_RETRY_S = 0.5
_SNAPSHOT_S = 60.0
_FIRST_S = 5.0
"""How long a start waits for the store to tell what was spent before."""

_CLOSE_S = 10.0
SNAPSHOT = "ledger-known.json"
LEFT = "ledger-waiting"
"""How the names of files begin in which runs of routers left what they couldn't write, each its own."""


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the store said last, for a start without it. Hashes of keys, no keys."""

    keys: tuple[StoredKey, ...] = ()
    spent: dict[str, SpentPicousd] = {}
    periods: Periods | None = None


class LedgerState(msgspec.Struct, frozen=True, kw_only=True):
    """How the ledger is doing."""

    trouble: str = ""
    """Why the store can't be used now, in words; empty = it can."""
    waiting: int = 0
    """Rows that are counted but not written yet."""
    lost: int = 0
    """Attempts that were never counted, since the start: too many rows waited."""


class Ledger:
    """Owns the counts in memory; `add` and what reads belong to the event loop, the store to the thread."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        secret: bytes,
        *,
        refresh_s: float,
        max_waiting: int,
        now_unix_s: Callable[[], float] = clock.unix_s,
    ) -> None:
        """Read what is known from the folder for records; the store is opened by `start`."""
        self._now_unix_s = now_unix_s
        self._store, self._folder, self._secret = store, folder, secret
        self._refresh_s, self._max_waiting = refresh_s, max_waiting
        self._writer, self._number = secrets.token_hex(8), 0
        self._lock = threading.Lock()
        self._open: dict[Place, Tally] = {}
        self._unwritten: list[Batch] = []
        """In the order they are written; replaced, not changed, but under the lock."""
        self._left: tuple[Path, ...] = ()
        """Files of earlier runs, whose batches are unwritten yet."""
        self._since_read: list[Batch] = []
        """Batches that were written after what was spent was read last."""
        self._trouble, self._lost = "", 0
        known = _read(folder / SNAPSHOT, _Known)
        self._known, self.is_known = known or _Known(), known is not None
        """Whether the store was ever read, now or by an earlier run: else nobody can say whether there are keys."""
        self._periods = periods(self._now_unix_s())
        self._spent = _rolled(self._known.spent, self._known.periods or self._periods, self._periods)
        self.keys = bearers(self._known.keys, secret)
        """Whose keys the store has, by their digests; replaced when it is read."""
        self._wake, self._closing = threading.Event(), threading.Event()
        self._tried, self._was_read = asyncio.Event(), False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    async def start(self) -> None:
        """Start the thread; wait a little for what the store knows, and go on without it."""
        self._loop = asyncio.get_running_loop()
        left = {path: _read(path, list[Batch]) for path in sorted(self._folder.glob(f"{LEFT}*.json"))}
        self._left = tuple(path for path, batches in left.items() if batches is not None)
        self._unwritten = [batch for batches in left.values() for batch in batches or ()]
        self._thread.start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_S):
                await self._tried.wait()

    @property
    def has_keys(self) -> bool:
        """Whether keys were ever made in the store: then nobody comes in without one, also if all are revoked."""
        return bool(self._known.keys)

    @property
    def principals(self) -> Sequence[Principal]:
        """The bearers of all keys in the store that weren't revoked."""
        return tuple(self.keys.values())

    def add(self, who: Principal, model: str, attempts: Sequence[Attempt]) -> None:
        """Count a finished request's attempts that were billed, or answered here; returns at once."""
        billed = [attempt for attempt in attempts if attempt.usage is not None]
        if not billed:
            return
        now_s = self._now_unix_s()
        self._roll(now_s)
        hour, spent, last = int(now_s) // 3600 * 3600, 0, billed[-1]
        lost_before = self._lost
        with self._lock:
            for attempt in billed:
                cost = 0
                if attempt.cost_usd:
                    cost = _picousd(attempt.cost_usd)
                    spent += cost
                locality = "local" if attempt.locality is Locality.LOCAL else "cloud"
                place = Place(hour, who.id, who.tenant, model, attempt.target, locality, attempt.estimated)
                tally = self._open.get(place)
                if tally is None:
                    if self._rows_waiting() >= self._max_waiting:
                        self._lost += 1
                        continue
                    tally = self._open[place] = Tally()
                _count(tally, attempt, cost)
                tally.requests += attempt is last
        if self._lost > lost_before == 0:
            _log.error("%d rows of usage wait for the ledger's store: from now on, others are lost", self._max_waiting)
        if spent:
            day, week, month = self._spent.get(who.id, _NOTHING)
            self._spent[who.id] = SpentPicousd(day + spent, week + spent, month + spent)

    def spent(self, key_id: str) -> Spent:
        """Return what a key spent in the running periods, as far as is known here."""
        self._roll(self._now_unix_s())
        day, week, month = self._spent.get(key_id, _NOTHING)
        return Spent(day_usd=usd(day), week_usd=usd(week), month_usd=usd(month))

    @property
    def periods(self) -> Periods:
        """The running day, week and month."""
        self._roll(self._now_unix_s())
        return self._periods

    def state(self) -> LedgerState:
        """Say how it is doing."""
        with self._lock:
            return LedgerState(trouble=self._trouble, waiting=self._rows_waiting(), lost=self._lost)

    async def aclose(self) -> None:
        """Write what waits; what can't be written goes to a file, and is written at the next start."""
        self._closing.set()
        self._wake.set()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, _CLOSE_S)
        await asyncio.to_thread(self._leave)

    def _roll(self, now_s: float) -> None:
        """Begin a new day, week or month where it is time."""
        if self._periods.day <= now_s < self._periods.next_day:
            return
        old, self._periods = self._periods, periods(now_s)
        self._spent = _rolled(self._spent, old, self._periods)

    def _rows_waiting(self) -> int:
        return len(self._open) + sum(len(batch.rows) for batch in self._unwritten)

    # -- the thread's

    def _run(self) -> None:
        read_s = saved_s = 0.0
        saved = self._known.keys if self.is_known else None
        while True:
            closing = self._closing.is_set()
            try:
                self._write()
                if not closing and (not read_s or clock.monotonic_s() - read_s >= self._refresh_s):
                    known = self._read()
                    read_s = clock.monotonic_s()
                    self._tell(
                        known
                    )  # before it is kept: a key that was revoked must not live on for want of room here
                    if known.keys != saved or read_s - saved_s >= _SNAPSHOT_S:
                        saved_s = read_s
                        write_whole(self._folder / SNAPSHOT, msgspec.json.encode(known), 0o600)
                        saved = known.keys
            except StoreDown as error:
                self._say(str(error))
            except OSError as error:
                self._say(f"its folder can't be written: {error.strerror}")
            except Exception as error:  # noqa: BLE001 whatever it is, the thread must live, and what waits be tried again
                if not self._trouble:
                    _log.error("the ledger can't be written by a bug of the router\n%s", stack_of(error))
                self._say("a bug of the router; its log says where")
            else:
                self._say("")
            self._call(self._tried.set)
            if closing:
                self._store.close()
                return
            self._wake.wait(_RETRY_S if self._trouble else BATCH_S)

    def _write(self) -> None:
        """Write what waits, oldest first. A batch that was tried stays as it is: it may have been written."""
        with self._lock:
            if self._open:
                rows, self._open = list(self._open.items()), {}
                self._number += 1
                self._unwritten.append(Batch(writer=self._writer, number=self._number, rows=rows))
        self._merge()
        while self._unwritten:
            batch = self._unwritten[0]
            self._store.write(batch)
            with self._lock:
                self._unwritten.pop(0)
                self._since_read.append(batch)
        for path in self._left:
            path.unlink(missing_ok=True)
        self._left = ()

    def _merge(self) -> None:
        """Put batches that were never tried together, so that a long outage doesn't fill the memory with the same rows."""
        untried = [batch for batch in self._unwritten[1:] if batch.writer == self._writer]
        if len(untried) < 2:
            return
        rows: dict[Place, Tally] = {}
        for batch in untried:
            for place, tally in batch.rows:
                rows.setdefault(place, Tally()).add(tally)
        kept = [batch for batch in self._unwritten if batch not in untried]
        self._unwritten = [*kept, Batch(writer=self._writer, number=untried[-1].number, rows=list(rows.items()))]

    def _read(self) -> _Known:
        now = periods(self._now_unix_s())
        with self._lock:
            self._since_read = []
        keys = self._store.keys()
        return _Known(keys=keys, spent=self._store.spent(now.day, now.week, now.month), periods=now)

    def _tell(self, known: _Known) -> None:
        """Hand over to the event loop what was read, and wait until it has it."""
        taken = threading.Event()

        def take() -> None:
            self._take(known)
            taken.set()

        if self._call(take):
            taken.wait(_CLOSE_S)

    def _call(self, what: Callable[[], object]) -> bool:
        """Have the event loop do something; False = it is closed."""
        try:
            assert self._loop is not None
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:
            return False
        return True

    def _say(self, trouble: str) -> None:
        if trouble and not self._trouble:
            _log.error("the ledger's store can't be used, usage waits in memory: %s", trouble)
        elif self._trouble and not trouble:
            _log.warning("the ledger's store can be used again")
        self._trouble = trouble

    # -- the event loop's again

    def _take(self, known: _Known) -> None:
        """Take what the store knows, and what it can't know yet."""
        self._roll(self._now_unix_s())
        if known.keys != self._known.keys:
            self.keys = bearers(known.keys, self._secret)
            own = fingerprint(self._secret)
            if foreign := sum(key.secret_id != own for key in known.keys):
                _log.error("%d stored keys were made with another router's secret: copy the file 'secret'", foreign)
        self._known = known
        self._was_read = self.is_known = True
        if known.periods != self._periods:
            return  # read before midnight; it is read again soon
        spent = dict(known.spent)
        with self._lock:
            later = [row for batch in (*self._since_read, *self._unwritten) for row in batch.rows]
            for place, tally in (*later, *self._open.items()):
                if tally.cost_picousd:
                    day, week, month = spent.get(place.key_id, _NOTHING)
                    cost, now = tally.cost_picousd, self._periods
                    spent[place.key_id] = SpentPicousd(
                        day + cost * (place.hour >= now.day),
                        week + cost * (place.hour >= now.week),
                        month + cost * (place.hour >= now.month),
                    )
        self._spent = spent

    def _leave(self) -> None:
        """Write to files what the store doesn't have, and what is known now."""
        with self._lock:
            batches = list(self._unwritten)
            if self._open:
                batches.append(Batch(writer=self._writer, number=self._number + 1, rows=list(self._open.items())))
            if self._thread.is_alive():
                _log.error("the ledger's store didn't answer in %g s", _CLOSE_S)
        known = msgspec.structs.replace(self._known, spent=self._spent, periods=self._periods)
        try:
            if self._was_read:
                write_whole(self._folder / SNAPSHOT, msgspec.json.encode(known), 0o600)
            if batches:
                write_whole(self._folder / f"{LEFT}-{self._writer}.json", msgspec.json.encode(batches), 0o600)
                for path in self._left:  # what stood there stands here now
                    path.unlink(missing_ok=True)
        except OSError as error:
            _log.error("%d rows of the ledger are lost: %s", sum(len(one.rows) for one in batches), error.strerror)


def known_keys(folder: Path) -> tuple[StoredKey, ...]:
    """Return the keys that the store was last seen to have, from the folder for records."""
    known = _read(folder / SNAPSHOT, _Known)
    return known.keys if known is not None else ()


def _rolled(spent: Mapping[str, SpentPicousd], old: Periods, new: Periods) -> dict[str, SpentPicousd]:
    """Keep of what was spent in some periods what was spent in the running ones."""
    same_day, same_week, same_month = old.day == new.day, old.week == new.week, old.month == new.month
    return {
        key: SpentPicousd(day * same_day, week * same_week, month * same_month)
        for key, (day, week, month) in spent.items()
    }


def _count(tally: Tally, attempt: Attempt, cost_picousd: int) -> None:
    usage = attempt.usage
    assert usage is not None
    tally.attempts += 1
    tally.cost_picousd += cost_picousd
    tally.input_tokens += usage.input_tokens
    tally.output_tokens += usage.output_tokens
    if attempt.cost_usd is None:
        tally.unpriced += 1
    # What most answers have none of.
    if usage.cached_input_tokens:
        tally.cached_input_tokens += usage.cached_input_tokens
    if usage.cache_write_tokens:
        tally.cache_write_tokens += usage.cache_write_tokens
    if usage.reasoning_tokens:
        tally.reasoning_tokens += usage.reasoning_tokens


def _picousd(usd: Decimal) -> int:
    """Count a cost in 10^-12 dollars, rounded up."""
    return min(int((usd * PICO).to_integral_value(ROUND_CEILING)), _MOST_PICOUSD)


def _read(path: Path, kind: type[_T]) -> _T | None:
    """Read what an earlier run left; None = nothing, or it can't be read: then it is left where it is, and said."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        _log.error("%s can't be read, and is not used: %s", path, type(error).__name__)
        return None
