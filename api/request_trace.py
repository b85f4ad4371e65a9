"""A request as a step of a trace, and within it the sending of a generation into the queue."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Token

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.process import log_context
from shared.storage.keys import QUEUE_KEY
from shared.tracing import conventions as words
from shared.tracing.trace_context import TraceContext, given_trace, served
from shared.tracing.tracing import Span, Tracing

TRACED_PATHS = ("/v1/", "/api/")
"""What paths of the API begin with: those of load balancers and the page are no steps of anything."""
SEND = {
    words.MESSAGING_SYSTEM: "redis",
    words.MESSAGING_DESTINATION: QUEUE_KEY,
    words.MESSAGING_OPERATION: "send",
    words.MESSAGING_OPERATION_TYPE: "send",
}


class RequestTrace:
    """Goes on with the trace that a request names, or begins one, where traces are recorded; all requests pass.

    The step ends with the request's task: a stream whose connection was given away goes on without one, and a trace
    that waits for viewers would never end.
    """

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self.app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(TRACED_PATHS):
            await self.app(scope, receive, send)
            return
        given = given_trace(scope["headers"])
        if self._tracing.on:
            await self._traced(given, scope, receive, send)
        else:
            token = _begin(given)
            try:
                await self.app(scope, receive, send)
            finally:
                served.reset(token)

    async def _traced(self, given: TraceContext | None, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        span = self._tracing.span(
            method, "server", given, {words.HTTP_METHOD: method, words.URL_SCHEME: scope["scheme"]}
        )
        status = 500

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        token = _begin(span.trace)
        try:
            await self.app(scope, receive, sent)
        finally:
            served.reset(token)
            # The route, and never the path: that may hold what only its sender may know.
            route = getattr(scope.get("route"), "path", None)
            if route is not None:
                span.say({words.HTTP_ROUTE: route}, f"{method} {route}")
            span.say({words.HTTP_STATUS: status})
            span.end(str(status) if status >= 500 else None)


def _begin(trace: TraceContext | None) -> Token[TraceContext | None]:
    # A request that came before its connection's last one was answered is served by a task that the last one's started.
    if trace is None:
        log_context.begin()
    else:
        log_context.begin(trace=trace.trace_id)
    return served.set(trace)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "QUERY"})
"""Methods that have a name; the word of any other is its sender's (docs/http/http-spans.md)."""


class Sent:
    """A generation on its way into the queue."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.trace = span.trace
        """What its worker is given."""

    def is_in(self, generation_id: str) -> None:
        """Notes that the generation with this id is there, now or from an earlier request."""
        self._span.say({words.MESSAGING_MESSAGE: generation_id})


@contextmanager
def sending(tracing: Tracing) -> Iterator[Sent]:
    """Says that inside a generation is sent into the queue by the request that is served."""
    span = tracing.span(f"send {QUEUE_KEY}", "producer", served.get(), SEND)
    try:
        yield Sent(span)
    except Exception as error:
        span.end(getattr(error, "code", None) or type(error).__name__)
        raise
    finally:
        span.end()
