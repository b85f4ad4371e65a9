"""The OpenAPI description: what FastAPI derives, with the schemas of requests and events, and the keys."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.access.event_tokens import PARAMETER
from api.access.sessions import COOKIE
from api.dialects.native.event_schemas import event_schemas
from api.problems.problem import ProblemDetails
from api.request_paths import SHARED
from shared.request.generation_request import GenerationRequest

_KEY: list[dict[str, list[str]]] = [{"key": []}, {"x_api_key": []}]
_SESSION: list[dict[str, list[str]]] = [{"session": []}]
_TOKEN: list[dict[str, list[str]]] = [{"token": []}]
_BY_TOKEN = ("/v1/generations/{id}/events", "/v1/conversations/{id}/events")


def _who_may(path: str, method: str) -> list[dict[str, list[str]]]:
    """Returns the ways in which a caller of a route may say who it is; none where nobody asks for that."""
    if path.startswith(SHARED) or path in ("/livez", "/readyz"):
        return []
    if path == "/v1/session":
        return _KEY if method == "post" else _SESSION
    return _KEY + _SESSION + (_TOKEN if path in _BY_TOKEN else [])


def describe(app: FastAPI, *, keys: bool) -> dict[str, Any]:
    """Returns the description of an app; with `keys`, routes other than the health checks need one."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    description = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = description.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for model in (GenerationRequest, ProblemDetails):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    schemas.update(event_schemas())
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    if keys:
        components["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "An API key of this server."},
            "x_api_key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same key."},
            "session": {
                "type": "apiKey",
                "in": "cookie",
                "name": COOKIE,
                "description": "A browser's session (POST /v1/session); it counts where no key is sent.",
            },
            "token": {
                "type": "apiKey",
                "in": "query",
                "name": PARAMETER,
                "description": "A token for the events of one generation, or of one conversation (POST …/{id}/token).",
            },
        }
    for path, item in description["paths"].items():
        for method, operation in item.items():
            # FastAPI's own account of a wrong parameter; where one can be wrong, the route documents ours.
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]
            if keys and (ways := _who_may(path, method)):
                operation["security"] = ways
    app.openapi_schema = description
    return description
