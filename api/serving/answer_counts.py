"""Tells the observer of each answer: by its route's template, as an address may hold an id."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.observer import Observer

OTHER = "other"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class AnswerCounts:
    """Middleware around all others, so that what these refuse counts too."""

    def __init__(self, app: ASGIApp, observer: Observer) -> None:
        self.app = app
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                method: str = scope["method"]
                route = getattr(scope.get("route"), "path", OTHER)
                self._observer.answered(route, method if method in METHODS else OTHER, message["status"])
            await send(message)

        await self.app(scope, receive, counting)
