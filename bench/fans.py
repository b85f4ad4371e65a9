"""Those that fan out: one server on a core of its own, and a publisher that makes its events beside the load."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from bench.cpu import LOAD_CORE, SERVER_CORE, on_core, pin, tree
from bench.environments import PEERS, Unavailable, python
from bench.load import compiled, get
from bench.publishers import Appender, Made, OverHttp, Publisher, ToRedis, data, keep_pace
from bench.stack import Connection
from bench.subjects import PROMPT, listening, started
from midstream.processes.valkey import Valkey
from shared.storage.connections import connect
from tests.harness.ports import free_port
from tests.harness.processes import Process, Stack
from tests.harness.repository import ROOT


@dataclass(frozen=True)
class Logs:
    """Midstream's logs behind a fan."""

    redis: Redis
    valkey: Valkey
    ids: Sequence[str]
    appender: Appender


@dataclass(frozen=True)
class Fan:
    """A running server: what its viewers ask for, whose CPU counts, and how its events are made."""

    port: int
    processes: Mapping[str, int]
    requests: Sequence[bytes]
    """One for each generation."""
    pace: Callable[[float, float], Coroutine[None, None, Made]]
    """Makes events at this rate for this many seconds."""
    dense: bool = True
    """Whether its ids are."""
    logs: Logs | None = None
    """Midstream's."""


Start = Callable[[int, Path], AbstractAsyncContextManager[Fan]]
"""Starts one for so many generations, given a folder of its own."""


def published(publisher: Publisher, generations: int) -> Callable[[float, float], Coroutine[None, None, Made]]:
    """By a publisher in this process. Raises RuntimeError, in the end, where it could not keep the pace at all."""

    async def run(rate: float, seconds: float) -> Made:
        made = await keep_pace(publisher, generations, rate, seconds)
        if made.late > 2 * seconds:
            raise RuntimeError(f"the publisher fell {made.late:.1f} s behind: the machine is too busy")
        return made

    return run


def midstream(environment: Mapping[str, str] | None = None, redis_core: int = LOAD_CORE, processes: int = 1) -> Start:
    """API processes on one port, the first with a core of its own.

    Redis and the publisher, in the place of a worker, are beside the load.
    """

    @asynccontextmanager
    async def start(generations: int, folder: Path) -> AsyncIterator[Fan]:
        # No worker asks it: the publisher writes the logs.
        settings = {"MIDSTREAM_SIMULATOR_URL": "http://127.0.0.1:9"} | dict(environment or {})
        stack = Stack(folder, simulator=False, workers=0, api_processes=processes, environment=settings)
        with on_core(SERVER_CORE):
            await stack.__aenter__()
        try:
            pin(stack.valkey.pid, redis_core)
            api = stack.apis[0]
            for child in tree(api.popen.pid)[2:]:
                pin(child, LOAD_CORE)
            ids = await _accepted(api.port, generations)
            redis = connect(stack.valkey.url, timeout=30.0)
            publisher = Appender(redis, ids)
            await publisher.begin()
            requests = [get(f"/v1/generations/{id}/events") for id in ids]
            logs = Logs(redis, stack.valkey, ids, publisher)
            made = published(publisher, generations)
            yield Fan(api.port, {"server": api.popen.pid}, requests, made, logs=logs)
            await redis.aclose()
        except BaseException:
            stack.show()
            raise
        finally:
            await stack.__aexit__(None)

    return start


async def _accepted(port: int, count: int) -> list[str]:
    connection = Connection(port)
    body = json.dumps({"model": "simulator/clock", "messages": PROMPT}).encode()
    ids = []
    for _ in range(count):
        await connection.ready()
        status, answer = await connection.post("/v1/generations", body)
        if status != 202:
            raise RuntimeError(f"POST answered {status}")
        ids.append(json.loads(answer)["id"])
    await connection.close()
    return ids


NGINX = """
load_module {module};
daemon off; worker_processes 1; worker_rlimit_nofile {files}; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections {files}; }}
http {{
    access_log off; client_body_temp_path {folder}/body; keepalive_requests 100000000; keepalive_timeout 600s;
    nchan_shared_memory_size 512m;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location ~ ^/publish/(.+)$ {{
            nchan_publisher; nchan_channel_id $1;
            # Nothing may be dropped on one that is behind.
            nchan_message_buffer_length 20000; nchan_message_timeout 10m;
        }}
        location ~ ^/events/(.+)$ {{
            nchan_subscriber eventsource; nchan_channel_id $1; nchan_subscriber_first_message newest;
        }}
    }}
}}
"""


@asynccontextmanager
async def nchan(generations: int, folder: Path) -> AsyncIterator[Fan]:
    """nginx with Nchan, one worker."""
    module = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if nginx is None or not os.access(module, os.R_OK):
        raise Unavailable("no nginx with Nchan; on Debian: apt-get install nginx-light libnginx-mod-nchan")
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(module=module, folder=folder, port=port, files=65_000))
    command = [
        "/bin/sh",
        "-c",
        'ulimit -n $(ulimit -Hn); echo starting; exec "$0" "$@"',
        nginx,
        "-c",
        str(configuration),
    ]
    async with started(Process("nginx", command, "starting", folder, {}), SERVER_CORE) as process:
        await listening(port)
        requests = [get(f"/events/{number}") for number in range(generations)]
        made = published(OverHttp(port, "/publish/{}"), generations)
        yield Fan(port, {"server": process.popen.pid}, requests, made, dense=False)


class ToPushpin(OverHttp):
    """Items for Pushpin's one channel of the route `test`."""

    def body(self, number: int, serial: int) -> bytes:
        """See `OverHttp.body`."""
        frame = f"id: 1700000000000-{serial}\nevent: delta\ndata: {data(serial).decode()}\n\n"
        return json.dumps({"items": [{"channel": "test", "formats": {"http-stream": {"content": frame}}}]}).encode()


async def _answering(port: int, request: bytes) -> None:
    """Wait until this is answered with 200: Pushpin's proxy listens before its handler takes anything."""
    async with asyncio.timeout(30):
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            status = await reader.readline()
            writer.close()
            if status.startswith(b"HTTP/1.1 200"):
                return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def pushpin(generations: int, folder: Path) -> AsyncIterator[Fan]:
    """Pushpin with the route `test`, which needs nothing behind it and has one channel."""
    program, example = shutil.which("pushpin"), Path("/etc/pushpin/pushpin.conf")
    if program is None or not os.access(example, os.R_OK):
        raise Unavailable("no pushpin; on Debian: apt-get install pushpin")
    if generations != 1:
        raise Unavailable("with many channels it needs a server of ours behind it, whose CPU would count as its own")
    port, publish = free_port(), free_port()
    settings = {
        "rundir": str(folder / "run"), "logdir": str(folder / "log"), "routesfile": str(folder / "routes"),
        "http_port": f"127.0.0.1:{port}", "push_in_http_port": str(publish),
        # By default it drops what is published faster.
        "message_rate": "1000000", "message_hwm": "1000000",
    }  # fmt: skip
    text = await asyncio.to_thread(example.read_text, encoding="utf-8")
    for name, value in settings.items():
        text = re.sub(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
    (folder / "pushpin.conf").write_text(text)
    (folder / "routes").write_text("* test\n")
    for name in ("run", "log"):
        (folder / name).mkdir()
    command = [program, f"--config={folder / 'pushpin.conf'}"]
    async with started(Process("pushpin", command, r"started$", folder, {}), SERVER_CORE) as process:
        await listening(port)
        await _answering(port, get("/stream"))
        made = published(ToPushpin(publish, "/publish/", keep=False), generations)
        yield Fan(port, {"server": process.popen.pid}, [get("/stream")], made)


@asynccontextmanager
async def node(generations: int, folder: Path) -> AsyncIterator[Fan]:
    """Node's http module."""
    program = shutil.which("node")
    if program is None:
        raise Unavailable("no node; on Debian: apt-get install nodejs")
    port = free_port()
    command = [program, str(PEERS / "node_fan.mjs"), str(port)]
    async with started(Process("node", command, "listening", folder, {}), SERVER_CORE) as process:
        requests = [get(f"/events/{number}") for number in range(generations)]
        made = published(OverHttp(port, "/publish/{}"), generations)
        yield Fan(port, {"server": process.popen.pid}, requests, made)


def over_redis(name: str, app: str, packages: str | None = None, *, stream: bool) -> Start:
    """An ASGI application that reads a Redis, which is beside the load."""

    @asynccontextmanager
    async def start(generations: int, folder: Path) -> AsyncIterator[Fan]:
        port = free_port()
        interpreter = python(packages) if packages else sys.executable
        command = [interpreter, "-m", "uvicorn", app, "--port", str(port), "--app-dir", str(ROOT)]
        command += ["--loop", "uvloop", "--http", "httptools", "--backlog", "4096", "--no-access-log"]
        with on_core(LOAD_CORE):
            valkey = Valkey(folder / "data", config={"maxclients": "60000"})
            await valkey.start()
        try:
            environment = {"BENCH_REDIS_URL": valkey.url}
            process = Process(name, command, r"Uvicorn running on", folder, environment)
            async with started(process, SERVER_CORE):
                redis = connect(valkey.url, timeout=30.0)
                made = published(ToRedis(redis, stream=stream), generations)
                requests = [get(f"/events/{number}") for number in range(generations)]
                yield Fan(port, {"server": process.popen.pid}, requests, made, dense=False)
                await redis.aclose()
        finally:
            await valkey.stop()

    return start


@asynccontextmanager
async def send_loop(generations: int, folder: Path) -> AsyncIterator[Fan]:
    """The limit: a loop of send(2) in C, which makes its events itself."""
    port = free_port()
    rate = 50
    process = Process("send-loop", [str(compiled("send_loop")), str(port), str(rate)], "listening", folder, {})
    async with started(process, SERVER_CORE):

        async def run(asked: float, seconds: float) -> Made:
            if asked != rate or generations != 1:
                raise Unavailable(f"it has one generation and {rate} events a second")
            process.popen.send_signal(signal.SIGUSR1)
            await asyncio.sleep(seconds)
            process.popen.send_signal(signal.SIGUSR1)
            return Made(0)

        yield Fan(port, {"server": process.popen.pid}, [get("/")], run)


FANS: dict[str, Start] = {
    "Midstream": midstream(),
    "Midstream, by ASGI": midstream({"MIDSTREAM_TRANSPORT": "asgi"}),
    "Midstream, 50 ms window": midstream({"MIDSTREAM_FLUSH_WINDOW": "0.05"}),
    "Nchan": nchan,
    "Node": node,
    "Pushpin": pushpin,
    "sse-starlette": over_redis("sse-starlette", "bench.peers.sse_starlette_fan:app", "sse-starlette", stream=False),
    "Redis reader for each viewer": over_redis("redis-reader", "bench.peers.redis_reader:app", stream=True),
    "C loop of send()": send_loop,
}
