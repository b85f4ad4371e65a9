"""Bodies of many small values: what they cost is bounded, and those who ask beside them do not notice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import cpu
from tests.mended.beside import Beside
from tests.mended.conftest import Start
from tests.mended.running import Running

USER = {"role": "user", "content": "hi"}
TEXT = {"type": "text", "text": "x"}


@pytest.fixture(scope="module")
def running(start_shared: Start) -> Running:
    return start_shared()


def of(messages: Any, **more: Any) -> bytes:
    body = {"model": "simulator/echo", "messages": messages, **more}
    return json.dumps(body, separators=(",", ":")).encode()


def peak(running: Running) -> int:
    """Bytes that the API has had in memory at most."""
    (pid,) = running.children("api")
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


HOSTILE = {
    "empty parts": of([{"role": "user", "content": [{}] * 200_000}]),
    "parts below the limit of values": of([{"role": "user", "content": [{}] * 90_000}]),
    "calls": of([{"role": "assistant", "tool_calls": [{}] * 90_000}]),
    "parts of many messages": of([{"role": "user", "content": [{}] * 9_000}] * 10),
    "unknown names": of([USER], **{f"n{n}": 1 for n in range(90_000)}),
    "extra": of([USER], extra={f"n{n}": 1 for n in range(90_000)}),
    "lists in a tool": of(
        [USER], tools=[{"type": "function", "function": {"name": "f", "parameters": {"a": [[]] * 300_000}}}]
    ),
}


@pytest.mark.mended("front-1")
def test_a_body_of_many_values_is_refused_at_little_cost(running: Running) -> None:
    running.call("POST", "/v1/generations", of([USER], temperature="x"))
    before = peak(running)
    with Beside(running) as beside:
        for name, body in HOSTILE.items():
            used = cpu.used(running.process.pid)
            answer = running.call("POST", "/v1/generations", body)
            worked = cpu.used(running.process.pid) - used
            assert answer.status == 422, (name, answer)
            assert 0 < len(answer.document["errors"]) <= 20, name
            assert worked < 2, name
    assert beside.longest < 0.5
    assert peak(running) - before < 150_000_000


@pytest.mark.mended("front-1")
def test_a_number_that_nobody_can_read_is_refused_at_little_cost(running: Running) -> None:
    odd = {
        "many digits": "[" + ",".join(["1" * 4000] * 1900) + "]",
        "no number": "NaN",
        "infinity": "-Infinity",
        "as good as infinity": "1e999999",
    }
    with Beside(running) as beside:
        for name, number in odd.items():
            body = of([USER], extra={"simulator": {"a": "HERE"}}).replace(b'"HERE"', number.encode())
            answer = running.call("POST", "/v1/generations", body)
            assert answer.status == 422, name
            assert [error["pointer"] for error in answer.document["errors"]] == ["/extra/simulator"], name
            assert "/a" in answer.document["errors"][0]["message"], name
    assert beside.longest < 0.5


@pytest.mark.mended("front-1")
def test_a_long_name_is_neither_searched_nor_repeated(running: Running) -> None:
    with Beside(running) as beside:
        answer = running.call("POST", "/v1/generations", of([USER], **{"n" * 2_000_000: 1}))
    assert answer.status == 422
    assert len(answer.raw) < 2_000
    assert beside.longest < 0.5


@pytest.mark.mended("front-1", guard=True)
def test_as_much_as_people_send_is_taken(running: Running) -> None:
    for messages in ([{"role": "user", "content": [TEXT] * 9_000}], [USER] * 9_000):
        assert running.call("POST", "/v1/generations", of(messages)).status == 202
    rows = [{"id": n, "tags": ["a", "b"], "name": f"row {n}"} for n in range(10_000)]
    tool = {"type": "function", "function": {"name": "f", "parameters": {"enum": rows}}}
    assert running.call("POST", "/v1/generations", of([USER], tools=[tool])).status == 202


@pytest.mark.mended("front-1", guard=True)
def test_each_mistake_still_has_its_place(running: Running) -> None:
    messages = [USER, {"role": "user", "content": [TEXT] * 5_000 + [{"type": "text"}]}, {"role": "nobody"}]
    answer = running.call("POST", "/v1/generations", of(messages, sed=1))
    found = {error["pointer"] for error in answer.document["errors"]}
    assert found == {"/messages/1/content/5000/text", "/messages/2", "/sed"}
