"""What surrounds the routes: problems for every error, the description, the page, models."""

from __future__ import annotations

import re

import pytest
from pydantic import TypeAdapter

from shared.config.provider_settings import ProviderSettings
from shared.request.generation_request import GenerationRequest
from simulator.script import NAMES
from tests.api.harness import Api, MakeApi

ROUTES = {
    ("/v1/generations", "post"),
    ("/v1/generations", "get"),
    ("/v1/generations/{id}", "get"),
    ("/v1/generations/{id}", "delete"),
    ("/v1/generations/{id}/events", "get"),
    ("/v1/generations/{id}/cancel", "post"),
    ("/v1/models", "get"),
    ("/v1/usage", "get"),
    ("/livez", "get"),
    ("/readyz", "get"),
}


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
    for (path, _), operation in operations.items():
        assert operation["description"]
        errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert all("application/problem+json" in answer["content"] for answer in errors.values())
        needs_key = bool(keys) and path.startswith("/v1/")
        assert ("security" in operation) is needs_key
        assert path.startswith("/v1/") is ("401" in errors)
    post = operations["/v1/generations", "post"]
    assert post["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/GenerationRequest")
    assert {"200", "202", "400", "413", "422", "429", "503"} <= post["responses"].keys()
    examples = schemas["GenerationRequest"]["examples"]
    assert TypeAdapter(list[GenerationRequest]).validate_python(examples)


async def test_the_description_names_the_version(
    make_api: MakeApi, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.app.version", lambda: "1.2.3")
    api = await make_api(redis_url)
    assert (await api.client.get("/openapi.json")).json()["info"]["version"] == "1.2.3"


async def test_unknown_route_and_method(api: Api) -> None:
    for method, path, status, code in (
        ("GET", "/v2/x", 404, "no_such_route"),
        # Pages that would load their scripts from elsewhere.
        ("GET", "/docs", 404, "no_such_route"),
        ("GET", "/redoc", 404, "no_such_route"),
        ("PUT", "/v1/generations", 405, "method_not_allowed"),
    ):
        response = await api.client.request(method, path)
        assert (response.status_code, response.json()["code"]) == (status, code)
        assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["allow"]


async def test_page(api: Api) -> None:
    page = await api.client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    # What the policy forbids is not there: inline code and styles, and anything from elsewhere.
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=|https?://", page.text)
    for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        asset = await api.client.get(address)
        assert asset.status_code == 200
        assert "https://" not in asset.text
        assert asset.headers["content-security-policy"] == policy
    script = (await api.client.get("/app.js")).text
    for name in re.findall(r'byId\("([\w-]+)"\)', script):
        assert f'id="{name}"' in page.text


async def test_models(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(
        redis_url,
        providers={"local": ProviderSettings(protocol="openai-chat", base_url="http://127.0.0.1:9/v1")},
        models={"small": "local/tiny", "little": "local/tiny"},
        default_model="little",
    )
    listing = (await api.client.get("/v1/models")).json()
    assert listing["object"] == "list"
    tiny = listing["data"][0]
    assert (tiny["id"], tiny["provider"], tiny["default"]) == ("local/tiny", "local", True)
    assert tiny["aliases"] == ["small", "little"]
    assert [model["id"] for model in listing["data"] if model["default"]] == ["local/tiny"]
    assert {"name": "simulator-anthropic", "protocol": "anthropic"} in listing["providers"]
    assert {"name": "simulator-responses", "protocol": "openai-responses"} in listing["providers"]
    assert {"name": "simulator-gemini", "protocol": "gemini"} in listing["providers"]
    assert listing["simulated"] is False


async def test_the_simulators_models_are_those_it_has(api: Api) -> None:
    rows = (await api.client.get("/v1/models")).json()["data"]
    listed: dict[str, list[str]] = {}
    for row in rows:
        listed.setdefault(row["provider"], []).append(row["id"].partition("/")[2])
    # One that always refuses is for tests only.
    names = [name for name in NAMES if name != "refusal"]
    assert listed == {f"simulator{kind}": names for kind in ("", "-responses", "-anthropic", "-gemini")}


@pytest.mark.parametrize(
    ("fields", "default"),
    [
        ({}, "simulator/demo"),
        ({"api_key_env": "ACME_KEY"}, None),  # whose models we do not know
        ({"api_key_env": "NOT_SET"}, "simulator/demo"),
    ],
)
async def test_the_simulators_model_is_the_default_only_where_no_key_is_set(
    make_api: MakeApi, redis_url: str, monkeypatch: pytest.MonkeyPatch, fields: dict[str, str], default: str | None
) -> None:
    monkeypatch.setenv("ACME_KEY", "k")
    local = ProviderSettings.model_validate({"protocol": "openai-chat", "base_url": "http://127.0.0.1:9/v1"} | fields)
    api = await make_api(redis_url, providers={"local": local})
    listing = (await api.client.get("/v1/models")).json()
    assert [model["id"] for model in listing["data"] if model["default"]] == ([default] if default else [])
    assert listing["simulated"] is (default is not None)
    assert "simulator/lorem" in [model["id"] for model in listing["data"]]


async def test_default_model_of_a_bare_server_is_simulated(api: Api) -> None:
    listing = (await api.client.get("/v1/models")).json()
    assert listing["simulated"] is True
    (default,) = (model["id"] for model in listing["data"] if model["default"])
    assert default == "simulator/demo"
    await api.post({"model": default, "messages": [{"role": "user", "content": "x"}]})
