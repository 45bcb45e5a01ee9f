"""What `sona-router keys` and `sona-router usage` do: they work on the ledger's store, beside routers that run."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple

import msgspec

from router.config.load import Loc, load, without_secrets
from router.config.schema import RouterConfig
from router.core import clock
from router.core.errors import ConfigError, InvalidRequest
from router.core.types import Budget, JsonObject, JsonValue, Limits, Locality, Principal
from router.record.databases import StoreDown, check_url
from router.record.keys import StoredKey, digest, fingerprint, new_key
from router.record.store import REPORTED, Line, Store, store_of, usd
from router.secret_file import load_secret

_ID = re.compile(r"[A-Za-z0-9._:@-]{1,64}")
_TIMES = {"day": "%Y-%m-%d", "hour": "%Y-%m-%dT%H:00Z"}


class Report(NamedTuple):
    """A table of usage."""

    by: tuple[str, ...]
    lines: tuple[Line, ...]


def create_key(file: Path, who: Principal) -> str:
    """Make a key in the store of a configuration; return it: it is shown once and kept nowhere.

    Raises:
        ConfigError: the configuration is wrong, or keeps no ledger.
        InvalidRequest: there is one of that id already.
    """
    config, store = _opened(file)
    if any(key.id == who.id for key in config.server.keys):
        raise InvalidRequest(f"the configuration has a key '{who.id}'; choose another id")
    secret, key = load_secret(config.record.path), new_key()
    stored = StoredKey(
        principal=who,
        digest=digest(secret, key).hex(),
        secret_id=fingerprint(secret),
        created_unix_s=int(clock.unix_s()),
    )
    with _clear(store):
        if not store.add_key(stored):
            raise InvalidRequest(f"there is a key '{who.id}' already, or was one; choose another id")
    return key


def budget(day_usd: str | None, week_usd: str | None, month_usd: str | None) -> Budget:
    """Read a key's budgets.

    Raises:
        InvalidRequest: one is no amount of dollars.
    """
    return Budget(day_usd=_amount(day_usd), week_usd=_amount(week_usd), month_usd=_amount(month_usd))


def bearer(
    key_id: str, tenant: str, models: tuple[str, ...] | None, max_locality: Locality, limits: Limits
) -> Principal:
    """Say who the bearer of a new key will be.

    Raises:
        InvalidRequest: the id can't be one.
    """
    if not _ID.fullmatch(key_id):
        raise InvalidRequest("an id has 1 to 64 letters, digits or ._:@-")
    return Principal(id=key_id, tenant=tenant, allowed_models=models, max_locality=max_locality, limits=limits)


def list_keys(file: Path) -> tuple[StoredKey, ...]:
    """Return all keys in the store, oldest first.

    Raises:
        ConfigError: the configuration is wrong, or keeps no ledger.
    """
    _, store = _opened(file)
    with _clear(store):
        return store.keys()


def revoke_key(file: Path, key_id: str) -> None:
    """Let a key in no more; running routers see it within `ledger.refresh_s`.

    Raises:
        ConfigError: the configuration is wrong, or keeps no ledger.
        InvalidRequest: there is none of this id.
    """
    config, store = _opened(file)
    with _clear(store):
        if store.revoke_key(key_id):
            return
    if any(key.id == key_id for key in config.server.keys):
        raise InvalidRequest(f"'{key_id}' is a key of the configuration: take it out of 'server.keys'")
    raise InvalidRequest(f"there is no key '{key_id}' in the store that isn't revoked")


def usage(file: Path, by: Sequence[str], since: str | None) -> Report:
    """Sum up usage, by default since the month began.

    Raises:
        ConfigError: the configuration is wrong, or keeps no ledger.
        InvalidRequest: `by` or `since` makes no sense.
    """
    if unknown := [name for name in by if name not in REPORTED]:
        raise InvalidRequest(f"'{unknown[0]}' is nothing to report by; there is: {', '.join(REPORTED)}")
    start = _start(since)
    _, store = _opened(file)
    with _clear(store):
        return Report(tuple(by), tuple(store.report(by, start)))


def as_json(report: Report) -> bytes:
    """Write a report as JSON: a list of lines; costs are strings, to the last digit."""
    return msgspec.json.encode([_fields(report.by, line) for line in report.lines])


def as_table(report: Report) -> tuple[list[str], list[list[str]]]:
    """Return (heads, rows) of a report."""
    rows = [_fields(report.by, line) for line in report.lines]
    heads = [*report.by, "requests", "input_tokens", "cached_input_tokens", "output_tokens", "cost_usd", "unpriced"]
    return heads, [[_shown(row[head]) for head in heads] for row in rows]


def keys_as_json(keys: Sequence[StoredKey]) -> bytes:
    """Write keys as JSON, without their hashes."""
    return msgspec.json.encode([_key_fields(key) for key in keys])


def keys_as_table(keys: Sequence[StoredKey]) -> tuple[list[str], list[list[str]]]:
    """Return (heads, rows)."""
    heads = ["id", "tenant", "models", "max_locality", "rpm", "tpm", "concurrency", "day_usd", "week_usd", "month_usd"]
    heads += ["created", "revoked"]
    return heads, [[_cell(_key_fields(key)[head]) for head in heads] for key in keys]


def _key_fields(key: StoredKey) -> JsonObject:
    who, limits = key.principal, key.principal.limits
    money = {
        name: None if usd is None else format(usd, "f") for name, usd in msgspec.structs.asdict(limits.budget).items()
    }
    return {
        "id": who.id,
        "tenant": who.tenant,
        "models": None if who.allowed_models is None else list(who.allowed_models),
        "max_locality": who.max_locality.name.lower(),
        "rpm": limits.requests_per_minute,
        "tpm": limits.tokens_per_minute,
        "concurrency": limits.concurrency,
        **money,
        "created": _time(key.created_unix_s),
        "revoked": None if key.revoked_unix_s is None else _time(key.revoked_unix_s),
    }


def _cell(value: JsonValue) -> str:
    if value is None:
        return "-"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _time(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _amount(given: str | None) -> Decimal | None:
    if given is None:
        return None
    try:
        amount = Decimal(given)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise InvalidRequest(f"'{given}' is no amount of US dollars; write 0.01 or 25")
    return amount


def _opened(file: Path) -> tuple[RouterConfig, Store]:
    config, source = load(file, _only_the_ledgers)
    if not config.ledger.enabled:
        raise source.error(("ledger", "enabled"), "there is no ledger: keys and usage are kept in it; set it to true")
    if config.ledger.url is not None:
        try:
            check_url(config.ledger.url.get_secret_value())
        except ConfigError as error:
            raise source.error(("ledger", "url"), error.message) from None
    return config, store_of(config.ledger.url, config.record.path)


def _only_the_ledgers(loc: Loc) -> str | None:
    """Stand in for every secret but those of the ledger: whoever manages keys need not have the providers'."""
    return None if loc[0] == "ledger" else without_secrets(loc)


@contextlib.contextmanager
def _clear(store: Store) -> Generator[None]:
    """Close the store behind what is done; say it clearly where it can't be used."""
    try:
        yield
    except StoreDown as error:
        raise ConfigError(
            f"the ledger's store can't be used ({error}); is the database up, and 'ledger.url' right?"
        ) from None
    finally:
        store.close()


def _start(since: str | None) -> int:
    """Read a day or a time of UTC; None = when this month began."""
    if since is None:
        now = datetime.fromtimestamp(clock.unix_s(), UTC)
        return int(now.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp())
    try:
        given = datetime.fromisoformat(since)
    except ValueError:
        raise InvalidRequest(f"'{since}' is no time; write 2026-11-29 or 2026-11-29T14:00") from None
    return int((given if given.tzinfo is not None else given.replace(tzinfo=UTC)).timestamp())


def _fields(by: Sequence[str], line: Line) -> JsonObject:
    named: JsonObject = {name: _name(name, value) for name, value in zip(by, line.names, strict=True)}
    counts = msgspec.structs.asdict(line.tally)
    cost = usd(counts.pop("cost_picousd"))
    return {**named, **counts, "cost_usd": format(cost.normalize() if cost else Decimal(0), "f")}


def _name(name: str, value: str | int) -> str | bool:
    if name == "estimated":
        return bool(value)
    if name in _TIMES:
        return datetime.fromtimestamp(int(value), UTC).strftime(_TIMES[name])
    return str(value)


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
