"""Errors on a dialect's paths, in the dialect's own envelope, wherever in the app they come from."""

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.dialects.api_dialect import ApiDialect
from api.problems import problem
from api.problems.problem import PROBLEM_MEDIA_TYPE, FieldError, ProblemDetails, ProblemError
from api.request_ids import request_id

MODELS_PATH = "/v1/models"
"""A path of all dialects: Anthropic's clients are known by a header."""


class ErrorEnvelopes:
    """Turns each problem (RFC 9457) of these dialects' paths into what the dialect's SDKs read."""

    def __init__(self, app: ASGIApp, dialects: Sequence[ApiDialect]) -> None:
        self.app = app
        self._dialects = dialects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        dialect = self._of(scope) if scope["type"] == "http" else None
        if dialect is None:
            await self.app(scope, receive, send)
            return
        held: list[Message] = []

        async def wrapped(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_problem(message):
                held.append(message)
            elif not held:
                await send(message)
            elif message["type"] == "http.response.body":
                # A problem is one small body.
                for one in _in_envelope(held[0], message["body"], dialect, request_id(scope)):
                    await send(one)

        await self.app(scope, receive, wrapped)

    def _of(self, scope: Scope) -> ApiDialect | None:
        path: str = scope["path"]
        if _is_under(path, MODELS_PATH) and any(name == b"anthropic-version" for name, _ in scope["headers"]):
            return next((one for one in self._dialects if one.wire.name == "anthropic"), None)
        return next((one for one in self._dialects if _is_under(path, one.path)), None)


def _is_under(path: str, root: str) -> bool:
    return path == root or path.startswith(root + "/")


def documented(*statuses: int, kind: str = "application/json") -> dict[int | str, dict[str, Any]]:
    """Returns the error answers of a dialect's route, for OpenAPI."""
    return {
        status: {"description": problem.documented(status)[status]["description"], "content": {kind: {}}}
        for status in statuses
    }


def _is_problem(start: Message) -> bool:
    kinds = [value for name, value in start["headers"] if name.lower() == b"content-type"]
    return any(kind.startswith(PROBLEM_MEDIA_TYPE.encode()) for kind in kinds)


def _in_envelope(start: Message, body: bytes, dialect: ApiDialect, request_id: str) -> tuple[Message, Message]:
    details = ProblemDetails.model_validate_json(body)
    errors = [FieldError(pointer=one.pointer, message=one.message) for one in details.errors or ()]
    found = ProblemError(details.status, details.code, details.title, details.detail, errors=errors)
    envelope = dialect.envelope(found, request_id)
    headers = MutableHeaders(raw=list(start["headers"]))
    is_text = isinstance(envelope, str)
    said = envelope.encode() if isinstance(envelope, str) else msgspec.json.encode(envelope)
    headers["content-type"] = "text/plain; charset=utf-8" if is_text else "application/json"
    headers["content-length"] = str(len(said))
    status = dialect.status(found)
    first: Message = {"type": "http.response.start", "status": status, "headers": headers.raw}
    return first, {"type": "http.response.body", "body": said}
