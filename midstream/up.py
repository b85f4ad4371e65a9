"""`midstream up`: everything on one machine, each part a process of its own, started and ended together."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import signal
import socket
import sys
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from pathlib import Path

import httpx2

from midstream.child import Child, Member, keep, say
from midstream.errors import StartError
from midstream.valkey import Valkey
from shared.settings import Settings

READY_TIMEOUT = 2.0
READY_POLL = 0.1
READY_REMINDER = 15.0
# Seconds the workers let running answers finish after Ctrl-C; what is cut goes on at the next start.
DRAIN_TIMEOUT = 2.0
# An API's end takes 9 s at most.
API_STOP_TIMEOUT = 10.0
INTERRUPTED = 130


def run(settings: Settings, data_dir: Path, workers: int, processes: int) -> int:
    """Run until SIGINT, SIGTERM or SIGHUP; the exit code: 0 after an orderly end, 130 after a second signal.

    Raises StartError, before any process is started, for a port in use or an unusable data folder.
    """
    with reserved_port(settings.host, settings.port, processes) as port:
        return asyncio.run(_up(settings, data_dir, port, workers, processes))


def run_apis(settings: Settings, processes: int) -> int:
    """Run so many API processes on one port; as `run`, but for Redis, workers and simulator."""
    with reserved_port(settings.host, settings.port, processes) as port:
        environment = dict(os.environ) | {"MIDSTREAM_HOST": settings.host, "MIDSTREAM_PORT": str(port)}
        return asyncio.run(supervise([_apis(processes, environment)]))


def run_workers(settings: Settings, processes: int) -> int:
    """Run so many workers on the settings' Redis; as `run`, but for Redis, APIs and simulator."""
    return asyncio.run(supervise([_workers(processes, dict(os.environ), settings.drain_timeout)]))


async def _up(settings: Settings, data_dir: Path, port: int, workers: int, processes: int) -> int:
    if settings.model_fields_set & {"redis_url", "queue_url"}:
        say("using the embedded server; MIDSTREAM_REDIS_URL is for `midstream api` and `midstream worker`")
    async with Valkey(data_dir) as valkey:
        environment = _environment(settings, valkey.url, port)
        back = []
        simulated = not settings.endpoints()
        if simulated:
            simulator_port = free_port("127.0.0.1", 0)
            environment["MIDSTREAM_SIMULATOR_URL"] = f"http://127.0.0.1:{simulator_port}"
            back = [Child("simulator", _command("simulator", "--port", str(simulator_port)), environment)]
        drain = float(environment.get("MIDSTREAM_DRAIN_TIMEOUT", settings.drain_timeout))
        front = [*_apis(processes, environment), *_workers(workers, environment, drain)]
        greeting = _greet(settings, base_url(settings.host, port), valkey.data_dir, simulated)
        return await supervise([front, back], valkey, greeting)


def _apis(processes: int, environment: Mapping[str, str]) -> list[Child]:
    if processes == 1:
        return [Child("api", _command("api"), environment)]
    command = _command("api", "--share-port")
    return [
        Child(f"api-{number}", command, environment, stop_timeout=API_STOP_TIMEOUT)
        for number in range(1, processes + 1)
    ]


def _workers(processes: int, environment: Mapping[str, str], drain: float) -> list[Child]:
    names = ["worker"] if processes == 1 else [f"worker-{number}" for number in range(1, processes + 1)]
    return [Child(name, _command("worker"), environment, stop_timeout=drain + 5) for name in names]


async def supervise(
    stages: Sequence[Sequence[Child]],
    server: Member | None = None,
    greeting: Coroutine[None, None, None] | None = None,
) -> int:
    """Keep the started `server` and all children running until a signal; then end the children in stages.

    Children of one stage end together. `greeting` runs once beside them. Returns 130 where a second signal
    cut the end short, else 0. Raises StartError where a child refuses its configuration.
    """
    stop, force = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, lambda: (force if stop.is_set() else stop).set())
    children = [child for stage in reversed(stages) for child in stage]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(greeting)] if greeting is not None else []
            for child in children:
                await child.start()
            members = [*children] if server is None else [server, *children]
            tasks += [group.create_task(keep(member)) for member in members]
            await stop.wait()
            say("stopping; Ctrl-C again kills")
            for task in tasks:
                task.cancel()
    except* StartError as errors:
        raise errors.exceptions[0] from None
    finally:
        ending = asyncio.create_task(_end(stages))
        forced = asyncio.create_task(force.wait())
        await asyncio.wait([ending, forced], return_when=asyncio.FIRST_COMPLETED)
        if force.is_set():
            for child in children:
                child.kill()
        forced.cancel()
        await ending
    return INTERRUPTED if force.is_set() else 0


async def _end(stages: Sequence[Sequence[Child]]) -> None:
    for stage in stages:
        await asyncio.gather(*(child.stop() for child in stage))


def _command(*words: str) -> list[str]:
    # -P: a package `midstream` where the user stands must not be taken for ours.
    return [sys.executable, "-P", "-m", "midstream", *words]


def _environment(settings: Settings, redis_url: str, port: int) -> dict[str, str]:
    environment = dict(os.environ) | {
        "MIDSTREAM_REDIS_URL": redis_url,
        "MIDSTREAM_QUEUE_URL": redis_url,
        "MIDSTREAM_HOST": settings.host,
        "MIDSTREAM_PORT": str(port),
    }
    if "drain_timeout" not in settings.model_fields_set:
        environment["MIDSTREAM_DRAIN_TIMEOUT"] = str(DRAIN_TIMEOUT)
    return environment


def free_port(host: str, port: int) -> int:
    """`port`, or a free one for 0. Raises StartError where we cannot listen there."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            # A port may be bound twice with SO_REUSEADDR, but only one socket of them may listen.
            probe.listen(1)
            return int(probe.getsockname()[1])
    except OSError as error:
        raise StartError(
            f"cannot listen on {host} port {port} ({error.strerror}): end what uses it or choose another with --port"
        ) from None


@contextlib.contextmanager
def reserved_port(host: str, port: int, processes: int) -> Iterator[int]:
    """`port`, or a free one for 0, kept for so many processes while inside. Raises StartError where it cannot be had.

    Several share it by SO_REUSEPORT (socket(7)), with which Linux spreads connections evenly over all who listen. A
    socket that is bound and does not listen gets none, and keeps everybody else away while a process restarts.
    """
    port = free_port(host, port)
    if processes == 1:
        yield port
        return
    if not sys.platform.startswith("linux"):
        raise StartError("--processes: only Linux spreads connections over several processes on one port; leave it out")
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family) as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            kept.bind(address)
        except OSError as error:
            raise StartError(
                f"cannot share {host} port {port} ({error.strerror}): choose another with --port"
            ) from None
        yield port


def base_url(host: str, port: int) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _greet(settings: Settings, base: str, data_dir: Path, simulated: bool) -> None:
    """When the API is ready, say on stdout where it is and how to see a first answer."""
    # trust_env: a proxy from the environment has no business with our own loopback.
    async with httpx2.AsyncClient(base_url=base, timeout=READY_TIMEOUT, trust_env=False) as client:
        await _ready(client)
        model = await _default_model(client, settings)
    lines = [f"Midstream is ready at {base}  (data in {data_dir}, Ctrl-C ends it)"]
    if simulated:
        lines.append(
            "No provider key is set, so the simulator answers: set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY."
        )
    lines += ["", "See an answer stream:", f"  {_curl(settings, base, model)}"]
    print("\n".join(lines), flush=True)


async def _ready(client: httpx2.AsyncClient) -> None:
    clock = asyncio.get_running_loop().time
    remind = clock() + READY_REMINDER
    while True:
        try:
            answer = f"answers {(await client.get('/readyz')).status_code}"
            if answer.endswith("200"):
                return
        except httpx2.HTTPError as error:
            answer = f"does not answer ({type(error).__name__})"
        if clock() > remind:
            say(f"still waiting: {client.base_url}/readyz {answer}")
            remind += READY_REMINDER
        await asyncio.sleep(READY_POLL)


async def _default_model(client: httpx2.AsyncClient, settings: Settings) -> str:
    key = next(iter(settings.owners()), None)
    try:
        answer = await client.get("/v1/models", headers={"Authorization": f"Bearer {key}"} if key else {})
        models = answer.raise_for_status().json()["data"]
    except httpx2.HTTPError as error:
        say(f"cannot ask {client.base_url}/v1/models for a model ({type(error).__name__})")
        models = []
    return next((str(model["id"]) for model in models if model["default"]), "PROVIDER/MODEL")


def _curl(settings: Settings, base: str, model: str) -> str:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}]})
    # The key itself stays out of terminals and their logs.
    key = ' -H "Authorization: Bearer $KEY"' if settings.owners() else ""
    return (
        f"curl -N {base}/v1/generations{key} -H 'Accept: text/event-stream' "
        f"-H 'Content-Type: application/json' -d {shlex.quote(body)}"
    )
