"""The description: every route with its errors and its key, and nothing that leads nowhere."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from api.app import create_app
from api.openapi import describe
from shared.config.settings import Settings
from shared.request.generation_request import GenerationRequest
from tests.api.harness import MakeApi

ROUTES = {
    ("/v1/generations", "post"),
    ("/v1/generations", "get"),
    ("/v1/generations/{id}", "get"),
    ("/v1/generations/{id}", "delete"),
    ("/v1/generations/{id}/events", "get"),
    ("/v1/generations/{id}/cancel", "post"),
    ("/v1/generations/{id}/token", "post"),
    ("/v1/generations/{id}/share", "post"),
    ("/v1/generations/{id}/share/{share_id}", "delete"),
    ("/v1/conversations", "get"),
    ("/v1/conversations/{id}", "get"),
    ("/v1/conversations/{id}", "patch"),
    ("/v1/conversations/{id}", "delete"),
    ("/v1/conversations/{id}/events", "get"),
    ("/v1/conversations/{id}/token", "post"),
    ("/s/{secret}", "get"),
    ("/s/{secret}/events", "get"),
    ("/v1/session", "post"),
    ("/v1/session", "delete"),
    ("/v1/chat/completions", "post"),
    ("/v1/chat/completions/{name}", "get"),
    ("/v1/messages", "post"),
    ("/v1/messages/{name}", "get"),
    ("/v1/responses", "post"),
    ("/v1/responses/{name}", "delete"),
    ("/v1/responses/{name}", "get"),
    ("/v1/responses/{name}/cancel", "post"),
    ("/v1/responses/{name}/input_items", "get"),
    ("/api/chat", "post"),
    ("/api/chat/{id}/stream", "get"),
    ("/api/chat/{id}/stop", "post"),
    ("/v1/models", "get"),
    ("/v1/models/{id}", "get"),
    ("/v1/usage", "get"),
    ("/v1/status", "get"),
    ("/livez", "get"),
    ("/readyz", "get"),
}

DIALECTS = ("/v1/chat/", "/v1/responses", "/v1/messages")
"""Paths whose errors have an envelope of their own."""
KEYED = ("/v1/", "/api/")
"""What needs a key."""


def expected_ways(path: str, method: str) -> list[str]:
    """The ways in which a caller may say who it is."""
    if path == "/v1/session":
        return ["key", "x_api_key"] if method == "post" else ["session"]
    by_token = ["token"] if path in ("/v1/generations/{id}/events", "/v1/conversations/{id}/events") else []
    return ["key", "x_api_key", "session", *by_token] if path.startswith(KEYED) else []


@pytest.mark.parametrize("keys", ["", "ann:a"])
async def test_description(make_api: MakeApi, redis_url: str, keys: str) -> None:
    api = await make_api(redis_url, api_keys=keys)
    description = (await api.client.get("/openapi.json")).json()
    operations = {
        (path, method): operation for path, item in description["paths"].items() for method, operation in item.items()
    }
    assert operations.keys() == ROUTES
    schemas = description["components"]["schemas"]
    for reference in set(re.findall(r"#/components/schemas/(\w+)", str(description))):
        assert reference in schemas
    for (path, method), operation in operations.items():
        assert operation["description"]
        errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        kind = "application/json" if path.startswith(DIALECTS) else "application/problem+json"
        kind = "text/plain" if path.startswith("/api/chat") else kind
        assert all(kind in answer["content"] for answer in errors.values())
        needs_key = path.startswith(KEYED) and (path, method) != ("/v1/session", "delete")
        ways = [name for way in operation.get("security", []) for name in way]
        assert ways == (expected_ways(path, method) if keys else [])
        assert needs_key is ("401" in errors)
    post = operations["/v1/generations", "post"]
    assert post["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/GenerationRequest")
    assert {"200", "202", "400", "413", "422", "429", "503"} <= post["responses"].keys()
    examples = schemas["GenerationRequest"]["examples"]
    assert TypeAdapter(list[GenerationRequest]).validate_python(examples)


def test_what_is_served_is_described_with_each_part_of_its_path() -> None:
    app = create_app(Settings())
    served = {
        (route.path_format, method.lower())
        for route in app.routes
        if isinstance(route, APIRoute) and route.include_in_schema
        for method in route.methods or ()
    }
    described = {
        (path, method): [one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"]
        for path, item in app.openapi()["paths"].items()
        for method, operation in item.items()
    }
    assert served == described.keys()
    for (path, _), names in described.items():
        assert sorted(names) == sorted(re.findall(r"{(\w+)}", path))


def test_it_is_made_once() -> None:
    app = FastAPI()
    assert describe(app, keys=False) is describe(app, keys=True) is app.openapi_schema


def test_without_keys_it_speaks_of_none() -> None:
    assert "securitySchemes" not in describe(FastAPI(), keys=False)["components"]
    schemes = describe(FastAPI(), keys=True)["components"]["securitySchemes"]
    assert [(scheme["type"], scheme.get("scheme", scheme.get("name"))) for scheme in schemes.values()] == [
        ("http", "bearer"),
        ("apiKey", "x-api-key"),
        ("apiKey", "__Host-midstream"),
        ("apiKey", "token"),
    ]


def test_no_account_of_an_error_is_fastapis_own() -> None:
    app = FastAPI()

    @app.get("/v1/x", description="x")
    async def x(count: int) -> int:
        return count

    description = describe(app, keys=False)
    assert "422" not in description["paths"]["/v1/x"]["get"]["responses"]
    assert not {"HTTPValidationError", "ValidationError"} & description["components"]["schemas"].keys()
