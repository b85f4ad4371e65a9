"""The journal, clients that leave, keys, and the process itself."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
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
    assert moments == sorted(moments)
    assert entry["first_write_us"] - entry["received_us"] >= 58_000, "ttft, less the timer's slack"
    # The schedule is absolute: the last delta is due four periods after the first was, and never much sooner.
    assert stamps[-1] - entry["received_us"] >= 98_000


async def test_modest_rates_send_one_delta_a_write(simulator: str) -> None:
    host, port = simulator.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    content = json.dumps(body("clock?deltas=8&rate=40")).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)
    await reader.readuntil(b"\r\n\r\n")
    chunks = []
    while size := int(await reader.readline(), 16):
        chunks.append((await reader.readexactly(size + 2))[:-2])
    writer.close()
    await writer.wait_closed()
    counts = [chunk.count(b'"content":"@') for chunk in chunks]
    assert sum(counts) == 8
    # A machine busy elsewhere may join two; most come alone.
    assert counts.count(1) >= 5


@pytest.mark.parametrize("path", PATHS)
async def test_rate_zero_writes_many_deltas_at_once(http: httpx2.AsyncClient, path: str) -> None:
    chunks = 0
    seen = b""
    async with http.stream("POST", path, json=body("clock?deltas=6400&rate=0")) as answer:
        async for data in answer.aiter_raw():
            chunks += 1
            seen += data
    assert len(re.findall(rb'"@\d+;"', seen)) == 6400
    assert chunks < 1600


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "script",
    ["lorem?fault=stall@2&rate=0", "lorem?rate=0.01", "lorem?ttft=60000", "lorem?fault=keepalive&rate=0"],
)
async def test_a_client_that_leaves_is_noticed_at_once(
    simulator: str, ended: Entries, http: httpx2.AsyncClient, key: str, script: str, stream: bool
) -> None:
    host, port = simulator.removeprefix("http://").split(":")
    content = json.dumps(body(f"{script}&key={key}", stream=stream)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(content)}\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(head.encode() + content)
        deadline = time.monotonic() + 10
        while not (running := (await http.get("/journal", params={"key": key})).json()):
            assert time.monotonic() < deadline
        assert running[0]["how"] is None
        assert running[0]["ended_us"] is None
        left = now_us()
    (entry,) = await ended(key)
    assert entry["how"] == "client_left"
    assert 0 <= entry["ended_us"] - left < 100_000


async def test_a_client_that_does_not_read_is_waited_for(simulator: str, ended: Entries, key: str) -> None:
    host, port = simulator.removeprefix("http://").split(":")
    content = json.dumps(body(f"clock?deltas=200000&rate=0&key={key}")).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(content)}\r\n\r\n"
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode() + content)
    await reader.readuntil(b"\r\n\r\n")
    counts: list[int] = []
    async with httpx2.AsyncClient(base_url=simulator) as http:
        deadline = time.monotonic() + 20
        # A stream without a rate has a turn between any two requests, so it stands still only when the
        # kernel's and the server's buffers are full.
        while len(counts) < 20 or counts[-1] != counts[-20]:
            counts.append((await http.get("/journal", params={"key": key})).json()[0]["deltas"])
            assert time.monotonic() < deadline
    assert 0 < counts[-1] < 200_000
    writer.transport.abort()
    (entry,) = await ended(key)
    assert (entry["how"], entry["deltas"] < 200_000) == ("client_left", True)


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


def test_a_unix_socket(launch: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "simulator.sock"
    with launch("--uds", str(path)) as (_, address):
        assert address == f"unix:{path}"
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path)), base_url="http://simulator") as client:
            assert client.get("/livez").status_code == 200
            with pytest.raises(httpx2.TransportError):
                client.post(PATHS[0], json=body("lorem?rate=0&fault=reset@2"))


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_with_answers_running(launch: Callable[..., Any], sent: signal.Signals) -> None:
    with launch("--port", "0") as (process, address):
        with (
            httpx2.Client(base_url=address, timeout=10) as client,
            client.stream("POST", PATHS[0], json=body("lorem?fault=stall")) as answer,
        ):
            stopped = time.monotonic()
            process.send_signal(sent)
            with pytest.raises(httpx2.TransportError):
                answer.read()
        _, errors = process.communicate(timeout=10)
        assert time.monotonic() - stopped < 5
        assert errors == b""
        assert process.returncode in (0, -sent)


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "simulator", "--port", str(port)]
        done = subprocess.run(command, capture_output=True, timeout=30, check=False, text=True)
    assert done.returncode == 1
    assert done.stderr == f"simulator: cannot listen on 127.0.0.1:{port}: Address already in use\n"
