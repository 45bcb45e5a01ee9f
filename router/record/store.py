"""What the ledger keeps in its database: hours of usage, keys, and which batch each router wrote last.

Money is whole numbers of 10^-12 dollars there, which both databases add up exactly. Nothing here may run on the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec
from pydantic import SecretStr

from router.core import clock
from router.core.types import Principal
from router.record.databases import Database, Postgres, Row, Sqlite, StoreDown, Value
from router.record.keys import StoredKey

FILE = "ledger.sqlite"
PICO = Decimal(10) ** 12
"""Parts of a dollar that costs are counted in."""

_PLACE_COLUMNS = ("hour", "key_id", "tenant", "model", "target", "locality", "estimated")
_COUNT_COLUMNS = (
    "requests",
    "attempts",
    "unpriced",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_picousd",
)

_SCHEMA = (
    f"""CREATE TABLE IF NOT EXISTS sona_usage (
        hour BIGINT NOT NULL, key_id TEXT NOT NULL, tenant TEXT NOT NULL, model TEXT NOT NULL, target TEXT NOT NULL,
        locality TEXT NOT NULL, estimated SMALLINT NOT NULL,
        {", ".join(f"{name} BIGINT NOT NULL" for name in _COUNT_COLUMNS)},
        PRIMARY KEY ({", ".join(_PLACE_COLUMNS)}))""",
    """CREATE TABLE IF NOT EXISTS sona_writers (
        writer TEXT PRIMARY KEY, batch BIGINT NOT NULL, written_unix_s BIGINT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS sona_keys (
        id TEXT PRIMARY KEY, digest TEXT NOT NULL, secret_id TEXT NOT NULL, principal TEXT NOT NULL,
        created_unix_s BIGINT NOT NULL, revoked_unix_s BIGINT)""",
)
_MARK = """INSERT INTO sona_writers (writer, batch, written_unix_s) VALUES (:writer, :batch, :now)
    ON CONFLICT (writer) DO UPDATE SET batch = excluded.batch, written_unix_s = excluded.written_unix_s
    WHERE sona_writers.batch < excluded.batch"""
_FORGET = "DELETE FROM sona_writers WHERE written_unix_s < :before"
_ADD = f"""INSERT INTO sona_usage ({", ".join(_PLACE_COLUMNS + _COUNT_COLUMNS)})
    VALUES ({", ".join(f":{name}" for name in _PLACE_COLUMNS + _COUNT_COLUMNS)})
    ON CONFLICT ({", ".join(_PLACE_COLUMNS)}) DO UPDATE SET
    {", ".join(f"{name} = sona_usage.{name} + excluded.{name}" for name in _COUNT_COLUMNS)}"""
_SPENT = """SELECT key_id, SUM(CASE WHEN hour >= :day THEN cost_picousd ELSE 0 END),
    SUM(CASE WHEN hour >= :week THEN cost_picousd ELSE 0 END),
    SUM(CASE WHEN hour >= :month THEN cost_picousd ELSE 0 END)
    FROM sona_usage WHERE hour >= :first AND cost_picousd > 0 GROUP BY key_id"""
_KEYS = "SELECT digest, secret_id, principal, created_unix_s, revoked_unix_s FROM sona_keys ORDER BY created_unix_s, id"
_ADD_KEY = """INSERT INTO sona_keys (id, digest, secret_id, principal, created_unix_s)
    VALUES (:id, :digest, :secret_id, :principal, :created) ON CONFLICT (id) DO NOTHING"""
_REVOKE = "UPDATE sona_keys SET revoked_unix_s = :now WHERE id = :id AND revoked_unix_s IS NULL"
_REPORTED = {
    "key": "key_id",
    "tenant": "tenant",
    "model": "model",
    "target": "target",
    "locality": "locality",
    "day": "hour - hour % 86400",
    "hour": "hour",
    "estimated": "estimated",
}
"""What a report can be made by -> its column."""

_FORGET_AFTER_S = 90 * 86_400
"""How long it is remembered which batch a router wrote last: what it left in a file is expected back sooner."""


class Place(NamedTuple):
    """What usage is counted by."""

    hour: int
    """Unix time in seconds at which it began."""
    key_id: str
    tenant: str
    model: str
    """As the caller asked for it."""
    target: str
    locality: str
    estimated: bool


class Tally(msgspec.Struct):
    """Counts of one place; grows until it is written."""

    requests: int = 0
    """Whose last billed attempt was there."""
    attempts: int = 0
    unpriced: int = 0
    """Attempts whose price isn't known; they add nothing to the cost."""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_picousd: int = 0

    def add(self, other: Tally) -> None:
        """Count another's too."""
        for name in _COUNT_COLUMNS:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Batch(msgspec.Struct, kw_only=True):
    """Usage that is written in one transaction, once however often it is tried."""

    writer: str
    """The run of a router that it comes from."""
    number: int
    """Grows within the run; batches are written in that order."""
    rows: list[tuple[Place, Tally]]


class SpentPicousd(NamedTuple):
    """What a key spent in the running day, week and month."""

    day: int = 0
    week: int = 0
    month: int = 0


class Line(NamedTuple):
    """One line of a report."""

    names: tuple[str | int, ...]
    """In the order asked for; a day or hour as Unix time."""
    tally: Tally


class Store:
    """The database, open or not: it is opened when it is needed, and again after it failed. For one thread at a time."""

    def __init__(self, connect: Callable[[], Database], begin: str) -> None:
        self._connect = connect
        self._begin = begin
        self._open: Database | None = None

    def write(self, batch: Batch) -> None:
        """Add a batch, if it wasn't added already.

        Raises:
            StoreDown: whether it was added isn't known; try the same batch again.
        """
        with self._transaction() as database:
            mark: dict[str, Value] = {"writer": batch.writer, "batch": batch.number, "now": int(clock.unix_s())}
            if database.execute(_MARK, mark) == 1:
                # In one order, so that two routers can't wait for each other.
                rows = sorted(batch.rows, key=lambda row: row[0])
                database.execute_all(_ADD, [_values(place, tally) for place, tally in rows])

    def spent(self, day: int, week: int, month: int) -> dict[str, SpentPicousd]:
        """Return what each key spent since the periods began (Unix time); keys that spent nothing are left out.

        Raises:
            StoreDown: it can't be read.
        """
        starts: dict[str, Value] = {"day": day, "week": week, "month": month, "first": min(week, month)}
        return {str(key): SpentPicousd(*map(_int, sums)) for key, *sums in self._query(_SPENT, starts)}

    def keys(self) -> tuple[StoredKey, ...]:
        """Return all keys, revoked ones too.

        Raises:
            StoreDown: they can't be read.
        """
        return tuple(_key(row) for row in self._query(_KEYS))

    def add_key(self, key: StoredKey) -> bool:
        """Keep a key; False = there is one of this id already.

        Raises:
            StoreDown: it can't be written.
        """
        values: dict[str, Value] = {
            "id": key.principal.id,
            "digest": key.digest,
            "secret_id": key.secret_id,
            "principal": msgspec.json.encode(key.principal).decode(),
            "created": key.created_unix_s,
        }
        with self._transaction() as database:
            return database.execute(_ADD_KEY, values) == 1

    def revoke_key(self, key_id: str) -> bool:
        """Let a key in no more; False = there is none of this id, or it is revoked.

        Raises:
            StoreDown: it can't be written.
        """
        with self._transaction() as database:
            return database.execute(_REVOKE, {"id": key_id, "now": int(clock.unix_s())}) == 1

    def report(self, by: Sequence[str], since_unix_s: int) -> list[Line]:
        """Sum up usage since a time by some of `REPORTED`, in their order.

        Raises:
            StoreDown: it can't be read.
        """
        columns = ", ".join(_REPORTED[name] for name in by)
        sums = ", ".join(f"SUM({name})" for name in _COUNT_COLUMNS)
        grouped = f"GROUP BY {columns} ORDER BY {columns}" if by else ""
        sql = f"SELECT {columns}{', ' if by else ''}{sums} FROM sona_usage WHERE hour >= :since {grouped}"
        rows = self._query(sql, {"since": since_unix_s})
        return [
            Line(tuple(_named(value) for value in row[: len(by)]), Tally(*map(_int, row[len(by) :])))
            for row in rows
            if row[len(by)] is not None
        ]

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _query(self, sql: str, values: Mapping[str, Value] | None = None) -> list[Row]:
        database = self._opened()
        try:
            return database.query(sql, values)
        except StoreDown:
            self.close()
            raise

    @contextmanager
    def _transaction(self) -> Generator[Database]:
        database = self._opened()
        try:
            database.execute(self._begin)
            yield database
            database.execute("COMMIT")
        except BaseException:
            self.close()  # which rolls back
            raise

    def _opened(self) -> Database:
        if self._open is None:
            database = self._connect()
            try:
                for statement in _SCHEMA:
                    database.execute(statement)
                database.execute(_FORGET, {"before": int(clock.unix_s()) - _FORGET_AFTER_S})
            except StoreDown:
                database.close()
                raise
            self._open = database
        return self._open


REPORTED = tuple(_REPORTED)
"""What a report can be made by."""


def store_of(url: SecretStr | None, folder: Path) -> Store:
    """Make the store that the configuration names: a PostgreSQL server's, or that in a file of the records' folder."""
    if url is None:
        return Store(lambda: Sqlite(folder / FILE), Sqlite.begin)
    address = url.get_secret_value()
    return Store(lambda: Postgres(address), Postgres.begin)


def usd(picousd: int) -> Decimal:
    """Turn what is counted into dollars."""
    return Decimal(picousd) / PICO


def _values(place: Place, tally: Tally) -> dict[str, Value]:
    return {**place._asdict(), "estimated": int(place.estimated), **msgspec.structs.asdict(tally)}


def _key(row: Row) -> StoredKey:
    found, secret_id, principal, created, revoked = row
    return StoredKey(
        principal=msgspec.json.decode(str(principal), type=Principal),
        digest=str(found),
        secret_id=str(secret_id),
        created_unix_s=_int(created),
        revoked_unix_s=None if revoked is None else _int(revoked),
    )


def _int(value: Value) -> int:
    """Read a number; PostgreSQL gives sums as decimals."""
    return int(value or 0)


def _named(value: Value) -> str | int:
    return value if isinstance(value, str) else _int(value)
