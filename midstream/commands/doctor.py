"""`midstream doctor`: what Midstream needs, whether it is there, and what to do where it is not."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2

from midstream.checks import redis_check
from midstream.checks.finding import Finding, Level
from midstream.checks.redis_check import REDIS_TIMEOUT_S, CheckedRedis
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


def examine(settings: Settings, data_dir: Path) -> Iterator[Finding]:
    """Yields all findings, in the order in which to repair them."""
    yield Finding("ok", "Python", sys.version.split()[0])
    for warning in warnings(settings.known()):
        subject, state, advice = warning.split(": ", 2)
        yield Finding("warn", subject, state, advice)
    embedded = Valkey(data_dir)
    most = most_of_api(settings) + most_of_worker(settings)
    if "redis_url" in settings.model_fields_set:
        places = [
            CheckedRedis(
                "queue's Redis" if server.setting == "queue_url" else "Redis",
                server,
                settings.sources.where([server.setting]),
                most,
            )
            for server in servers(settings)
        ]
        for place in places:
            yield from redis_check.examine(place)
            yield from _durability(place.subject, place.server.url, settings)
        yield from redis_check.workers(places[-1], "worker")
    elif os.path.exists(embedded.socket):
        (server,) = servers(settings.model_copy(update={"redis_url": embedded.url, "queue_url": None}))
        place = CheckedRedis(EMBEDDED_NAME, server, None, most)
        yield from redis_check.examine(place)
        yield from _durability(EMBEDDED_NAME, embedded.url, settings)
        yield from redis_check.workers(place, "up")
    else:
        yield _binary(data_dir)
        yield from _data_folder(data_dir)
    if lack := shortage(settings.concurrency):
        yield Finding("warn", "file descriptors", *lack.split(": ", 1))
    yield from _providers(settings)
    for fault in faults(settings.endpoints()):
        stops = fault.provider is not None
        yield Finding("fail" if stops else "warn", fault.subject, fault.state, fault.advice, stops=stops)
    yield _port(settings)


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
