"""The journal of what happened, keys, routes, and answers that are the same every time."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from .conftest import Entries

USER: Any = [{"role": "user", "content": "hello"}]
PATHS = ["/v1/chat/completions", "/v1/messages"]


def body(model: str, *, stream: bool = True) -> dict[str, Any]:
    return {"model": model, "stream": stream, "max_tokens": 1_000_000, "messages": USER}


def now_us() -> int:
    return time.time_ns() // 1000


@pytest.mark.parametrize("path", PATHS)
async def test_the_journal_says_what_happened(http: httpx2.AsyncClient, ended: Entries, key: str, path: str) -> None:
    model = f"clock?deltas=5&rate=100&ttft=60&key={key}"
    before = now_us()
    raw = (await http.post(path, json=body(model))).content
    (entry,) = await ended(key)
    assert entry["model"] == model
    assert entry["protocol"] == ("anthropic_messages" if path.endswith("messages") else "openai_chat")
    assert (entry["deltas"], entry["how"]) == (5, "complete")
    stamps = [int(stamp) for stamp in re.findall(rb'"@(\d+);"', raw)]
    assert len(stamps) == 5
    moments = [
        before,
        entry["received_us"],
        entry["first_write_us"],
        *stamps[1:],
        entry["ended_us"],
        now_us(),
    ]
    # A delta that is late is made in the same moment as the write before it.
    assert all(earlier <= later + 1_000 for earlier, later in pairwise(moments))
    assert entry["first_write_us"] - entry["received_us"] >= 58_000, "ttft, less the timer's slack"
    # The schedule is absolute: the last delta is due four periods after the first was, and never much sooner.
    assert stamps[-1] - entry["received_us"] >= 98_000


async def test_the_journal_is_cleared_by_key(http: httpx2.AsyncClient, ended: Entries, key: str) -> None:
    for name in (key, f"{key}-other"):
        await http.post(PATHS[0], json=body(f"lorem?deltas=1&rate=0&key={name}"))
    assert (await http.delete("/journal", params={"key": key})).status_code == 200
    assert (await http.get("/journal", params={"key": key})).json() == []
    assert len(await ended(f"{key}-other")) == 1


async def test_refused_requests_leave_no_entry(http: httpx2.AsyncClient, key: str) -> None:
    assert (await http.post(PATHS[0], json=body(f"lorem?rate=x&key={key}"))).status_code == 400
    assert not [row for row in (await http.get("/journal")).json() if key in row["model"]]


async def test_a_megabyte_is_the_same_every_time(http: httpx2.AsyncClient) -> None:
    said = []
    for stream in (False, True):
        model = "lorem?bytes=1000000&unicode=1&rate=0&chunk=37"
        raw = (await http.post(PATHS[0], json=body(model, stream=stream))).content
        if stream:
            rows = [json.loads(line[6:]) for line in raw.split(b"\n\n")[:-2]]
            said.append("".join(row["choices"][0]["delta"].get("content", "") for row in rows))
        else:
            said.append(json.loads(raw)["choices"][0]["message"]["content"])
    assert said[0] == said[1]
    assert 999_997 <= len(said[0].encode()) <= 1_000_000


async def test_unknown_routes(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/livez")).status_code == 200
    assert (await http.get("/nowhere")).status_code == 404
    assert (await http.get(PATHS[0])).status_code == 405
    assert (await http.post(PATHS[1], content=b" " * (33 << 20))).status_code == 413


async def test_required_keys(launch: Callable[..., Any]) -> None:
    with launch("--port", "0", "--require-key", "right") as (_, address):
        for key, accepted in (("right", True), ("wrong", False)):
            async with (
                openai.AsyncOpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0) as chat,
                anthropic.AsyncAnthropic(base_url=address, api_key=key, max_retries=0) as messages,
            ):
                asked: list[Awaitable[object]] = [
                    chat.chat.completions.create(model="lorem?rate=0", messages=USER),
                    messages.messages.create(model="lorem?rate=0", messages=USER, max_tokens=9),
                    chat.models.list(),
                    chat.responses.retrieve("resp_of_nobody"),
                ]
                answers = await asyncio.gather(*asked, return_exceptions=True)
                refusals = [isinstance(a, openai.AuthenticationError | anthropic.AuthenticationError) for a in answers]
                assert refusals == [not accepted] * 4, answers
        refused = answers[1]
        assert isinstance(refused, anthropic.AuthenticationError)
        assert refused.type == "authentication_error"
