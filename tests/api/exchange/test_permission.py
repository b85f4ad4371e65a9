"""What an owner may ask, over HTTP in every dialect: its models, and no provider fields where they are not allowed."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest

from tests.api.exchange.dialect_posts import SPOKEN, Spoken
from tests.api.harness import BODY, Api, MakeApi

KEYS = "ann:key-of-ann-0123456789,bob:key-of-bob-0123456789"
ANN = {"Authorization": "Bearer key-of-ann-0123456789"}
BOB = {"Authorization": "Bearer key-of-bob-0123456789"}
ALIASES = {"quick": "simulator/lorem", "slow": "simulator/clock", "claude": "simulator-anthropic/lorem"}


@pytest.fixture
async def api(make_api: MakeApi, redis_url: str) -> Api:
    owners = {
        "ann": {"models": ["quick", "simulator-responses/*", "simulator-anthropic/lorem"]},
        "bob": {"extra": False},
    }
    return await make_api(redis_url, api_keys=KEYS, owners=owners, models=ALIASES)


async def refusal(api: Api, body: dict[str, Any], headers: dict[str, str], path: str = "/v1/generations") -> Any:
    answer = await api.client.post(path, json=body, headers=headers)
    assert answer.status_code == 403, answer.text
    return answer.json()


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "quick"},
        {"model": "simulator/lorem?deltas=9"},
        {"model": "simulator-responses/anything", "fallback": ["quick"]},
    ],
)
async def test_what_the_list_names_by_any_name_may_be_asked(api: Api, fields: dict[str, Any]) -> None:
    assert (await api.client.post("/v1/generations", json=BODY | fields, headers=ANN)).status_code == 202


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"model": "simulator/echo"}, ["/model"]),
        ({"model": "slow"}, ["/model"]),
        ({"model": "quick", "fallback": ["quick", "slow", "simulator/echo"]}, ["/fallback/1", "/fallback/2"]),
    ],
)
async def test_what_it_does_not_name_is_refused_by_its_field(
    api: Api, fields: dict[str, Any], pointers: list[str]
) -> None:
    problem = await refusal(api, BODY | fields, ANN)
    assert problem["code"] == "model_not_allowed"
    assert [error["pointer"] for error in problem["errors"]] == pointers
    assert (await api.client.post("/v1/generations", json=BODY | fields, headers=BOB)).status_code == 202


async def test_so_is_the_default(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url, default_model="simulator/lorem", owners={"local": {"models": ["simulator/echo"]}})
    problem = await refusal(api, {"messages": BODY["messages"]}, {})
    assert (problem["code"], problem["errors"][0]["pointer"]) == ("model_not_allowed", "/model")


@pytest.mark.parametrize("spoken", SPOKEN, ids=lambda spoken: spoken.prefix)
async def test_each_dialect_refuses_so(api: Api, spoken: Spoken) -> None:
    said = (await refusal(api, spoken.body | {"model": "slow"}, ANN, spoken.path))["error"]
    assert "model" in said["message"]
    assert "GET /v1/models" in said["message"]
    assert said["type"] == "permission_error"


async def test_the_list_has_only_what_may_be_asked(api: Api) -> None:
    listing = (await api.client.get("/v1/models", headers=ANN)).json()
    models = {model["id"]: model for model in listing["data"]}
    assert models["simulator/lorem"]["aliases"] == ["quick"]
    assert {name.partition("/")[0] for name in models} == {"simulator", "simulator-responses", "simulator-anthropic"}
    assert "simulator/echo" not in models
    assert "simulator-anthropic/echo" not in models
    assert "simulator-responses/echo" in models
    assert {provider["name"] for provider in listing["providers"]} == {name.partition("/")[0] for name in models}
    for name, there in [("quick", True), ("slow", False), ("simulator/echo", False), ("simulator-gemini/demo", False)]:
        found = await api.client.get(f"/v1/models/{name}", headers=ANN)
        assert (found.status_code == 200) is there, name
    everything = (await api.client.get("/v1/models", headers=BOB)).json()["data"]
    assert "simulator/echo" in [model["id"] for model in everything]


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"extra": {"simulator": {"mood": "good", "a/b": 1}}}, ["/extra/simulator/mood", "/extra/simulator/a~1b"]),
        ({"extra": {"simulator-gemini": {"x": 1}}}, ["/extra/simulator-gemini/x"]),
    ],
)
async def test_provider_fields_are_refused_by_their_place(
    api: Api, fields: dict[str, Any], pointers: list[str]
) -> None:
    problem = await refusal(api, BODY | fields, BOB)
    assert problem["code"] == "extra_not_allowed"
    assert [error["pointer"] for error in problem["errors"]] == pointers
    assert (await api.client.post("/v1/generations", json=BODY | fields, headers=ANN)).status_code == 202


async def test_an_extra_that_holds_nothing_is_none(api: Api) -> None:
    empty: list[dict[str, Any]] = [{}, {"simulator": {}}]
    for extra in empty:
        assert (await api.client.post("/v1/generations", json=BODY | {"extra": extra}, headers=BOB)).status_code == 202


async def test_what_a_dialect_passes_on_is_refused_by_its_own_place(api: Api) -> None:
    key = "key-of-bob-0123456789"
    root = f"http://127.0.0.1:{api.port}"
    async with openai.AsyncOpenAI(base_url=f"{root}/v1", api_key=key, max_retries=0) as client:
        with pytest.raises(openai.PermissionDeniedError) as chat:
            await client.chat.completions.create(
                model="quick", messages=[{"role": "user", "content": "Go."}], extra_body={"web_search_options": {}}
            )
        assert (chat.value.code, chat.value.param) == ("extra_not_allowed", "web_search_options")
        with pytest.raises(openai.PermissionDeniedError) as responses:
            await client.responses.create(model="simulator-responses/lorem", input="Go.", truncation="auto")
        assert (responses.value.code, responses.value.param) == ("extra_not_allowed", "truncation")
    async with anthropic.AsyncAnthropic(base_url=root, api_key=key, max_retries=0) as claude:
        with pytest.raises(anthropic.PermissionDeniedError) as messages:
            await claude.messages.create(
                model="claude",
                max_tokens=9,
                messages=[{"role": "user", "content": "Go."}],
                extra_body={"inference_geo": "eu"},
            )
        assert messages.value.body["error"]["message"].startswith("inference_geo: ")  # type: ignore[index]


async def test_what_was_accepted_before_stays_so(make_api: MakeApi, redis_url: str) -> None:
    before = await make_api(redis_url)
    key = {"Idempotency-Key": "once"}
    body = BODY | {"extra": {"simulator": {"mood": "good"}}}
    first = await before.client.post("/v1/generations", json=body, headers=key)
    after = await make_api(redis_url, owners={"local": {"extra": False, "models": ["simulator/echo"]}})
    again = await after.client.post("/v1/generations", json=body, headers=key)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    await refusal(after, body, {"Idempotency-Key": "twice"})
