"""Which models have a name here, and which of them is the default."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import openai
import pytest

from api.intake.model_names import ServedModels
from api.routes.models import listing, page
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
    listed = listing(ServedModels.among(settings, {"simulator": endpoint(), "openai": endpoint()}))
    assert [model.id for model in listed.data if model.default] == [default]
    assert default in [model.id for model in listed.data]
    assert len({model.id for model in listed.data}) == len(listed.data)
    assert listed.simulated is False


def test_simulators_come_last_whatever_their_names() -> None:
    name = next(name for name, preset in PRESETS.items() if preset.first_model and name > "simulator")
    listed = listing(ServedModels.among(Settings(), {"simulator": endpoint(), name: endpoint()}))
    assert [model.provider for model in listed.data][:2] == [name, "simulator"]
    assert listed.data[0].default


def test_a_provider_whose_models_nobody_knows_is_named_without_any() -> None:
    listed = listing(ServedModels.among(Settings(), {"acme": endpoint()}))
    assert listed.data == []
    assert [(provider.name, provider.protocol) for provider in listed.providers] == [("acme", "openai-chat")]
    assert listed.simulated is False


KEYS = "ann:a-key"
LOCAL = {"local": ProviderSettings(protocol="openai-chat", base_url="http://127.0.0.1:9/v1")}
FOUND = ["local/tiny", "quick", "local/not/listed?x=1", "simulator/gpt-5", "gpt-5", "meta-llama/Llama-3-70b"]
ANTHROPIC = {"anthropic-version": "2023-06-01"}


async def test_openais_client_lists_and_retrieves(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, api_keys=KEYS, providers=LOCAL, models={"quick": "local/tiny"})
    async with openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{api.port}/v1", api_key="a-key", max_retries=0, _strict_response_validation=True
    ) as client:
        listed = await client.models.list()
        assert listed.object == "list"
        assert ("local/tiny", "local") in [(model.id, model.owned_by) for model in listed.data]
        for model in listed.data:
            assert (await client.models.retrieve(model.id)) == model
        again = await client.models.list()
        assert [model.created for model in again.data] == [model.created for model in listed.data]
        for name in FOUND:
            found = await client.models.retrieve(name)
            owner = "simulator" if name.startswith("simulator") else "local"
            assert (found.id, found.object, found.owned_by, found.created) == (name, "model", owner, 0)
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("local/")
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("/")
    async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{api.port}/v1", api_key="no", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()


async def test_anthropics_client_lists_pages_and_retrieves(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, api_keys=KEYS, providers=LOCAL, models={"quick": "local/tiny"})
    ids = [row["id"] for row in (await api.client.get("/v1/models", headers={"x-api-key": "a-key"})).json()["data"]]
    async with anthropic.AsyncAnthropic(
        base_url=f"http://127.0.0.1:{api.port}", api_key="a-key", max_retries=0, _strict_response_validation=True
    ) as client:
        first = await client.models.list(limit=4)
        assert (first.has_more, first.first_id, first.last_id) == (True, ids[0], ids[3])
        assert [model.id async for model in client.models.list(limit=4)] == ids
        back = await client.models.list(limit=4, before_id=ids[6])
        assert ([model.id for model in back.data], back.has_more) == (ids[2:6], True)
        assert sorted([model.id async for model in client.models.list(limit=4, before_id=ids[6])]) == sorted(ids[:6])
        for name in [*ids, "quick", "claude-opus-5", "local/x/y"]:
            found = await client.models.retrieve(name)
            assert (found.id, found.type, found.display_name, found.created_at.year) == (name, "model", name, 1970)
        with pytest.raises(anthropic.NotFoundError):
            await client.models.retrieve("local/")
        with pytest.raises(anthropic.BadRequestError):
            await client.models.list(after_id="nothing")


@pytest.mark.parametrize("path", ["local/a/b%3Fx%3D1", "local%2Fa%2Fb%3Fx%3D1"])
@pytest.mark.parametrize("headers", [{}, ANTHROPIC])
async def test_a_name_in_a_path_may_be_escaped(
    make_api: MakeApi, redis_url: str, path: str, headers: dict[str, str]
) -> None:
    api = await make_api(redis_url, providers=LOCAL)
    answer = await api.client.get(f"/v1/models/{path}", headers=headers)
    assert (answer.status_code, answer.json()["id"]) == (200, "local/a/b?x=1")
    head = await api.client.head(f"/v1/models/{path}", headers=headers)
    assert (head.status_code, head.headers["content-length"]) == (200, answer.headers["content-length"])


async def test_what_no_provider_has_is_not_found(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, simulator_url=None, providers=LOCAL | {"other": LOCAL["local"]})
    for headers in ({}, ANTHROPIC):
        answer = await api.client.get("/v1/models/a-bare-name", headers=headers)
        assert answer.status_code == 404
        assert "a-bare-name" not in answer.text
    assert answer.json()["error"]["type"] == "not_found_error"
    assert "MIDSTREAM_MESSAGES_PROVIDER" in answer.json()["error"]["message"]


async def test_all_readers_at_once_get_the_same(api: Api) -> None:
    answers = await asyncio.gather(*(api.client.get("/v1/models") for _ in range(8)))
    assert len({answer.content for answer in answers}) == 1


def pages(limit: int, after: str | None, before: str | None) -> tuple[str, bool]:
    models = {letter: f"acme/{letter}" for letter in "abcde"}
    endpoints = {"acme": endpoint()}
    served = ServedModels.among(Settings(providers={"acme": endpoint()}, models=models), endpoints)
    places = {name: f"acme/{name}" for name in "abcde"}
    shown = page(served, limit, places.get(after or ""), places.get(before or ""))
    ids = [model.id for model in shown.data]
    assert (shown.first_id, shown.last_id) == ((ids[0], ids[-1]) if ids else (None, None))
    return "".join(name[-1] for name in ids), shown.has_more


@pytest.mark.parametrize(
    ("limit", "after", "before", "shown", "more"),
    [
        (2, None, None, "ab", True),
        (5, None, None, "abcde", False),
        (20, None, None, "abcde", False),
        (2, "b", None, "cd", True),
        (2, "c", None, "de", False),
        (2, "e", None, "", False),
        (2, None, "e", "cd", True),
        (2, None, "c", "ab", False),
        (2, None, "a", "", False),
        (2, "a", "e", "cd", True),
        (9, "a", "e", "bcd", False),
        (9, "e", "a", "", False),
    ],
)
def test_pages_before_and_after_a_model(
    limit: int, after: str | None, before: str | None, shown: str, more: bool
) -> None:
    assert pages(limit, after, before) == (shown, more)
