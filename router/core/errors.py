"""The one tree of errors, and how each is shown to a caller; no other module invents a status or a code.

RouterError
├── InvalidRequest  UnsupportedFeature  ContextTooLong  RequestTooLarge  RequestTimeout
├── Unauthenticated  PermissionDenied  AdminRequired  PolicyBlocked
├── ModelNotFound  AdapterNotFound  AdapterIncompatible  ResponseNotFound  NotFound  MethodNotAllowed
├── RateLimited  BudgetExceeded
├── UpstreamError
│   ├── UpstreamRejected  UpstreamFiltered
│   ├── UpstreamRateLimited  UpstreamAuthFailed
│   ├── UpstreamUnavailable (UpstreamUnreachable)  UpstreamProtocolError  UpstreamTimeout (UpstreamConnectTimeout)
│   └── AdapterNotReady  SlotsExhausted  Overloaded  DeploymentBusy
├── AllTargetsFailed  NoHealthyTarget  StreamInterrupted  RecordUnavailable
├── InternalError
│   └── LocalityViolation
└── ConfigError
"""

from __future__ import annotations

import re
import traceback
from enum import Enum
from typing import ClassVar

import msgspec


class Retry(Enum):
    """What the executor may do after an error, before the commit point."""

    NEVER = "never"
    SAME = "same"
    """Try the same step again."""
    NEXT = "next"
    """Go on to the next step."""


class Blame(Enum):
    """Whose fault an error is; a closed set, used as a metric label."""

    CALLER = "caller"
    POLICY = "policy"
    PROVIDER = "provider"
    ENGINE = "engine"
    ROUTER = "router"


_PARAM = re.compile(r"[A-Za-z0-9_.\[\]-]{1,200}")


class RouterError(Exception):
    """Base of all errors that a caller may see. The message never holds prompt text, headers or keys."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: ClassVar[str] = "internal_error"
    retry: ClassVar[Retry] = Retry.NEVER
    blame: ClassVar[Blame] = Blame.ROUTER

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param if param is not None and _PARAM.fullmatch(param) else None
        """The field that is wrong, if its name is one: a caller can write anything in a key's place."""
        self.retry_after_s = retry_after_s
        self.request_id: str | None = None
        """Of the request that it ended, once that is known; dialects whose errors name it read it here."""

    @property
    def http_status(self) -> int:
        """The status to answer with; a class constant but for errors that sum up others."""
        return self.status

    def body(self) -> bytes:
        """Encode as OpenAI's error JSON."""
        return msgspec.json.encode(
            {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}
        )


class InvalidRequest(RouterError):
    status, type, code, blame = 400, "invalid_request_error", "invalid_value", Blame.CALLER


class UnsupportedFeature(RouterError):
    status, type, code, blame = 400, "invalid_request_error", "unsupported_feature", Blame.CALLER
    retry = Retry.NEXT
    """Another target may have it; see the executor for which may be asked."""


class ContextTooLong(RouterError):
    status, type, code, blame = 400, "invalid_request_error", "context_length_exceeded", Blame.CALLER
    retry = Retry.NEXT


class RequestTooLarge(RouterError):
    status, type, code, blame = 413, "invalid_request_error", "request_too_large", Blame.CALLER


class RequestTimeout(RouterError):
    """The caller took longer to send its body than the whole request may take."""

    status, type, code, blame = 408, "invalid_request_error", "request_timeout", Blame.CALLER


class Unauthenticated(RouterError):
    status, type, code, blame = 401, "authentication_error", "invalid_api_key", Blame.CALLER


class PermissionDenied(RouterError):
    status, type, code, blame = 403, "permission_error", "model_not_allowed", Blame.CALLER


class AdminRequired(RouterError):
    """The caller's key may use the router, not change it."""

    status, type, code, blame = 403, "permission_error", "admin_required", Blame.CALLER


class PolicyBlocked(RouterError):
    """The message names the rule and the entity types, never values."""

    status, type, code, blame = 403, "permission_error", "privacy_policy_blocked", Blame.POLICY


class ModelNotFound(RouterError):
    status, type, code, blame = 404, "invalid_request_error", "model_not_found", Blame.CALLER


class AdapterNotFound(RouterError):
    status, type, code, blame = 404, "invalid_request_error", "adapter_not_found", Blame.CALLER


class ResponseNotFound(RouterError):
    """An answer to go on from isn't kept here: it never was this caller's, or it is gone."""

    status, type, code, blame = 400, "invalid_request_error", "previous_response_not_found", Blame.CALLER


class NotFound(RouterError):
    status, type, code, blame = 404, "invalid_request_error", "not_found", Blame.CALLER


class MethodNotAllowed(RouterError):
    status, type, code, blame = 405, "invalid_request_error", "method_not_allowed", Blame.CALLER


class AdapterIncompatible(RouterError):
    status, type, code, blame = 422, "invalid_request_error", "adapter_incompatible", Blame.CALLER


class RateLimited(RouterError):
    status, type, code, blame = 429, "rate_limit_error", "rate_limit_exceeded", Blame.POLICY


class BudgetExceeded(RouterError):
    status, type, code, blame = 429, "rate_limit_error", "insufficient_quota", Blame.POLICY


class UpstreamError(RouterError):
    """Something that one attempt at one target ran into."""

    status, type, blame = 502, "upstream_error", Blame.PROVIDER


class UpstreamRejected(UpstreamError):
    """The upstream calls the request wrong; another target would be a guess."""

    status, type, code, blame = 400, "invalid_request_error", "upstream_rejected", Blame.CALLER


class UpstreamFiltered(UpstreamError):
    """The upstream's content filter refused; falling back would evade it, so only targets that are named for this are asked."""

    status, type, code, blame = 400, "invalid_request_error", "content_filter", Blame.CALLER
    retry = Retry.NEXT


class UpstreamRateLimited(UpstreamError):
    status, type, code, retry = 429, "rate_limit_error", "upstream_rate_limited", Retry.NEXT


class UpstreamAuthFailed(UpstreamError):
    """Our own key for the provider is bad; never a 401 to the caller."""

    code, retry, blame = "upstream_auth_failed", Retry.NEXT, Blame.ROUTER


class UpstreamUnavailable(UpstreamError):
    code, retry = "upstream_unavailable", Retry.NEXT


class UpstreamUnreachable(UpstreamUnavailable):
    """No connection could be made at all: where that is so of every cloud, the network is at fault."""


class UpstreamProtocolError(UpstreamError):
    code, retry = "upstream_protocol_error", Retry.NEXT


class UpstreamTimeout(UpstreamError):
    """The message says which clock ran out: connect, first token, stall or total."""

    status, code, retry = 504, "upstream_timeout", Retry.NEXT


class UpstreamConnectTimeout(UpstreamTimeout):
    """No connection could be made in time; see `UpstreamUnreachable`."""


class AdapterNotReady(UpstreamError):
    status, code, retry, blame = 503, "adapter_loading", Retry.SAME, Blame.ENGINE


class SlotsExhausted(UpstreamError):
    status, code, retry, blame = 503, "adapter_slots_exhausted", Retry.SAME, Blame.ENGINE


class Overloaded(UpstreamError):
    status, code, retry, blame = 503, "server_overloaded", Retry.NEXT, Blame.ENGINE


class DeploymentBusy(UpstreamError):
    """All places of a deployment are taken, and those who wait for one are many, or this one waited long enough."""

    status, code, retry, blame = 503, "deployment_busy", Retry.NEXT, Blame.ROUTER


class AllTargetsFailed(RouterError):
    """Every step of the plan failed; the message lists the causes by code."""

    status, type, code, blame = 502, "upstream_error", "all_targets_failed", Blame.PROVIDER

    def __init__(self, message: str, *, causes: tuple[RouterError, ...], retry_after_s: float | None = None) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.causes = causes

    @property
    def http_status(self) -> int:
        """429 if every cause was a rate limit, else 502."""
        if self.causes and all(isinstance(cause, UpstreamRateLimited) for cause in self.causes):
            return 429
        return self.status


class NoHealthyTarget(RouterError):
    """Targets that policy allows exist but are down; the boundary is never widened to find another."""

    status, type, code, blame = 503, "server_error", "no_healthy_target", Blame.ENGINE


class StreamInterrupted(RouterError):
    """An upstream broke off after the first byte was sent; shown as one SSE error event, then close."""

    status, type, code, blame = 502, "upstream_error", "stream_interrupted", Blame.PROVIDER


class RecordUnavailable(RouterError):
    """A record that the configuration requires can't be written, so nothing is answered."""

    status, type, code, blame = 503, "server_error", "record_unavailable", Blame.ROUTER


class InternalError(RouterError):
    """A bug of ours: the stack goes to the log, this generic text to the caller."""


class LocalityViolation(InternalError):
    """Something tried to send a request further than its verdict permits."""


class ConfigError(RouterError):
    """A configuration that must not start: says file, line, key path and what to write instead."""

    code = "config_error"


def stack_of(error: BaseException) -> str:
    """The places an exception came through, without its message, which could quote a prompt."""
    frames = traceback.extract_tb(error.__traceback__)
    return "\n".join([*(f"  {one.filename}:{one.lineno} {one.name}" for one in frames), type(error).__name__])
