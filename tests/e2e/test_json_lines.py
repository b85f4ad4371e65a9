"""Log lines of real processes as JSON: what a generation's lines say, and that a failed one is one warning."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.harness.processes import Process, Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY, OWNER, PROMPT = "canary-key-0123456789", "acme", "canary prompt"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    environment = {
        "MIDSTREAM_LOG_FORMAT": "json",
        "MIDSTREAM_LOG_LEVEL": "debug",
        "MIDSTREAM_API_KEYS": f"{OWNER}:{KEY}",
        "MIDSTREAM_RETRIES": "1",
    }
    async with Stack(tmp_path_factory.mktemp("json"), environment=environment) as running:
        yield running


async def ended(stack: Stack, model: str) -> tuple[str, str]:
    """Ask, and watch to the end; the generation's id and the text of the stream."""
    headers = {
        "Authorization": f"Bearer {KEY}",
        "Accept": "text/event-stream",
        "traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
    }
    body = {"model": model, "messages": [{"role": "user", "content": PROMPT}]}
    async with httpx2.AsyncClient(trust_env=False, timeout=40) as client:
        answer = await client.post(f"{stack.apis[0].url}/v1/generations?q=canary", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return re.findall(r"gen_\w+", answer.text)[0], answer.text


def lines(process: Process) -> list[dict[str, Any]]:
    """All that it has said: each line must be an object."""
    said = [json.loads(line) for line in process.output.read_text().splitlines()]
    for fields in said:
        assert list(fields)[:4] == ["time", "level", "logger", "message"], fields
    return said


async def lines_of(process: Process, generation_id: str, last: str) -> list[dict[str, Any]]:
    """The lines of one generation, once one of them has come."""
    await process.said(f"{generation_id} {last}")
    return [fields for fields in lines(process) if fields.get("generation") == generation_id]


async def test_the_lines_of_a_generation_say_whose_it_is(stack: Stack) -> None:
    generation_id, _ = await ended(stack, "simulator/lorem?deltas=3&rate=0")
    start, *_, end = await lines_of(stack.workers[0], generation_id, "completed")
    for fields in (start, end):
        known = {name: fields[name] for name in ("level", "owner", "attempt", "trace", "model")}
        assert known == {
            "level": "INFO", "owner": OWNER, "attempt": 1, "trace": TRACE, "model": "simulator/lorem",
        }  # fmt: skip
    assert (end["attempts"], end["output_tokens"], end["finish_reason"]) == (1, 3, "stop")


async def test_a_failed_generation_is_one_warning(stack: Stack) -> None:
    generation_id, stream = await ended(stack, "simulator/lorem?fault=529")
    assert "event: failed" in stream
    said = await lines_of(stack.workers[0], generation_id, "failed")
    [warning] = [fields for fields in said if fields["level"] not in ("INFO", "DEBUG")]
    expected = {"level": "WARNING", "code": "overloaded", "provider": "simulator", "attempts": 1, "owner": OWNER}
    assert expected.items() <= warning.items()
    assert "Overloaded" not in stack.workers[0].output.read_text(), "the provider's own words"


async def test_an_answer_says_whose_it_is_and_what_it_was(stack: Stack) -> None:
    await ended(stack, "simulator/lorem?deltas=1&rate=0")
    [*_, access] = [fields for fields in lines(stack.apis[0]) if fields.get("method") == "POST"]
    assert access["logger"] == "uvicorn.access"
    assert (access["status"], access["owner"], access["trace"]) == (200, OWNER, TRACE)
    async with httpx2.AsyncClient(trust_env=False) as client:
        refused = await client.get(f"{stack.apis[0].url}/v1/generations/{'gen_' + 'a' * 32}")
    assert refused.status_code == 401
    [*_, access] = [fields for fields in lines(stack.apis[0]) if fields.get("method") == "GET"]
    assert (access["status"], access["request"]) == (401, refused.headers["x-request-id"])
    assert access["generation"] == "gen_" + "a" * 32
    assert "owner" not in access


async def test_no_line_holds_what_was_asked_or_said(stack: Stack) -> None:
    _, stream = await ended(stack, "simulator/lorem?deltas=8&rate=0")
    text = "".join(re.findall(r'"delta":"([^"]*)"', stream))
    assert len(text) > 20
    for process in (*stack.apis, *stack.workers):
        output = process.output.read_text()
        assert lines(process)
        assert "canary" not in output
        assert text[:20] not in output
