"""Those that answer: each asks the simulator, and streams what it says to whoever asked."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from bench.cpu import LOAD_CORE, SERVER_CORE, on_core
from bench.environments import PEERS, node, python
from bench.load import form, post
from midstream.processes.valkey import Valkey
from tests.harness.ports import free_port
from tests.harness.processes import Process, Stack
from tests.harness.repository import ROOT

PROMPT = [{"role": "user", "content": "Hello"}]


@dataclass(frozen=True)
class Subject:
    """A running server: whom to ask, and whose CPU counts."""

    port: int
    processes: Mapping[str, int]
    """Its processes by name, with their children."""
    request: Callable[[str], bytes]
    """Asks for an answer by a script of the simulator, as a stream."""
    dense: bool = True
    """Whether its ids, where it has any, are dense."""
    repeats: bool = False
    """Whether the whole text comes again at the end."""


Start = Callable[[str, Path], AbstractAsyncContextManager[Subject]]
"""Starts one, given the simulator's root and a folder of its own."""


@asynccontextmanager
async def started(process: Process, core: int) -> AsyncIterator[Process]:
    """The process, on this core, while inside; what it said is shown where that fails."""
    with on_core(core):
        await process.start()
    try:
        yield process
    except BaseException:
        process.show()
        raise
    finally:
        await process.stop()


async def listening(port: int, seconds: float = 30.0) -> None:
    """Wait until connections are accepted, for those that do not say so. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


@asynccontextmanager
async def simulator(folder: Path) -> AsyncIterator[tuple[str, int]]:
    """The provider, beside the load; its root URL and process id."""
    command = [sys.executable, "-m", "simulator", "--port", "0"]
    async with started(Process("simulator", command, r"listening on \S+", folder, {}), LOAD_CORE) as process:
        yield (await process.said(r"listening on (\S+)"))[1], process.popen.pid


def midstream(*, workers: int = 1, environment: Mapping[str, str] | None = None, chat: bool = False) -> Start:
    """One API, the workers and the embedded Valkey, with default settings but room for every generation.

    With `chat` it is asked as a client of OpenAI Chat Completions asks.
    """

    @asynccontextmanager
    async def start(simulator_url: str, folder: Path) -> AsyncIterator[Subject]:
        settings = {"MIDSTREAM_LEASE": "5", "MIDSTREAM_CONCURRENCY": "4000", "MIDSTREAM_SIMULATOR_URL": simulator_url}
        stack = Stack(folder, simulator=False, workers=workers, environment=settings | dict(environment or {}))
        with on_core(SERVER_CORE):
            await stack.__aenter__()
        try:
            pids = {process.name.removesuffix("-1"): process.popen.pid for process in stack.processes}
            pids["redis"] = stack.valkey.pid
            yield Subject(
                stack.apis[0].port,
                pids,
                (lambda script: post("/v1/chat/completions", {"model": script, "messages": PROMPT, "stream": True}))
                if chat
                else (lambda script: post("/v1/generations", {"model": f"simulator/{script}", "messages": PROMPT})),
            )
        except BaseException:
            stack.show()
            raise
        finally:
            await stack.__aexit__(None)

    return start


def uvicorn_app(name: str, app: str, environment: str | None = None) -> Start:
    """An ASGI application that takes `POST /chat {"model": …}`, with our packages or those of a peer's environment."""

    @asynccontextmanager
    async def start(simulator_url: str, folder: Path) -> AsyncIterator[Subject]:
        port = free_port()
        interpreter = python(environment) if environment else sys.executable
        command = [interpreter, "-m", "uvicorn", app, "--port", str(port), "--app-dir", str(ROOT)]
        command += ["--loop", "uvloop", "--http", "httptools", "--backlog", "4096"]
        process = Process(name, command, r"Uvicorn running on", folder, {"BENCH_SIMULATOR_URL": simulator_url})
        async with started(process, SERVER_CORE):
            yield Subject(port, {"server": process.popen.pid}, lambda script: post("/chat", {"model": script}))

    return start


@asynccontextmanager
async def litellm(simulator_url: str, folder: Path) -> AsyncIterator[Subject]:
    """LiteLLM's proxy with one model, which passes on whatever it is named; one worker, its default."""
    program = Path(python("litellm")).with_name("litellm")
    upstream = {"api_base": f"{simulator_url}/v1", "api_key": "none", "max_retries": 0, "timeout": 900}
    models = [{"model_name": "*", "litellm_params": {"model": "openai/*", **upstream}}]
    # It does not start without one.
    key = f"sk-{secrets.token_hex(32)}"
    settings = {
        "general_settings": {"master_key": key},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
    }
    configuration = folder / "litellm.yaml"
    # Its YAML parser reads JSON too.
    configuration.write_text(json.dumps({"model_list": models, **settings}))
    port = free_port()
    command = [str(program), "--config", str(configuration), "--host", "127.0.0.1", "--port", str(port)]
    # It would else fetch its list of prices, and find our packages for its own.
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONPATH": "", "NO_COLOR": "1"}
    process = Process("litellm", [*command, "--telemetry", "False"], r"Uvicorn running on", folder, environment)
    async with started(process, SERVER_CORE):

        def request(script: str) -> bytes:
            body = {"model": script, "messages": PROMPT, "stream": True}
            return post("/v1/chat/completions", body, headers=f"Authorization: Bearer {key}\r\n")

        yield Subject(port, {"server": process.popen.pid}, request)


@asynccontextmanager
async def resumable_stream(simulator_url: str, folder: Path) -> AsyncIterator[Subject]:
    """vercel's resumable-stream on Node, with a Redis of its own."""
    program, home = node("resumable_stream")
    with on_core(SERVER_CORE):
        valkey = Valkey(folder / "data")
        await valkey.start()
    try:
        port = free_port()
        environment = {"BENCH_SIMULATOR_URL": simulator_url, "BENCH_REDIS_SOCKET": str(valkey.socket)}
        command = [program, str(home / "server.mjs"), str(port)]
        process = Process("resumable-stream", command, r"listening", folder, environment)
        async with started(process, SERVER_CORE):
            pids = {"server": process.popen.pid, "redis": valkey.pid}
            yield Subject(port, pids, lambda script: post("/chat", {"model": script}))
    finally:
        await valkey.stop()


@asynccontextmanager
async def agno(simulator_url: str, folder: Path) -> AsyncIterator[Subject]:
    """agno's AgentOS, runs in the background and resumable."""
    port = free_port()
    command = [python("agno"), "-m", "uvicorn", "bench.peers.agno_server:app", "--port", str(port)]
    command += ["--app-dir", str(ROOT), "--loop", "uvloop", "--http", "httptools", "--backlog", "4096"]
    environment = {"BENCH_SIMULATOR_URL": simulator_url, "AGNO_TELEMETRY": "false"}
    async with started(Process("agno", command, r"Uvicorn running on", folder, environment), SERVER_CORE) as process:

        def request(script: str) -> bytes:
            fields = urlencode({"message": script, "stream": "true", "background": "true"})
            return form("/agents/bench/runs", fields)

        yield Subject(port, {"server": process.popen.pid}, request, repeats=True)


@asynccontextmanager
async def langgraph(simulator_url: str, folder: Path) -> AsyncIterator[Subject]:
    """LangGraph's in-memory server, runs resumable."""
    program = Path(python("langgraph")).with_name("langgraph")
    port = free_port()
    (folder / "langgraph.json").write_text(
        json.dumps({"dependencies": ["."], "graphs": {"bench": f"{PEERS / 'langgraph_server.py'}:graph"}})
    )
    command = [str(program), "dev", "--no-browser", "--no-reload", "--allow-blocking", "--port", str(port)]
    environment = {"BENCH_SIMULATOR_URL": simulator_url, "PYTHONPATH": "", "LANGSMITH_TRACING": "false"}
    process = Process(
        "langgraph", [*command, "--n-jobs-per-worker", "1000"], r"Application started up", folder, environment
    )
    async with started(process, SERVER_CORE):
        await listening(port)

        def request(script: str) -> bytes:
            body = {"assistant_id": "bench", "input": {"model": script}, "stream_mode": "custom"}
            return post("/runs/stream", {**body, "stream_resumable": True, "on_disconnect": "continue"})

        yield Subject(port, {"server": process.popen.pid}, request, dense=False)


SUBJECTS: dict[str, Start] = {
    "Midstream": midstream(),
    "Midstream, Chat": midstream(chat=True),
    "plain proxy": uvicorn_app("plain-proxy", "bench.peers.plain_proxy:app"),
    "sse-starlette": uvicorn_app("sse-starlette", "bench.peers.sse_starlette_proxy:app", "sse-starlette"),
    "LiteLLM proxy": litellm,
    "resumable-stream": resumable_stream,
    "agno": agno,
    "LangGraph": langgraph,
}
"""By name, in the order of the tables."""
