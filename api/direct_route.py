"""Routes that are described as all others are, and served without FastAPI's reading of parameters.

That reading is a third of what a viewer that comes back costs; thousands come back at once.
"""

from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send


class DirectRoute(APIRoute):
    """A route whose endpoint takes the request, reads it by itself, and returns the response.

    What it reads is described in its `openapi_extra` (`described`).
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request of this route. Raises what the endpoint raises, and HTTPException 405."""
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        response = await self.endpoint(Request(scope, receive))
        await response(scope, receive, send)


def described(*parameters: dict[str, Any]) -> dict[str, Any]:
    """Returns the `openapi_extra` of such a route: its parameters (OpenAPI 3.1, Parameter Object)."""
    return {"parameters": list(parameters)}


def parameter(place: str, name: str, description: str, *, example: str | None = None, flag: bool = False) -> Any:
    """Returns a parameter of a `path`, `query` or `header`: text, or with `flag` true or false."""
    schema: dict[str, Any] = {"type": "boolean", "default": False} if flag else {"type": "string"}
    if example is not None:
        schema["examples"] = [example]
    return {"name": name, "in": place, "required": place == "path", "description": description, "schema": schema}
