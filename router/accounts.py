"""What each key may still ask for and spend: the state around `policy.limits` and `policy.budgets`, on the event loop alone.

A request is admitted once its key and its body are known; what it may cost is held when its plan is made, in the same step in
which what the budgets leave was looked at; and both are settled by the truth however the request ends.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from decimal import Decimal

from router.core import clock
from router.core.errors import RateLimited
from router.core.types import Attempt, Limits, Principal
from router.policy import budgets, limits
from router.policy.budgets import Left
from router.policy.limits import Bucket
from router.record.ledger import Ledger

_NO_LIMITS = Limits()
_ZERO = Decimal(0)
_BUSY_S = 1.0
"""After how long a key that has too many requests under way may ask again: nobody knows when one of them ends."""

Headers = list[tuple[str, str]]


class Account:
    """One key's state."""

    __slots__ = ("held_usd", "in_flight", "limits", "requests", "tokens")

    def __init__(self, own: Limits, now_s: float) -> None:
        self.in_flight = 0
        self.held_usd = _ZERO
        """For requests under way."""
        self.begin(own, now_s)

    def begin(self, own: Limits, now_s: float) -> None:
        """Take new limits, with full buckets; requests under way stay what they are."""
        self.limits = own
        self.requests = Bucket(level=own.requests_per_minute or 0, at_s=now_s)
        self.tokens = Bucket(level=own.tokens_per_minute or 0, at_s=now_s)


class Ticket:
    """One request's part of its key's account, until it is settled."""

    __slots__ = ("account", "held_usd", "is_settled", "tokens", "who")

    def __init__(self, who: Principal, account: Account, tokens: int) -> None:
        self.who = who
        self.account = account
        self.tokens = tokens
        self.held_usd = _ZERO
        self.is_settled = False


class Accounts:
    """The accounts of all keys that have limits."""

    def __init__(self, ledger: Ledger | None, refused: Callable[[str, str], None]) -> None:
        """`refused` takes (id of a key, name of a limit) whenever one turns a request away."""
        self._ledger = ledger
        self._refused = refused
        self._accounts: dict[str, Account] = {}
        self._seen: dict[str, Principal] = {}

    def admit(self, who: Principal, tokens: int) -> Ticket | None:
        """Let a request in that is expected to need so many tokens, prompt and answer; None = its key has no limits.

        Raises:
            RateLimited: one of the key's limits is reached; says when to come back.
        """
        own = who.limits
        if own == _NO_LIMITS:
            return None
        now_s = clock.monotonic_s()
        account = self._account(who, now_s)
        if own.concurrency is not None and account.in_flight >= own.concurrency:
            raise self._turned_away(who, "concurrency", f"{own.concurrency} requests at a time", _BUSY_S)
        waits: list[tuple[float, str, str]] = []
        if own.requests_per_minute is not None:
            account.requests = limits.filled(account.requests, own.requests_per_minute, now_s)
            wait_s = limits.wait_s(account.requests, 1, own.requests_per_minute)
            waits.append((wait_s, "requests", f"{own.requests_per_minute} requests a minute"))
        if own.tokens_per_minute is not None:
            account.tokens = limits.filled(account.tokens, own.tokens_per_minute, now_s)
            wait_s = limits.wait_s(account.tokens, tokens, own.tokens_per_minute)
            waits.append((wait_s, "tokens", f"{own.tokens_per_minute} tokens a minute"))
        if waits and (longest := max(waits))[0] > 0:
            raise self._turned_away(who, longest[1], longest[2], longest[0])
        if own.requests_per_minute is not None:
            account.requests = limits.taken(account.requests, 1, own.requests_per_minute)
        if own.tokens_per_minute is not None:
            account.tokens = limits.taken(account.tokens, tokens, own.tokens_per_minute)
        account.in_flight += 1
        return Ticket(who, account, tokens)

    @contextmanager
    def visit(self, who: Principal) -> Generator[None]:
        """Let a question in that is answered here, by no model: it counts as a request while the block lasts, and costs nothing.

        Raises:
            RateLimited: as `admit`.
        """
        ticket = self.admit(who, 0)
        try:
            yield
        finally:
            self.settle(ticket, who, "", ())

    def left(self, who: Principal) -> Left | None:
        """Return what the key's tightest budget leaves now; None = it has none."""
        if self._ledger is None or who.limits.budget == _NO_LIMITS.budget:
            return None
        held = self._account(who, clock.monotonic_s()).held_usd
        return budgets.left(who.limits.budget, self._ledger.spent(who.id), held, self._ledger.periods)

    def left_by_key(self) -> dict[str, Decimal]:
        """Return what the budgets of every key that was seen and has one leave."""
        found = ((who.id, self.left(who)) for who in self._seen.values())
        return {key: left.usd for key, left in found if left is not None}

    def keys_of(self, tenant: str) -> frozenset[str]:
        """Return the ids of a tenant's keys that were seen and have limits."""
        return frozenset(who.id for who in self._seen.values() if who.tenant == tenant)

    def hold(self, ticket: Ticket | None, most_usd: Decimal | None) -> None:
        """Set aside what a request may cost; nothing may be awaited between the look at what is left and this.

        Raises:
            BudgetExceeded: that is more than the key's budgets leave.
        """
        if ticket is None or not most_usd or (left := self.left(ticket.who)) is None:
            return
        if most_usd > left.usd:
            raise self.exceeded(ticket.who, left)
        ticket.held_usd = most_usd
        ticket.account.held_usd += most_usd

    def exceeded(self, who: Principal, left: Left) -> Exception:
        """Count a request that a budget turns away, and build its error."""
        self._refused(who.id, f"budget_{left.period}")
        return budgets.exceeded(left, clock.unix_s())

    def settle(self, ticket: Ticket | None, who: Principal, model: str, attempts: Sequence[Attempt]) -> None:
        """Count what a request came to, in one step with giving back what was held for it."""
        if ticket is not None and ticket.is_settled:
            return
        if self._ledger is not None:
            self._ledger.add(who, model, attempts)
        if ticket is None:
            return
        ticket.is_settled = True
        account = ticket.account
        account.in_flight -= 1
        account.held_usd -= ticket.held_usd
        if (per_minute := who.limits.tokens_per_minute) is not None:
            used = sum(one.usage.input_tokens + one.usage.output_tokens for one in attempts if one.usage is not None)
            account.tokens = limits.taken(account.tokens, used - ticket.tokens, per_minute)

    def headers(self, who: Principal) -> Headers:
        """Return what a key may still ask for, as OpenAI's headers say it."""
        own, now_s = who.limits, clock.monotonic_s()
        if own == _NO_LIMITS:
            return []
        account = self._account(who, now_s)
        out: Headers = []
        for name, per_minute, bucket in (
            ("requests", own.requests_per_minute, account.requests),
            ("tokens", own.tokens_per_minute, account.tokens),
        ):
            if per_minute is None:
                continue
            now = limits.filled(bucket, per_minute, now_s)
            out += [
                (f"x-ratelimit-limit-{name}", str(per_minute)),
                (f"x-ratelimit-remaining-{name}", str(max(0, int(now.level)))),
                (f"x-ratelimit-reset-{name}", limits.duration(limits.reset_s(now, per_minute))),
            ]
        if (left := self.left(who)) is not None:
            out.append(("x-router-budget-remaining-usd", f"{left.usd:f}"))
        return out

    def _account(self, who: Principal, now_s: float) -> Account:
        account = self._accounts.get(who.id)
        if account is None:
            account = self._accounts[who.id] = Account(who.limits, now_s)
            self._seen[who.id] = who
        elif account.limits != who.limits:
            account.begin(who.limits, now_s)
            self._seen[who.id] = who
        return account

    def _turned_away(self, who: Principal, name: str, limit: str, wait_s: float) -> RateLimited:
        self._refused(who.id, name)
        return RateLimited(f"this key may ask for {limit}; try again in {wait_s:.1f} s", retry_after_s=wait_s)
