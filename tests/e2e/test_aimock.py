"""Answers of `@copilotkit/aimock`, a provider server that we did not write, through the whole pipeline.

Its fixtures are `node/fixtures.json`: what it is told to say is what every viewer must get.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.e2e.conftest import AIMOCK_KEY as KEY
from tests.e2e.conftest import Node
from tests.e2e.viewers import DEADLINE, ask, blocks, connect, cursor_of, parse, text_of, watch
from tests.harness.processes import Process, Stack

pytestmark = [
    pytest.mark.node,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(240),
    pytest.mark.usefixtures("shown"),
]

MODELS = ("openai/gpt-5", "openai-responses/gpt-5", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(aimock: Process, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Midstream with the two providers' addresses and keys in the environment, as an operator sets them."""
    url = (await aimock.said(r"listening on (\S+)"))[1]
    environment = {
        "OPENAI_BASE_URL": f"{url}/v1",
        "OPENAI_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": KEY,
        "GEMINI_BASE_URL": url,
        "GEMINI_API_KEY": KEY,
        "MIDSTREAM_RETRIES": "1",
    }
    folder = tmp_path_factory.mktemp("stack")
    async with Stack(folder, simulator=False, environment=environment) as running:
        yield running


@pytest.fixture(scope="module")
def fixtures(node: Node) -> dict[str, dict[str, Any]]:
    """What aimock answers, by the words that make it do so."""
    entries = json.loads((node.folder / "fixtures.json").read_text())["fixtures"]
    return {entry["match"]["userMessage"]: entry["response"] for entry in entries if "userMessage" in entry["match"]}


@pytest.mark.parametrize("model", MODELS)
async def test_text(stack: Stack, http: httpx2.AsyncClient, fixtures: dict[str, Any], model: str) -> None:
    """aimock cuts its text by UTF-16 units, here each one alone, so that every emoji comes in halves.

    They come slowly enough for the halves to be written to the log one after the other.
    """
    response = fixtures["exotic text"]
    api = stack.apis[0].url
    generation_id = await ask(http, api, model, "exotic text")
    body = await watch(api, generation_id)
    assert text_of(body) == response["content"]
    _, event, end = parse(body)[-1]
    assert (event, end["finish_reason"]) == ("completed", "stop")
    assert end["usage"]["input_tokens"] == response["usage"]["prompt_tokens"]
    assert end["usage"]["output_tokens"] == response["usage"]["completion_tokens"]
    snapshot = (await http.get(f"{api}/v1/generations/{generation_id}")).json()
    assert (snapshot["state"], snapshot["text"]) == ("completed", response["content"])


@pytest.mark.parametrize("model", MODELS)
async def test_reasoning(stack: Stack, http: httpx2.AsyncClient, fixtures: dict[str, Any], model: str) -> None:
    response = fixtures["think first"]
    api = stack.apis[0].url
    body = await watch(api, await ask(http, api, model, "think first", reasoning_effort="low"))
    assert text_of(body, "reasoning") == response["reasoning"]
    assert text_of(body) == response["content"]
    signatures = [data["signature"] for _, event, data in parse(body) if event == "part_end" and "signature" in data]
    assert signatures == ([response["reasoningSignature"]] if model.startswith("anthropic") else [])


@pytest.mark.parametrize("model", MODELS)
async def test_tool_calls_and_their_results(
    stack: Stack, http: httpx2.AsyncClient, fixtures: dict[str, Any], model: str
) -> None:
    response = fixtures["weather"]
    api = stack.apis[0].url
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
        for name in ("get_weather", "get_time")
    ]
    generation_id = await ask(http, api, model, "weather", tools=tools)
    body = await watch(api, generation_id)
    events = parse(body)
    assert text_of(body) == response["content"]
    assert (events[-1][1], events[-1][2]["finish_reason"]) == ("completed", "tool_calls")
    calls = {data["part"]: data for _, event, data in events if event == "part" and data["kind"] == "tool_call"}
    said = dict.fromkeys(calls, "")
    for _, event, data in events:
        if event == "delta" and data["part"] in said:
            said[data["part"]] += data["delta"]
    made = [(calls[part]["call_id"], calls[part]["name"], said[part]) for part in calls]
    assert made == [(call["id"], call["name"], call["arguments"]) for call in response["toolCalls"]]

    # The results go back in the protocol's own way; aimock answers only where it recognises them.
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "weather"},
        {
            "role": "assistant",
            "content": text_of(body),
            "tool_calls": [
                {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
                for call_id, name, arguments in made
            ],
        },
        {"role": "tool", "tool_call_id": "call_paris", "content": "sunny"},
        {"role": "tool", "tool_call_id": "call_time", "content": "noon"},
    ]
    answer = await watch(api, await ask(http, api, model, messages=messages, tools=tools))
    assert text_of(answer) == "Sunny at noon."


@pytest.mark.parametrize("model", MODELS)
async def test_finish_reason_length(stack: Stack, http: httpx2.AsyncClient, model: str) -> None:
    api = stack.apis[0].url
    body = await watch(api, await ask(http, api, model, "cut off"))
    assert text_of(body) == "It stops."
    end = parse(body)[-1][2]
    # Over Responses it does not say why.
    why = ("other", "incomplete") if model.startswith("openai-responses") else ("length", end["raw_finish_reason"])
    assert (end["finish_reason"], end["raw_finish_reason"]) == why


@pytest.mark.parametrize("model", MODELS)
async def test_errors(stack: Stack, http: httpx2.AsyncClient, fixtures: dict[str, Any], model: str) -> None:
    api = stack.apis[0].url
    body = await watch(api, await ask(http, api, model, "refused"))
    _, event, failed = parse(body)[-1]
    assert (event, failed["code"], failed["retryable"]) == ("failed", "bad_request", False)
    # Its connection breaks off in mid-answer, which is no answer.
    body = await watch(api, await ask(http, api, model, "broken off", on_interrupt="fail"))
    _, event, failed = parse(body)[-1]
    assert event == "failed"
    assert failed["code"] == "connection"
    assert text_of(body)
    assert fixtures["broken off"]["content"].startswith(text_of(body))
    for process in stack.processes:
        assert "Secret of the provider" not in process.output.read_text()


async def test_busy_at_first(stack: Stack, http: httpx2.AsyncClient) -> None:
    """One 429, then the answer: tried again before the first event, in the same attempt."""
    api = stack.apis[0].url
    events = parse(await watch(api, await ask(http, api, MODELS[0], "busy")))
    assert [event for _, event, _ in events].count("attempt") == 1
    assert "".join(data["delta"] for _, event, data in events if event == "delta") == "Now I have time."


async def test_a_wrong_key_is_refused(stack: Stack, http: httpx2.AsyncClient, aimock: Process) -> None:
    """The judge does look at the key: what was answered above had the operator's."""
    url = (await aimock.said(r"listening on (\S+)"))[1]
    body = {"model": "gpt-5", "messages": [{"role": "user", "content": "cut off"}]}
    refused = await http.post(f"{url}/v1/chat/completions", json=body, headers={"Authorization": "Bearer wrong"})
    assert refused.status_code == 401


@pytest.mark.parametrize("model", MODELS)
async def test_cut_and_resumed_while_it_streams(
    stack: Stack, http: httpx2.AsyncClient, fixtures: dict[str, Any], model: str
) -> None:
    api = stack.apis[0].url
    generation_id = await ask(http, api, model, "long story")
    async with connect(api, generation_id) as response:
        await response.until(700)
        first = blocks(response.body)
    state = (await http.get(f"{api}/v1/generations/{generation_id}")).json()["state"]
    assert state == "running"
    async with asyncio.timeout(DEADLINE):
        rest = await watch(api, generation_id, cursor_of(first[-1]))
    assert first + blocks(rest) == blocks(await watch(api, generation_id))
    assert text_of(b"".join(first) + rest) == fixtures["long story"]["content"]
