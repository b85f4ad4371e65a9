"""Which models have a name here, and which of them is the default."""

from __future__ import annotations

from typing import Any

import pytest

from api.routes.models import listing
from shared.config.presets import PRESETS
from shared.config.provider_settings import ProviderSettings
from shared.config.settings import Settings
from simulator.script import NAMES
from tests.api.harness import Api, MakeApi


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


def endpoint(**fields: Any) -> ProviderSettings:
    return ProviderSettings.model_validate({"protocol": "openai-chat", "base_url": "http://127.0.0.1:9/v1"} | fields)


@pytest.mark.parametrize(
    ("fields", "default"),
    [
        ({}, "openai/gpt-5-mini"),
        ({"models": {"quick": "acme/a"}}, "acme/a"),
        ({"models": {"quick": "acme/a"}, "default_model": "quick"}, "acme/a"),
        ({"models": {"quick": "acme/a"}, "default_model": "acme/b"}, "acme/b"),
    ],
)
def test_the_default_is_what_is_said_else_an_alias_else_the_first_providers(
    fields: dict[str, Any], default: str
) -> None:
    settings = Settings(providers={"acme": endpoint()}, **fields)
    listed = listing(settings, {"simulator": endpoint(), "openai": endpoint()})
    assert [model.id for model in listed.data if model.default] == [default]
    assert default in [model.id for model in listed.data]
    assert len({model.id for model in listed.data}) == len(listed.data)
    assert listed.simulated is False


def test_simulators_come_last_whatever_their_names() -> None:
    name = next(name for name, preset in PRESETS.items() if preset.first_model and name > "simulator")
    listed = listing(Settings(), {"simulator": endpoint(), name: endpoint()})
    assert [model.provider for model in listed.data][:2] == [name, "simulator"]
    assert listed.data[0].default


def test_a_provider_whose_models_nobody_knows_is_named_without_any() -> None:
    listed = listing(Settings(), {"acme": endpoint()})
    assert listed.data == []
    assert [(provider.name, provider.protocol) for provider in listed.providers] == [("acme", "openai-chat")]
    assert listed.simulated is False
