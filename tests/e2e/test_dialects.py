"""Each simulator script over each provider's protocol, told in each dialect: the same answer, through any cuts."""

from __future__ import annotations

import json
import random

import httpx2
import pytest

from tests.e2e.dialect_streams import ADDRESSES, Answer, everywhere
from tests.e2e.viewers import ask
from tests.harness.processes import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("shown"), pytest.mark.timeout(150)]

PROTOCOLS = ("simulator", "simulator-responses", "simulator-anthropic", "simulator-gemini")
SCRIPTS = {
    "demo": "demo?deltas=150&rate=200",
    "lorem": "lorem?deltas=120&rate=150&unicode=1",
    "surrogates": "lorem?bytes=20000&unicode=1&surrogates=1&chunk=16&rate=0",
    "echo": "echo?rate=100",
    "reasoning": "reasoning?rate=100",
    "tools": "tools?rate=100",
    "refusal": "refusal?rate=100",
}


def comparable(answer: Answer) -> Answer:
    """Arguments as values, as Messages has them parsed; a refusal as text, as it is in Messages."""
    calls = tuple((name, json.dumps(json.loads(arguments), sort_keys=True)) for name, arguments in answer.calls)
    return answer._replace(text=answer.text + answer.refusal, refusal="", calls=calls)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("script", SCRIPTS)
async def test_all_dialects_say_the_same(stack: Stack, http: httpx2.AsyncClient, script: str, protocol: str) -> None:
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
        for name in ("get_weather", "get_time")
    ]
    fields = {"tools": tools} if script == "tools" else {}
    apis = [api.url for api in stack.apis]
    model = f"{protocol}/{SCRIPTS[script]}"
    generation_id = await ask(http, apis[0], model, "Hello, wörld", max_tokens=1_000_000, **fields)
    said = await everywhere(http, apis, generation_id, random.Random(f"{script} {protocol}"))
    snapshot = (await http.get(f"{apis[0]}/v1/generations/{generation_id}")).json()
    assert snapshot["state"] == "completed", snapshot["error"]
    parts = snapshot["parts"]
    expected = comparable(
        Answer(
            snapshot["text"],
            "".join(part["text"] for part in parts if part["kind"] == "reasoning"),
            "".join(part["text"] for part in parts if part["kind"] == "refusal"),
            tuple(
                (part["name"], json.dumps(part["arguments"]))
                for part in parts
                if part["kind"] == "tool_call" and part.get("executor") != "provider"
            ),
            (snapshot["usage"]["input_tokens"], snapshot["usage"]["output_tokens"]),
        )
    )
    assert any(expected[:4])
    assert {one: comparable(answer) for one, answer in said.items()} == dict.fromkeys(ADDRESSES, expected)
