"""Connections to the two databases that the ledger can be kept in; the same few calls for both.

They are SQLite of the standard library and psycopg. One text of SQL serves both (see `store`), so that nothing stands between
that would have to be learned, loaded and kept. Nothing here may run on the event loop.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import urlsplit

from router.core.errors import ConfigError

if TYPE_CHECKING:
    from typing import LiteralString

    from psycopg import Connection as Psycopg
    from psycopg.rows import TupleRow

Value = int | str | None
Row = tuple[Value, ...]

_PLACE = re.compile(r":([a-z_]+)")
_BUSY_S = 5.0
"""How long SQLite waits for another process that writes."""

_CONNECT_S = 5
_STATEMENT_MS = 10_000
_DEAD_MS = 10_000
"""After how long without any sign of life a connection is given up."""


class StoreDown(Exception):
    """The database can't be used now; the message says why in a word, and holds nothing of its address."""


class Database(Protocol):
    """An open connection, used by one thread. Its calls raise `StoreDown`, after which it is of no more use."""

    def execute(self, sql: str, values: Mapping[str, Value] | None = None) -> int:
        """Run one statement; return how many rows it changed. Values stand in it as `:name`."""
        ...

    def execute_all(self, sql: str, rows: Sequence[Mapping[str, Value]]) -> None:
        """Run one statement for each row of values."""
        ...

    def query(self, sql: str, values: Mapping[str, Value] | None = None) -> list[Row]:
        """Return what a question finds."""
        ...

    def close(self) -> None: ...


class Sqlite:
    """A file, which several processes of one machine may share."""

    begin = "BEGIN IMMEDIATE"

    def __init__(self, path: Path) -> None:
        """Open or make it; only its owner may read it.

        Raises:
            StoreDown: it can't be opened.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
        except (sqlite3.Error, OSError) as error:
            raise StoreDown(_name(error)) from None

    def execute(self, sql: str, values: Mapping[str, Value] | None = None) -> int:
        """See `Database`."""
        try:
            return self._connection.execute(sql, dict(values or {})).rowcount
        except sqlite3.Error as error:
            raise StoreDown(_name(error)) from None

    def execute_all(self, sql: str, rows: Sequence[Mapping[str, Value]]) -> None:
        """See `Database`."""
        try:
            self._connection.executemany(sql, [dict(row) for row in rows])
        except sqlite3.Error as error:
            raise StoreDown(_name(error)) from None

    def query(self, sql: str, values: Mapping[str, Value] | None = None) -> list[Row]:
        """See `Database`."""
        try:
            return self._connection.execute(sql, dict(values or {})).fetchall()
        except sqlite3.Error as error:
            raise StoreDown(_name(error)) from None

    def close(self) -> None:
        """See `Database`."""
        self._connection.close()


class Postgres:
    """A server, which several routers may share."""

    begin = "BEGIN"

    def __init__(self, url: str) -> None:
        """Connect.

        Raises:
            StoreDown: it can't be reached.
        """
        import psycopg

        self._error = psycopg.Error
        try:
            self._connection: Psycopg[TupleRow] = psycopg.connect(
                url,
                autocommit=True,
                connect_timeout=_CONNECT_S,
                options=f"-c statement_timeout={_STATEMENT_MS}",
                keepalives_idle=5,
                keepalives_interval=2,
                keepalives_count=3,
                tcp_user_timeout=_DEAD_MS,
                application_name="sona-router",
            )
        except psycopg.Error as error:
            raise StoreDown(_name(error)) from None

    def execute(self, sql: str, values: Mapping[str, Value] | None = None) -> int:
        """See `Database`."""
        try:
            return self._connection.execute(_pyformat(sql), values).rowcount
        except self._error as error:
            raise StoreDown(_name(error)) from None

    def execute_all(self, sql: str, rows: Sequence[Mapping[str, Value]]) -> None:
        """See `Database`."""
        try:
            with self._connection.cursor() as cursor:
                cursor.executemany(_pyformat(sql), rows)
        except self._error as error:
            raise StoreDown(_name(error)) from None

    def query(self, sql: str, values: Mapping[str, Value] | None = None) -> list[Row]:
        """See `Database`."""
        try:
            return self._connection.execute(_pyformat(sql), values).fetchall()
        except self._error as error:
            raise StoreDown(_name(error)) from None

    def close(self) -> None:
        """See `Database`."""
        self._connection.close()


def check_url(url: str) -> None:
    """Say what is wrong with the URL of a database, without showing it: it may hold a password.

    Raises:
        ConfigError: it is no URL of PostgreSQL, or psycopg isn't installed.
    """
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        scheme = ""
    if scheme not in ("postgresql", "postgres"):
        raise ConfigError("it must be a URL such as postgresql://user@host/name; leave it out for an SQLite file")
    try:
        import psycopg  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        raise ConfigError("PostgreSQL needs psycopg: pip install 'sona-router[postgres]'") from None


def _pyformat(sql: str) -> LiteralString:
    """Write a statement's places as psycopg wants them; every statement is a constant of `store`."""
    return cast("LiteralString", _PLACE.sub(r"%(\1)s", sql.replace("%", "%%")))


def _name(error: Exception) -> str:
    """Name an error by its kind and code; its text can hold addresses."""
    state = getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None)
    return f"{type(error).__name__}{f' ({state})' if state else ''}"
