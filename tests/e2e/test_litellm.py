"""LiteLLM's proxy as the gateway between Midstream and aimock: neither of them did we write.

Over Chat Completions by the preset `litellm`, and over Messages as an entry of the configuration file.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.e2e.conftest import AIMOCK_KEY, Node
from tests.e2e.viewers import DEADLINE, ask, blocks, connect, cursor_of, parse, text_of, watch
from tests.harness.ports import free_port
from tests.harness.processes import Process, Stack

pytestmark = [
    pytest.mark.node,
    pytest.mark.litellm,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("shown"),
]

KEY = "sk-of-the-gateway"
CLAUDES = ("litellm/claude-sonnet-4-5", "gateway-messages/claude-sonnet-4-5")
MODELS = ("litellm/gpt-5", *CLAUDES)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(litellm: str, aimock: Process, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    """The proxy, with a model of either protocol behind it, that tries nothing again by itself."""
    url = (await aimock.said(r"listening on (\S+)"))[1]
    upstream = {"api_key": AIMOCK_KEY, "max_retries": 0}
    models = [
        {"model_name": "gpt-5", "litellm_params": {"model": "openai/gpt-5", "api_base": f"{url}/v1", **upstream}},
        {
            "model_name": "claude-sonnet-4-5",
            "litellm_params": {"model": "anthropic/claude-sonnet-4-5", "api_base": url, **upstream},
        },
    ]
    settings = {
        "general_settings": {"master_key": KEY},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
    }
    folder = tmp_path_factory.mktemp("litellm")
    # Its YAML parser reads JSON too.
    (folder / "config.yaml").write_text(json.dumps({"model_list": models, **settings}))
    port = free_port()
    command = [litellm, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
    # It would else fetch its list of prices, and find our packages for its own.
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONPATH": "", "NO_COLOR": "1"}
    process = Process("litellm", command, r"Uvicorn running on", folder, environment)
    await process.start()
    yield process
    await process.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(gateway: Process, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Midstream, to which the gateway is all there is."""
    url = (await gateway.said(r"Uvicorn running on (http://\S+)"))[1]
    folder = tmp_path_factory.mktemp("stack")
    configuration = folder / "midstream.toml"
    entry = ["[providers.gateway-messages]", 'protocol = "anthropic"', f'base_url = "{url}"']
    configuration.write_text("\n".join([*entry, 'api_key_env = "LITELLM_API_KEY"', ""]))
    environment = {
        "LITELLM_BASE_URL": f"{url}/v1",
        "LITELLM_API_KEY": KEY,
        "MIDSTREAM_CONFIG": str(configuration),
        "MIDSTREAM_RETRIES": "0",
    }
    async with Stack(folder, simulator=False, environment=environment) as running:
        yield running


@pytest.fixture(scope="module")
def fixtures(node: Node) -> dict[str, dict[str, Any]]:
    """What aimock answers, by the words that make it do so."""
    entries = json.loads((node.folder / "fixtures.json").read_text())["fixtures"]
    return {entry["match"]["userMessage"]: entry["response"] for entry in entries if "userMessage" in entry["match"]}


@pytest.mark.parametrize("model", MODELS)
async def test_text_cut_and_resumed_while_it_streams(
    stack: Stack, http: httpx2.AsyncClient, fixtures: dict[str, Any], model: str
) -> None:
    api = stack.apis[0].url
    generation_id = await ask(http, api, model, "long story")
    async with connect(api, generation_id) as response:
        await response.until(700)
        first = blocks(response.body)
    async with asyncio.timeout(DEADLINE):
        rest = await watch(api, generation_id, cursor_of(first[-1]))
    events = parse(b"".join(first) + rest)
    assert [event_id for event_id, _, _ in events] == [f"{events[0][0].split('-')[0]}-{n}" for n in range(len(events))]
    assert text_of(b"".join(first) + rest) == fixtures["long story"]["content"]
    assert (events[-1][1], events[-1][2]["finish_reason"]) == ("completed", "stop")
    (named,) = [data for _, event, data in events if event == "response"]
    assert named["response_id"]
    assert named["request_id"]


@pytest.mark.parametrize("model", CLAUDES)
async def test_reasoning_keeps_its_signature(
    stack: Stack, http: httpx2.AsyncClient, fixtures: dict[str, Any], model: str
) -> None:
    """It is LiteLLM's where it comes as Chat, and Anthropic's own where it comes as Messages."""
    response = fixtures["think first"]
    api = stack.apis[0].url
    body = await watch(api, await ask(http, api, model, "think first", reasoning_effort="low"))
    assert text_of(body, "reasoning") == response["reasoning"]
    assert text_of(body) == response["content"]
    ends = [data for _, event, data in parse(body) if event == "part_end" and "signature" in data]
    origin = "litellm" if model.startswith("litellm/") else "anthropic"
    assert [(end["signature"], end["provider"]) for end in ends] == [(response["reasoningSignature"], origin)]
    assert "raw" not in [event for _, event, _ in parse(body)]
    # It goes back without a complaint, by each protocol in its own way.
    reasoning = [{"text": response["reasoning"], "signature": ends[0]["signature"], "provider": origin}]
    messages = [
        {"role": "user", "content": "think first"},
        {"role": "assistant", "content": response["content"], "reasoning": reasoning},
        {"role": "user", "content": "cut off"},
    ]
    again = await watch(api, await ask(http, api, model, messages=messages, reasoning_effort="low"))
    assert text_of(again) == "It stops."


@pytest.mark.parametrize("model", MODELS)
async def test_tool_calls_and_their_results(
    stack: Stack, http: httpx2.AsyncClient, fixtures: dict[str, Any], model: str
) -> None:
    response = fixtures["weather"]
    api = stack.apis[0].url
    names = ("get_weather", "get_time")
    tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in names]
    generation_id = await ask(http, api, model, "weather", tools=tools)
    body = await watch(api, generation_id)
    assert text_of(body) == response["content"]
    assert parse(body)[-1][2]["finish_reason"] == "tool_calls"
    parts = (await http.get(f"{api}/v1/generations/{generation_id}")).json()["parts"]
    made = [(part["call_id"], part["name"], part["arguments"]) for part in parts if part["kind"] == "tool_call"]
    assert made == [(call["id"], call["name"], json.loads(call["arguments"])) for call in response["toolCalls"]]
    calls = [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for call_id, name, arguments in made
    ]
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "weather"},
        {"role": "assistant", "content": response["content"], "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_paris", "content": "sunny"},
        {"role": "tool", "tool_call_id": "call_time", "content": "noon"},
    ]
    answer = await watch(api, await ask(http, api, model, messages=messages, tools=tools))
    assert text_of(answer) == "Sunny at noon."


@pytest.mark.parametrize("model", MODELS)
async def test_ends(stack: Stack, http: httpx2.AsyncClient, fixtures: dict[str, Any], model: str) -> None:
    api = stack.apis[0].url
    body = await watch(api, await ask(http, api, model, "cut off"))
    assert text_of(body) == "It stops."
    assert parse(body)[-1][2]["finish_reason"] == "length"
    _, event, failed = parse(await watch(api, await ask(http, api, model, "refused")))[-1]
    assert (event, failed["code"], failed["retryable"]) == ("failed", "bad_request", False)
    # What is broken behind the gateway is an error in the gateway's stream.
    body = await watch(api, await ask(http, api, model, "broken off", on_interrupt="fail"))
    _, event, failed = parse(body)[-1]
    assert (event, failed["retryable"]) == ("failed", True)
    assert fixtures["broken off"]["content"].startswith(text_of(body))
    assert text_of(body)
    for process in stack.processes:
        assert "Secret of the provider" not in process.output.read_text()
