"""Errors as `application/problem+json` (RFC 9457), with a stable `code` and nothing of the request."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.observer import Observer
from api.problems.validation_messages import say
from api.request_ids import request_id
from api.request_paths import shown_path
from api.supervisor import logger, where
from shared.conversations.conversations import MAX_GENERATIONS
from shared.counted import counted
from shared.errors import MidstreamError
from shared.storage.outage import (
    CROWDED_REMEDY,
    CROWDED_WORDS,
    LASTING_CODES,
    is_crowded,
    is_full,
    level,
    refusal,
    words,
)

PROBLEM_MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """What is wrong with one field of the body."""

    pointer: str = Field(description="Where: a JSON Pointer (RFC 6901), or the name of a parameter.")
    message: str = Field(description="What is wrong, and what to do.")


class ProblemDetails(BaseModel):
    """The body of every error."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:midstream:problem:not_found",
                    "title": "No such generation",
                    "status": 404,
                    "code": "not_found",
                    "detail": "There is no generation with this id. Check the id and the API key.",
                }
            ]
        }
    )

    type: str = Field(description="`urn:midstream:problem:` and the code.")
    title: str
    status: int
    code: str = Field(description="Stable; for programs.")
    detail: str = Field(description="What to do about it; for people.")
    errors: list[FieldError] | None = None


class ProblemError(MidstreamError):
    """Ends a request with an error answer."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.retryable = status in (429, 503)
        self.status, self.code, self.title, self.detail = status, code, title, detail
        self.errors, self.headers = list(errors), headers

    def response(self) -> JSONResponse:
        """Returns the answer."""
        details = ProblemDetails(
            type=f"urn:midstream:problem:{self.code}",
            title=self.title,
            status=self.status,
            code=self.code,
            detail=self.detail,
            errors=self.errors or None,
        )
        headers = {"Cache-Control": "no-store", **(self.headers or {})}
        return JSONResponse(details.model_dump(exclude_none=True), self.status, headers, media_type=PROBLEM_MEDIA_TYPE)


not_found = functools.partial(
    ProblemError,
    404,
    "not_found",
    "No such generation",
    "There is no generation with this id. Check the id and the API key.",
)
"""The generation is unknown, or not the caller's: one answer for both, so that ids cannot be probed."""

gone = functools.partial(
    ProblemError,
    410,
    "gone",
    "The generation is gone",
    "It has expired or was deleted. Post the request again for a new one.",
)
"""The generation was there, and has expired or was deleted."""

conversation_not_found = functools.partial(
    ProblemError,
    404,
    "not_found",
    "No such conversation",
    "There is no conversation of this name. Check the name, which is percent-encoded in the address, and the API key.",
)
"""The conversation is unknown, or not the caller's."""

conversation_gone = functools.partial(
    ProblemError,
    410,
    "gone",
    "The conversation is gone",
    "It has expired or was deleted. A request that names it begins another of this name.",
)
"""The conversation was there, and has expired or was deleted."""

conversation_full = functools.partial(
    ProblemError,
    409,
    "conversation_full",
    "The conversation is full",
    f"It has {MAX_GENERATIONS} generations, and may have no more. Begin another conversation, with what matters.",
    headers={"x-should-retry": "false"},
)
"""A conversation takes no more generations."""

unreadable = functools.partial(
    ProblemError,
    410,
    "unreadable",
    "The generation cannot be read",
    "What is stored of it is damaged. Post the request again for a new one; the operator's log names it.",
)
"""Something else has written where the generation was."""


def unavailable(error: BaseException | None = None) -> ProblemError:
    """Returns the problem of a Redis that is away, or refuses: with its words, but for what it says of its users."""
    code = None if error is None else refusal(error)
    why = "does not answer"
    if error is not None and code is not None:
        why = f"refuses this now ({code if code in LASTING_CODES else words(error, code).rstrip('.')})"
    return ProblemError(
        503,
        "unavailable",
        "Storage is unavailable",
        f"Redis {why}. Nothing is lost that was accepted; send the request again, with the same Idempotency-Key if it "
        "has one.",
        headers={"Retry-After": "2"},
    )


storage_full = functools.partial(
    ProblemError,
    503,
    "storage_full",
    "Storage is full",
    "Redis has no memory or no disk for more, and nothing was accepted. The operator has to make room; its log has "
    "Redis' words. Send the request again later.",
    headers={"Retry-After": "10"},
)
"""Redis has no memory or no disk for more."""


def not_ready(errors: Mapping[str, Exception]) -> ProblemError:
    """Returns the problem of each Redis, by the variable that names it, that takes no write from this node, and why.

    What Redis said is shown. Why one cannot be reached is in the log: it holds addresses, and anybody may ask.
    """
    reasons = {name: _reason(error) for name, error in errors.items()}
    full = any(map(is_full, errors.values()))
    return ProblemError(
        503,
        "storage_full" if full else "unavailable",
        "Storage is full" if full else "Storage is unavailable",
        " ".join(f"The {_REDIS[name]} ({name}) {reason}." for name, reason in reasons.items()),
        errors=[FieldError(pointer=name, message=reason) for name, reason in reasons.items()],
        headers={"Retry-After": "2"},
    )


_REDIS = {"MIDSTREAM_REDIS_URL": "logs' Redis", "MIDSTREAM_QUEUE_URL": "queue's Redis"}


def _reason(error: Exception) -> str:
    if is_crowded(error):
        return f"refuses: {CROWDED_WORDS}{CROWDED_REMEDY}"
    if (code := refusal(error)) is not None:
        # What it says of a user names that.
        return f"refuses: {code if code in LASTING_CODES else words(error, code)}".rstrip(".")
    return "does not answer" if isinstance(error, TimeoutError | RedisTimeoutError) else "cannot be reached"


draining = functools.partial(
    ProblemError,
    503,
    "draining",
    "This node is going away",
    "It serves no more viewers. Ask another node.",
    headers={"Retry-After": "1"},
)
"""This node was told to end."""


def too_few_workers(alive: int) -> ProblemError:
    """Returns the problem that fewer workers are alive than the caller asks for."""
    return ProblemError(
        503,
        "too_few_workers",
        "Too few workers are alive",
        f"{counted(alive, 'worker is', 'workers are')} alive. Start more with `midstream worker`; what is accepted "
        "meanwhile waits.",
        headers={"Retry-After": "2"},
    )


not_on_disk = functools.partial(
    ProblemError,
    503,
    "not_on_disk",
    "It is not known to be on disk",
    "Redis has the request, and a crash of Redis may still lose it; if not, it runs. Send it again, with the same "
    "Idempotency-Key if it has one.",
    headers={"Retry-After": "1"},
)
"""`durability` is `disk`, and Redis does not say that it has synced what it took."""


def unprocessable(errors: Sequence[FieldError], code: str = "invalid_request") -> ProblemError:
    """Returns the problem that the body or a parameter is not what it should be."""
    return ProblemError(
        422,
        code,
        "The request is not valid",
        "Correct what `errors` names and send the request again.",
        errors=errors,
    )


def _answer(observer: Observer, request: Request, error: Exception) -> JSONResponse:
    problem = _problem_of(request, error)
    if problem.status == HTTPStatus.TOO_MANY_REQUESTS:
        caller = getattr(request.state, "caller", None)  # api/access, which is above
        observer.limited(problem.code, "" if caller is None else caller.owner)
    return problem.response()


def _problem_of(request: Request, error: Exception) -> ProblemError:
    match error:
        case ProblemError():
            return error
        case RedisError():
            logger.log(level(error), "answered 503: %s %s", type(error).__name__, request_id(request.scope))
            return storage_full() if is_full(error) else unavailable(error)
        case RequestValidationError():
            return unprocessable(
                # The place is `query` or the like, the parameter's name and, of one that may be repeated, which it is.
                [FieldError(pointer=str(item["loc"][:2][-1]), message=say(item)) for item in error.errors()]
            )
        case HTTPException():
            return _of_http(request, error)
    raise error


def _of_http(request: Request, error: HTTPException) -> ProblemError:
    status = HTTPStatus(error.status_code)
    detail = {
        404: "There is nothing at this address. GET /openapi.json lists all routes.",
        405: "The address is right, the method is not. The Allow header lists those that work here.",
    }.get(status, "The request cannot be served as it is.")
    code = "no_such_route" if status == 404 else status.phrase.lower().replace(" ", "_").replace("-", "_")
    headers = {"Allow": ", ".join(_allowed(request))} if status == 405 else error.headers
    return ProblemError(status, code, status.phrase, detail, headers=headers)


def _allowed(request: Request) -> Iterator[str]:
    """Returns the methods of an address; Starlette names only those of the first of its routes."""
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
        asked = {name: request.scope.get(name) for name in ("type", "path", "raw_path")} | {
            "root_path": "",
            "method": method,
        }
        if any(route.matches(asked)[0] is Match.FULL for route in request.app.router.routes):
            yield method


class ProblemGuard:
    """An unexpected error becomes a 500 and a log line, without its message, which may quote input."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def noticing(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, noticing)
        except Exception as error:
            path = shown_path(scope["path"])
            logger.error("%s %s failed: %s %s", scope["method"], path, where(error), request_id(scope))
            if not started:
                problem = ProblemError(
                    500,
                    "internal_error",
                    "Internal error",
                    "This is a fault of the server, which has logged it. Trying again may help.",
                )
                await problem.response()(scope, receive, send)


def install(app: FastAPI, observer: Observer | None = None) -> None:
    """Makes every error of the app a problem; the observer is told of those that are limits."""
    answer = functools.partial(_answer, observer or Observer())
    for kind in (ProblemError, RedisError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)
    app.add_middleware(ProblemGuard)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Returns the error answers of a route, for OpenAPI."""
    return {
        status: {
            "description": _DESCRIPTIONS[status],
            "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
        }
        for status in statuses
    }


_DESCRIPTIONS = {
    400: "The body is not JSON, or a header is malformed (`invalid_json`, `invalid_idempotency_key`).",
    401: "No API key or token, or a wrong one, or two of different owners (`unauthorized`).",
    403: "A page of another site asks (`cross_site`); the key does not allow that (`insufficient_scope`); the owner "
    "may not ask this model (`model_not_allowed`), or send provider fields (`extra_not_allowed`).",
    404: "Unknown, or not yours (`not_found`); a name that no model has here (`model_not_found`).",
    409: "What `previous` names is gone, has not ended, has failed or was not to be stored (`previous_gone`, "
    "`previous_not_ended`, `previous_failed`, `previous_not_stored`); the conversation that it names is full "
    "(`conversation_full`).",
    410: "Expired or deleted (`gone`), or damaged (`unreadable`).",
    413: "The body is larger than `max_body` (`body_too_large`).",
    415: "The body is not `application/json` (`unsupported_media_type`), or is encoded (`unsupported_encoding`).",
    422: "A field is wrong (`invalid_request`, `too_deep`, `unknown_model`, `unsupported_field`, "
    "`previous_not_found`, `previous_too_long`), or another "
    "request was sent with this key (`idempotency_key_reused`).",
    429: "As many generations wait as may (`queue_full`); the owner sends too many requests (`rate_limited`), has "
    "spent what a day may cost (`budget_exhausted`), or has too many open streams (`too_many_viewers`). See "
    "`Retry-After`.",
    503: "Redis does not answer or refuses (`unavailable`), has no room (`storage_full`), or has not synced a POST "
    "(`not_on_disk`); fewer workers are alive than `/readyz` was asked for (`too_few_workers`); this node was told to "
    "end (`draining`); nobody knows the keys of a token's issuer (`issuer_unavailable`). See `Retry-After`.",
}
