"""`midstream up`: everything on one machine, each part a process of its own, started and ended together."""

import asyncio
import contextlib
import errno
import functools
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from midstream.errors import StartError
from midstream.output.greeting import all_ready, greet
from midstream.processes.demo import SOCKET_NAME, DemoSocket, is_demo
from midstream.processes.subprocess import Member, Subprocess, keep, say
from midstream.processes.unix_socket import MAX_PATH_BYTES
from midstream.processes.valkey import Valkey
from shared.config.announcement import announcement
from shared.config.file_ownership import others_can_write
from shared.config.outbound import check
from shared.config.settings import Settings, load
from shared.config.variables import warnings, without_strangers
from shared.counted import counted
from shared.metrics.server import listen
from shared.process import json_lines
from shared.process.ending_signals import ending_signals
from shared.process.readiness import say_ready

# Seconds the workers let running answers finish after Ctrl-C; what is cut goes on at the next start.
DRAIN_TIMEOUT_S = 2.0
# An API's end takes 9 s at most, and a worker's 7 s beyond its drain (docs/operations.md).
API_STOP_TIMEOUT_S = 10.0
WORKER_STOP_TIMEOUT_S = 8.0
MAX_PORT = 65_535


def run(host: str | None, port: int | None, data_dir: Path, workers: int, processes: int) -> int:
    """Runs until SIGINT, SIGTERM or SIGHUP; returns 0 after an orderly end, 130 after a second signal.

    Host and port are the command line's, None where it names none. Before any process is started it raises
    SettingsError, also where a provider cannot be asked, and StartError for a port in use or an unusable data folder.
    """
    # Known before the settings are read, as an alias may name one of its models.
    simulator_url = f"http://127.0.0.1:{free_port('127.0.0.1', 0)}"
    settings = load(host=host, port=port, fallback={"simulator_url": simulator_url})
    json_lines.want(settings.log_format == "json")
    for line in (*announcement(settings), *warnings(settings.known()), *check(settings.endpoints())):
        say(line)
    _check_owner(data_dir)
    with reserved_port(settings.host, settings.port, processes) as port:
        return asyncio.run(_up(settings, data_dir, port, workers, processes, simulator_url))


def _check_owner(data_dir: Path) -> None:
    """Raises StartError where another user could have put something into the folder for us to run, with our keys."""
    if data_dir.is_absolute() or not data_dir.exists():
        return
    if flaw := others_can_write(data_dir.stat()):
        raise StartError(
            f"the data folder {data_dir.absolute()} {flaw}: make it your own, or name it with --data-dir by its full "
            "path if it is right"
        )


def run_apis(settings: Settings, processes: int, words: Sequence[str] = ()) -> int:
    """Runs so many API processes on one port, as `run` does, but without Redis, workers and simulator.

    `words` are the arguments of their command line.
    """
    with reserved_port(settings.host, settings.port, processes) as port:
        environment = without_strangers(settings.known()) | {
            "MIDSTREAM_HOST": settings.host,
            "MIDSTREAM_PORT": str(port),
        }
        ports = metrics_ports(settings, processes)
        return asyncio.run(supervise([_apis(processes, environment, words, ports)]))


def run_workers(settings: Settings, processes: int) -> int:
    """Runs so many workers on the settings' Redis, as `run` does, but without Redis, APIs and simulator."""
    environment, ports = without_strangers(settings.known()), metrics_ports(settings, processes)
    return asyncio.run(supervise([_workers(processes, environment, settings.drain_timeout, ports)]))


async def _up(settings: Settings, data_dir: Path, port: int, workers: int, processes: int, simulator_url: str) -> int:
    if settings.model_fields_set & {"redis_url", "queue_url"}:
        say("using the embedded server; MIDSTREAM_REDIS_URL is for `midstream api` and `midstream worker`")
    ports = metrics_ports(settings, processes + workers)
    # As `durability` asks; a server whose WAITAOF waits need not be the embedded one.
    config = {"appendfsync": "always"} if settings.durability == "disk" else {}
    async with Valkey(data_dir, config=config) as valkey:
        environment = _environment(settings, valkey.url, port)
        simulator = None
        if settings.simulator_url == simulator_url:  # else the user has one that runs
            environment["MIDSTREAM_SIMULATOR_URL"] = simulator_url
            simulator = Subprocess(
                "simulator", _command("simulator", "--port", str(urlsplit(simulator_url).port)), environment
            )
        drain = float(environment.get("MIDSTREAM_DRAIN_TIMEOUT", settings.drain_timeout))
        behind = _workers(workers, environment, drain, ports[processes:])
        async with _demo(settings, behind) as words:
            front = [*_apis(processes, environment, words, ports[:processes]), *behind]
            base = base_url(settings.host, port)
            greeting = functools.partial(greet, settings, base, valkey.data_dir, simulator, simulator_url)
            return await supervise([front, [simulator] if simulator else []], valkey, greeting)


@contextlib.asynccontextmanager
async def _demo(settings: Settings, workers: Sequence[Subprocess]) -> AsyncIterator[Sequence[str]]:
    """Takes what the page asks for while inside, where this is a demo; the words are for the APIs' command line."""
    if not is_demo(settings):
        yield ()
        return
    with _sockets() as folder:
        path = Path(folder) / SOCKET_NAME
        demo = await DemoSocket.open(path, workers)
        try:
            yield ("--demo-socket", str(path))
        finally:
            demo.close()


def metrics_ports(settings: Settings, processes: int) -> list[dict[str, str]]:
    """Returns for each process the variable with the port of its metrics: the setting's, and those after it.

    Where that is 0, each has a free one. Raises StartError where there are not so many ports, and SettingsError where
    one is in use.
    """
    first = settings.metrics_port
    if first is None:
        return [{}] * processes
    for port in range(first, min(first + processes, MAX_PORT + 1)) if first else ():
        listen(settings.metrics_host, port).close()
    if first + processes - 1 > MAX_PORT:
        processes_need = counted(processes, "process needs a port", "processes need a port each")
        raise StartError(f"MIDSTREAM_METRICS_PORT: {processes_need}, from {first} on: choose a lower one")
    return [{"MIDSTREAM_METRICS_PORT": str(first + number if first else 0)} for number in range(processes)]


def _apis(
    processes: int,
    environment: Mapping[str, str],
    words: Sequence[str] = (),
    metrics: Sequence[Mapping[str, str]] = (),
) -> list[Subprocess]:
    names = ["api"] if processes == 1 else [f"api-{number}" for number in range(1, processes + 1)]
    command = _command("api", *([] if processes == 1 else ["--share-port"]), *words)
    return [
        Subprocess(name, command, {**environment, **port}, stop_timeout=API_STOP_TIMEOUT_S, says_ready=True)
        for name, port in zip(names, metrics, strict=True)
    ]


def _workers(
    processes: int, environment: Mapping[str, str], drain: float, metrics: Sequence[Mapping[str, str]]
) -> list[Subprocess]:
    names = ["worker"] if processes == 1 else [f"worker-{number}" for number in range(1, processes + 1)]
    command = _command("worker", "--supervised")
    longest = drain + WORKER_STOP_TIMEOUT_S
    return [
        Subprocess(name, command, {**environment, **port}, stop_timeout=longest, says_ready=True)
        for name, port in zip(names, metrics, strict=True)
    ]


async def supervise(
    stages: Sequence[Sequence[Subprocess]],
    server: Member | None = None,
    greeting: Callable[[], Awaitable[None]] | None = None,
) -> int:
    """Keeps the started `server` and all children running until a signal; then ends the children in stages.

    Children of one stage end together. When all that report it are ready, `greeting` runs once, and this process
    reports itself ready. Returns 130 where a second signal cut the end short, else 0. Raises StartError where a child
    refuses its configuration, or ends again and again before it is ready.
    """
    stop, force = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in ending_signals():
        loop.add_signal_handler(number, lambda: (force if stop.is_set() else stop).set())
    children = [child for stage in reversed(stages) for child in stage]
    sockets = _sockets()
    try:
        async with asyncio.TaskGroup() as group:
            for child in children:
                await child.start(Path(sockets.name))
            tasks = [group.create_task(_greet(children, greeting))]
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
        sockets.cleanup()
    return 130 if force.is_set() else 0


async def _greet(children: Sequence[Subprocess], greeting: Callable[[], Awaitable[None]] | None) -> None:
    await all_ready([child for child in children if child.says_ready])
    if greeting is not None:
        await greeting()
    say_ready()


def _sockets() -> tempfile.TemporaryDirectory[str]:
    """Returns a private folder for sockets, whose paths are short (unix(7))."""
    # tempfile's own folder can be a deep one; /tmp is there on all that we run on.
    place = tempfile.gettempdir()
    place = place if len(os.fsencode(place)) < MAX_PATH_BYTES // 2 else "/tmp"
    try:
        return tempfile.TemporaryDirectory(prefix="midstream-", dir=place, ignore_cleanup_errors=True)
    except OSError as error:
        raise StartError(f"cannot make a folder in {place} ({error.strerror}): set TMPDIR to another") from None


async def _end(stages: Sequence[Sequence[Subprocess]]) -> None:
    for stage in stages:
        await asyncio.gather(*(child.stop() for child in stage))


def _command(*words: str) -> list[str]:
    # -P: a package `midstream` where the user stands must not be taken for ours.
    return [sys.executable, "-P", "-m", "midstream", *words]


def _environment(settings: Settings, redis_url: str, port: int) -> dict[str, str]:
    environment = without_strangers(settings.known()) | {
        "MIDSTREAM_REDIS_URL": redis_url,
        "MIDSTREAM_QUEUE_URL": redis_url,
        "MIDSTREAM_HOST": settings.host,
        "MIDSTREAM_PORT": str(port),
    }
    if "drain_timeout" not in settings.model_fields_set:
        environment["MIDSTREAM_DRAIN_TIMEOUT"] = str(DRAIN_TIMEOUT_S)
    return environment


def free_port(host: str, port: int) -> int:
    """Returns `port`, or a free one for 0. Raises StartError where we cannot listen there."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            # A port may be bound twice with SO_REUSEADDR, but only one socket of them may listen.
            probe.listen(1)
            return int(probe.getsockname()[1])
    except OSError as error:
        advice = "end what uses it or choose another with --port"
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            advice = "name an address of this machine with --host or MIDSTREAM_HOST"
        raise StartError(f"cannot listen on {host} port {port} ({error.strerror}): {advice}") from None


@contextlib.contextmanager
def reserved_port(host: str, port: int, processes: int) -> Iterator[int]:
    """Keeps `port`, or a free one for 0, for so many processes while inside. Raises StartError where it cannot be had.

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
