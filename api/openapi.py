"""The OpenAPI description: what FastAPI derives, with the schemas of requests and events, and the key."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.dialects.native.event_schemas import event_schemas
from api.problems.problem import ProblemDetails
from shared.request.generation_request import GenerationRequest


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
        }
    for path, item in description["paths"].items():
        for operation in item.values():
            # FastAPI's own account of a wrong parameter; where one can be wrong, the route documents ours.
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]
            if keys and path not in ("/livez", "/readyz"):
                operation["security"] = [{"key": []}, {"x_api_key": []}]
    app.openapi_schema = description
    return description
