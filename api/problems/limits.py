"""What an owner may not now: the 429 of each limit, and the headers that say how it stands.

The headers are those of draft-ietf-httpapi-ratelimit-headers-10 ("RateLimit header fields for HTTP"):
`RateLimit-Policy` says what is allowed, `RateLimit` what is left of it, `r`, and in how many seconds there will be
more, `t`. A budget is none of their units.
"""

import math
from collections.abc import Sequence

from api.problems.problem import FieldError, ProblemError
from shared.config.owner_settings import OwnerLimits
from shared.counted import counted
from shared.queue.limits import MINUTE_S, Announcement, Refusal

QUEUE_RETRY_S = 5
"""Seconds after which a full queue is asked again: how soon one ends, nobody knows."""
VIEWERS_RETRY_S = 5
"""The same for one who watches too much: it is up to the owner when a stream ends."""
REQUESTS, QUEUED = "requests", "queued"
"""Names of the policies."""
_DAY_S = 86_400
_FOR_GOOD = {"x-should-retry": "false"}
"""OpenAI's and Anthropic's SDKs send again what was answered 429, unless this says otherwise (`_should_retry`); the
latter waits for any `Retry-After`."""


def model_not_allowed(errors: Sequence[FieldError]) -> ProblemError:
    """Returns the answer to who asks a model that its owner's allow-list lacks."""
    return ProblemError(
        403,
        "model_not_allowed",
        "The model is not allowed",
        "Ask one that GET /v1/models lists for your key, or have the operator allow it.",
        errors=errors,
    )


def not_listed() -> ProblemError:
    """Returns the answer to who looks up such a model: to its owner it is not there."""
    return ProblemError(
        404, "model_not_found", "No such model", "GET /v1/models lists the models that your key's owner may ask."
    )


def extra_not_allowed(errors: Sequence[FieldError]) -> ProblemError:
    """Returns the answer to who sends fields that only a provider knows, and whose owner may not."""
    return ProblemError(
        403,
        "extra_not_allowed",
        "Provider fields are not allowed",
        "Fields that only the provider knows may raise what a request costs. Leave them out, or have the operator "
        "allow `extra` to your key's owner.",
        errors=errors,
    )


def too_many_viewers(most: int) -> ProblemError:
    """Returns the answer to who has as many open streams as its owner may."""
    return ProblemError(
        429,
        "too_many_viewers",
        "Too many viewers",
        f"Your key's owner may have {counted(most, 'open stream', 'open streams')} at a time. Close one, or have the "
        "operator raise max_viewers.",
        headers={"Retry-After": str(VIEWERS_RETRY_S)},
    )


def refused(announcement: Announcement, limits: OwnerLimits) -> ProblemError:
    """Returns the answer to who may have no more. Of several reasons it names the one that lasts longest."""
    if Refusal.BUDGET in announcement.refusals:
        problem = _budget_exhausted(announcement.now_ms, limits.cost_per_day or 0)
    elif Refusal.RATE in announcement.refusals:
        problem = _rate_limited(announcement, limits)
    else:
        problem = _queue_full(limits.max_queued if Refusal.QUEUED in announcement.refusals else None)
    problem.headers = {**(problem.headers or {}), **rate_limit_headers(limits, announcement)}
    return problem


def rate_limit_headers(limits: OwnerLimits, announcement: Announcement | None = None) -> dict[str, str]:
    """Returns the headers of an answer to a POST; without an announcement, only what is allowed."""
    per_minute, most_queued = limits.requests_per_minute, limits.max_queued
    policies, standing = [], []
    if per_minute is not None:
        policies.append(f'"{REQUESTS}";q={per_minute};w={MINUTE_S}')
        if announcement is not None and announcement.level is not None:
            left = _requests_left(announcement.level, per_minute)
            more = f";t={_until_one_more_s(announcement.level, per_minute)}" if left < per_minute else ""
            standing.append(f'"{REQUESTS}";r={left}{more}')
    if most_queued is not None:
        policies.append(f'"{QUEUED}";q={most_queued};qu="concurrent-requests"')
        if announcement is not None and announcement.waiting is not None:
            standing.append(f'"{QUEUED}";r={max(0, most_queued - announcement.waiting)}')
    headers = {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(standing)}
    return {name: value for name, value in headers.items() if value}


def _rate_limited(announcement: Announcement, limits: OwnerLimits) -> ProblemError:
    per_minute, level = limits.requests_per_minute or 1, announcement.level or 0.0
    wait_s = _until_one_more_s(level, per_minute)
    if Refusal.QUEUED in announcement.refusals or Refusal.PENDING in announcement.refusals:
        wait_s = max(wait_s, QUEUE_RETRY_S)
    return ProblemError(
        429,
        "rate_limited",
        "Too many requests",
        f"Your key's owner may send {counted(per_minute, 'request', 'requests')} in a minute. Send it again after the "
        "time in Retry-After.",
        headers={"Retry-After": str(wait_s)},
    )


def _queue_full(most_queued: int | None) -> ProblemError:
    """Returns the answer where as many wait as may: of the owner, or where that has no such number, of all."""
    whose = "As many generations wait or run as this server allows"
    if most_queued is not None:
        whose = f"Your key's owner may have {counted(most_queued, 'generation', 'generations')} waiting (max_queued)"
    return ProblemError(
        429,
        "queue_full",
        "The queue is full",
        f"{whose}. Try again later.",
        headers={"Retry-After": str(QUEUE_RETRY_S)},
    )


def _budget_exhausted(now_ms: int, cost_per_day: float) -> ProblemError:
    left_s = _DAY_S - now_ms // 1000 % _DAY_S
    return ProblemError(
        429,
        "budget_exhausted",
        "The budget is exhausted",
        f"What your key's owner has asked for today has cost the {cost_per_day:g} USD that a day (UTC) may. Ask again "
        "tomorrow, or have the operator raise cost_per_day.",
        headers={"Retry-After": str(left_s), **_FOR_GOOD},
    )


def _requests_left(level: float, per_minute: int) -> int:
    return max(0, math.floor(per_minute - level + 1e-6))


def _until_one_more_s(level: float, per_minute: int) -> int:
    """Returns the seconds until one more request may come than may now."""
    held_then = per_minute - _requests_left(level, per_minute) - 1
    return max(1, math.ceil((level - held_then) * MINUTE_S / per_minute - 1e-6))
