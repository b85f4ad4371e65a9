"""`midstream doctor`: what Midstream needs, whether it is there, and what to do where it is not."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2

from midstream.checks import queue_check, redis_check, server_check
from midstream.checks.finding import Finding, Level, report, report_json
from midstream.checks.queue_check import Watch
from midstream.checks.redis_check import REDIS_TIMEOUT_S, CheckedRedis
from midstream.checks.status_source import ApiStatus, RedisStatus
from midstream.commands.up import base_url, free_port
from midstream.errors import StartError
from midstream.processes.valkey import Valkey, find_binary
from midstream.program import typed
from shared.config.outbound import faults
from shared.config.settings import Settings, load
from shared.config.variables import warnings
from shared.permissions.commands import servers
from shared.process.file_descriptors import shortage
from shared.storage.connection_count import most_of_api, most_of_worker

# Where `up` keeps its data unless told.
UP_DATA_DIR = Path(".midstream")

SIMULATOR_URL = "http://127.0.0.1:8090"
"""A stand-in for the simulator's URL of `midstream up`, which takes a free port."""

EMBEDDED_NAME = "embedded server"


def configured() -> Settings:
    """Reads the settings as the program would that they are for: `midstream up` where they name no Redis.

    Raises SettingsError.
    """
    # An alias may name one of the simulator's models, which `up` alone starts by itself.
    settings = load(fallback={"simulator_url": SIMULATOR_URL})
    return load() if "redis_url" in settings.model_fields_set else settings


def run(data_dir: Path, url: str | None, key: str | None, *, json: bool) -> int:
    """Writes all findings to stdout, as lines or as one JSON object; returns the exit code.

    Raises SettingsError, and ClientError for a wrong URL or key.
    """
    with contextlib.ExitStack() as stack:
        watch = None
        if url is not None:
            watch = Watch(stack.enter_context(ApiStatus(url, key)))
            findings = server_check.examine(url, key, watch)
        else:
            settings = configured()
            if (found := with_server(settings, data_dir)) is not None:
                watch = Watch(stack.enter_context(RedisStatus(found)))
            findings = examine(settings, data_dir, watch)
        if not json:
            return report(findings)
        return report_json(findings, lambda: watch.last.model_dump() if watch and watch.last else None)


def with_server(settings: Settings, data_dir: Path) -> Settings | None:
    """Returns the settings with the Redis that they mean: the embedded one where they name none.

    None where that does not run.
    """
    if "redis_url" in settings.model_fields_set:
        return settings
    embedded = Valkey(data_dir)
    if not os.path.exists(embedded.socket):
        return None
    return settings.model_copy(update={"redis_url": embedded.url, "queue_url": None})


def examine(settings: Settings, data_dir: Path, watch: Watch | None = None) -> Iterator[Finding]:
    """Yields all findings, in the order in which to repair them.

    `watch` reads the status where a Redis is there; without it one is opened for this.
    """
    yield Finding("ok", "Python", sys.version.split()[0])
    for warning in warnings(settings.known()):
        subject, state, advice = warning.split(": ", 2)
        yield Finding("warn", subject, state, advice)
    found = with_server(settings, data_dir)
    if found is None:
        yield _binary(data_dir)
        yield from _data_folder(data_dir)
    else:
        yield from _servers(settings, found, watch)
    if lack := shortage(settings.concurrency):
        yield Finding("warn", "file descriptors", *lack.split(": ", 1))
    yield from _providers(settings)
    for fault in faults(settings.endpoints()):
        stops = fault.provider is not None
        yield Finding("fail" if stops else "warn", fault.subject, fault.state, fault.advice, stops=stops)
    yield _port(settings)


def _servers(settings: Settings, found: Settings, watch: Watch | None) -> Iterator[Finding]:
    """Yields the findings on each Redis of the settings in `found`, and on the queue that is there."""
    is_configured = found is settings
    most = most_of_api(settings) + most_of_worker(settings)
    failed, places = set(), set()
    for server in servers(found):
        name = "queue's Redis" if server.setting == "queue_url" else "Redis"
        setting = settings.sources.where([server.setting]) if is_configured else None
        place = CheckedRedis(name if is_configured else EMBEDDED_NAME, server, setting, most)
        places.add(place.subject)
        for finding in redis_check.examine(place):
            if finding.level == "fail":
                failed.add(finding.subject)
            yield finding
        yield from _durability(place.subject, server.url, settings)
    if places & failed:
        return  # one of them answers nothing
    with contextlib.ExitStack() as stack:
        if watch is None:
            watch = Watch(stack.enter_context(RedisStatus(found)))
        yield from queue_check.examine(watch, typed("worker" if is_configured else "up"), told=bool(failed))


def _binary(data_dir: Path) -> Finding:
    folder = [] if data_dir == UP_DATA_DIR else ["--data-dir", str(data_dir)]
    try:
        return Finding("ok", EMBEDDED_NAME, f"{find_binary()}, not running; `{typed('up', *folder)}` starts it")
    except StartError as error:
        return Finding("fail", EMBEDDED_NAME, *str(error).split(": ", 1))


def _data_folder(data_dir: Path) -> Iterator[Finding]:
    """Yields a finding on whether `up` could make its folder and write to it; makes nothing itself."""
    # Path.exists raises where a folder on the way is closed to us.
    place = next(place for place in (data_dir.absolute(), *data_dir.absolute().parents) if os.path.exists(place))
    if not (os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK)):
        yield Finding(
            "fail",
            f"data folder {data_dir}",
            "cannot be written",
            "correct its permissions or choose another with --data-dir",
        )


def _durability(subject: str, url: str, settings: Settings) -> Iterator[Finding]:
    if settings.durability == "disk" and (found := redis_check.cannot_promise(url)):
        state, advice = found
        if subject == EMBEDDED_NAME:
            advice = f"start `{typed('up')}` again with MIDSTREAM_DURABILITY=disk"
        yield Finding("fail", f"{subject}, durability", state, advice, stops=True)


def _providers(settings: Settings) -> Iterator[Finding]:
    endpoints = {name: entry for name, entry in settings.endpoints().items() if not name.startswith("simulator")}
    if not endpoints:
        yield Finding(
            "warn",
            "providers",
            "no key is set in this shell",
            "set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY for a real model; without one the simulator "
            "answers",
        )
    for name, endpoint in endpoints.items():
        variable = endpoint.api_key_env
        if variable and not os.environ.get(variable):
            # An endpoint of one's own often takes no key; the real one always does.
            level: Level = "warn" if endpoint.base_url else "fail"
            yield Finding(level, f"provider {name}", f"{variable} is not set", f"set {variable}")
        else:
            yield Finding("ok", f"provider {name}", f"{variable} is set" if variable else "takes no key")


def _port(settings: Settings) -> Finding:
    subject = f"API port {settings.port}"
    try:
        free_port(settings.host, settings.port)
    except StartError as error:
        with contextlib.suppress(httpx2.HTTPError):
            url = f"{base_url(settings.host, settings.port)}/livez"
            if httpx2.get(url, timeout=REDIS_TIMEOUT_S, trust_env=False).status_code == 200:
                return Finding("ok", subject, "an API is running there")
        state, _, advice = str(error).partition(": ")
        return Finding("fail", subject, state, advice)
    return Finding("ok", subject, f"free on {settings.host}")
