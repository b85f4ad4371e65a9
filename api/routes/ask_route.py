"""The route of a POST that asks a model."""

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from api.access.callers import owner_of
from api.access.json_only import check_body


class AskRoute(APIRoute):
    """A route whose endpoint takes the request, the owner who asks and the services, as they are described.

    It is served as api/direct_route.py serves, past FastAPI's dependencies: it asks who calls, and looks whether the
    body is JSON, by itself (`json_only`).
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request of this route. Raises what the endpoint raises, ProblemError, and HTTPException 405."""
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        request = Request(scope, receive)
        owner = await owner_of(request)
        check_body(request)
        response = await self.endpoint(request, owner, request.app.state.services)
        await response(scope, receive, send)
