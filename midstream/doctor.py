"""`midstream doctor`: what Midstream needs, whether it is there, and what to do where it is not."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx2
import redis
from rich.console import Console
from rich.text import Text

from midstream.blocking_client import open_client
from midstream.disk import wrong_with
from midstream.errors import StartError
from midstream.program import typed
from midstream.up import base_url, free_port
from midstream.valkey import Valkey, find_binary
from shared.connections import most_of_api, most_of_worker
from shared.outage import CROWDED_REMEDY, is_crowded, refusal, words
from shared.outbound import faults
from shared.queue import QUEUE
from shared.settings import Settings, load
from shared.variables import warnings
from shared.workers import WORKERS

TIMEOUT = 3.0
# Streams, functions and script flags that the log relies on came with Redis 7; Valkey began at 7.2.
OLDEST_REDIS = (7, 0)
# Seconds. Leases and tokens use Redis' clock alone, so a difference confuses only who reads the logs.
CLOCK_DIFFERENCE = 2.0

# Where `up` keeps its data unless told.
UP_DATA_DIR = Path(".midstream")

SIMULATOR_URL = "http://127.0.0.1:8090"
"""Stands for that of `midstream up`, which takes a free port."""

EMBEDDED = "embedded server"

Level = Literal["ok", "warn", "fail"]
COLOURS: dict[Level, str] = {"ok": "green", "warn": "yellow", "fail": "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: `advice` says what to do, and is empty where nothing is wrong."""

    level: Level
    subject: str
    state: str
    advice: str = ""
    stops: bool = field(default=False, kw_only=True)
    """Whether an API or a worker refuses to start for it."""


def run(settings: Settings, data_dir: Path) -> int:
    """Print the findings on stdout; 2 if a process would refuse to start, else 1 if any is a failure, else 0."""
    console = Console(soft_wrap=True, highlight=False)
    code = 0
    for finding in examine(settings, data_dir):
        code = max(code, 2 if finding.stops else int(finding.level == "fail"))
        line = Text(f"{finding.level:<5}", COLOURS[finding.level])
        rest = f"{finding.subject}: {finding.state}" + (f": {finding.advice}" if finding.advice else "")
        console.print(line.append(rest, "default"))
    return code


def configured() -> Settings:
    """The settings, as the programs that they are for read them: `midstream up` where they name no Redis.

    Raises SettingsError.
    """
    # An alias may name one of the simulator's models, which `up` alone starts by itself.
    settings = load(fallback={"simulator_url": SIMULATOR_URL})
    return load() if "redis_url" in settings.model_fields_set else settings


def examine(settings: Settings, data_dir: Path) -> Iterator[Finding]:
    """All findings, in the order in which one would repair them."""
    yield Finding("ok", "Python", sys.version.split()[0])
    for warning in warnings(settings.known()):
        subject, state, advice = warning.split(": ", 2)
        yield Finding("warn", subject, state, advice)
    configured = "redis_url" in settings.model_fields_set
    embedded = Valkey(data_dir)
    if configured:
        yield from _redis("Redis", settings.redis_url, settings)
        yield from _durability("Redis", settings.redis_url, settings)
        if settings.queue_url not in (None, settings.redis_url):
            yield from _redis("queue's Redis", str(settings.queue_url), settings)
            yield from _durability("queue's Redis", str(settings.queue_url), settings)
        yield from _workers(settings.queue_url or settings.redis_url, "worker")
    elif os.path.exists(embedded.socket):
        yield from _redis(EMBEDDED, embedded.url, settings)
        yield from _durability(EMBEDDED, embedded.url, settings)
        yield from _workers(embedded.url, "up")
    else:
        yield _binary(data_dir)
        yield from _data_folder(data_dir)
    yield from _providers(settings)
    for fault in faults(settings.endpoints()):
        stops = fault.provider is not None
        yield Finding("fail" if stops else "warn", fault.subject, fault.state, fault.advice, stops=stops)
    yield _port(settings)


def _binary(data_dir: Path) -> Finding:
    folder = [] if data_dir == UP_DATA_DIR else ["--data-dir", str(data_dir)]
    try:
        return Finding("ok", EMBEDDED, f"{find_binary()}, not running; `{typed('up', *folder)}` starts it")
    except StartError as error:
        return Finding("fail", EMBEDDED, *str(error).split(": ", 1))


def _data_folder(data_dir: Path) -> Iterator[Finding]:
    """Whether `up` could make its folder and write to it; nothing is made here."""
    # Path.exists raises where a folder on the way is closed to us.
    place = next(place for place in (data_dir.absolute(), *data_dir.absolute().parents) if os.path.exists(place))
    if not (os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK)):
        advice = "correct its permissions or choose another with --data-dir"
        yield Finding("fail", f"data folder {data_dir}", "cannot be written", advice)


def _redis(subject: str, url: str, settings: Settings) -> Iterator[Finding]:
    client = open_client(url, TIMEOUT)
    try:
        info: Any = client.info()
        directives = _directives(client)
        clock: Any = client.time()
        difference = abs(time.time() - clock[0] - clock[1] / 1e6)
    except redis.AuthenticationError:
        yield Finding("fail", subject, "refuses our credentials", "correct the user and password in its URL")
        return
    except redis.RedisError as error:
        if is_crowded(error):
            yield Finding("fail", f"{subject}, connections", str(error), CROWDED_REMEDY.removeprefix(": "))
            return
        advice = "start it, or correct MIDSTREAM_REDIS_URL"
        code = refusal(error)
        if code is not None or isinstance(error, redis.ResponseError):
            yield Finding("fail", subject, f"refuses ({words(error, code)})", "correct it there, or in its URL")
            return
        yield Finding("fail", subject, f"no answer at {_shown(url)} ({type(error).__name__})", advice)
        return
    finally:
        client.close()
    yield _version(subject, info)
    yield _persistence(subject, info, directives)
    yield _policy(subject, info)
    yield _clock(subject, difference)
    yield from _connections(subject, info, settings)


def _workers(url: str, program: str) -> Iterator[Finding]:
    """Whether anybody runs what is accepted. Nothing where Redis does not say, which is told of already."""
    client = open_client(url, TIMEOUT)
    try:
        clock: Any = client.time()
        alive: Any = client.zcount(WORKERS, f"({clock[0] * 1000 + clock[1] // 1000}", "+inf")
        waiting: Any = client.zcard(QUEUE)
    except redis.RedisError:
        return
    finally:
        client.close()
    if alive:
        yield Finding("ok", "workers", f"{alive} alive")
    else:
        advice = f"start one with `{typed(program)}`; until then what is accepted waits"
        state = f"none is alive, and {waiting} generations wait" if waiting else "none is alive"
        yield Finding("fail" if waiting else "warn", "workers", state, advice)


def _directives(client: redis.Redis) -> dict[str, str]:
    """The directives that matter to us; empty where CONFIG is closed, as managed services do."""
    try:
        found: Any = client.config_get("append*")
    except redis.ResponseError:
        return {}
    return dict(found)


def _version(subject: str, info: dict[str, Any]) -> Finding:
    # Valkey says 7.2.4 in `redis_version` for clients that know Redis only.
    if "valkey_version" in info:
        return Finding("ok", subject, f"Valkey {info['valkey_version']}")
    version = str(info["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_REDIS:
        return Finding("fail", subject, f"Redis {version}", "use Redis 7.0 or newer, or Valkey")
    return Finding("ok", subject, f"Redis {version}")


def _persistence(subject: str, info: dict[str, Any], directives: dict[str, str]) -> Finding:
    subject = f"{subject}, persistence"
    if not info["aof_enabled"]:
        advice = "set `appendonly yes`; without it a restart of the server loses accepted generations"
        return Finding("fail", subject, "off (appendonly no)", advice)
    if info.get("aof_last_write_status", "ok") != "ok":
        return Finding("fail", subject, "the last write failed", "look for a full or broken disk")
    sync = directives.get("appendfsync")
    if sync is None:
        advice = "it hides CONFIG: make sure that appendfsync is everysec or always"
        return Finding("warn", subject, "on, how often is unknown", advice)
    if sync not in ("everysec", "always"):
        return Finding("fail", subject, f"on, appendfsync {sync}", "set `appendfsync everysec`")
    return Finding("ok", subject, f"on, appendfsync {sync}")


def _durability(subject: str, url: str, settings: Settings) -> Iterator[Finding]:
    if settings.durability == "disk" and (found := wrong_with(url, TIMEOUT)):
        state, advice = found
        if subject == EMBEDDED:
            advice = f"start `{typed('up')}` again with MIDSTREAM_DURABILITY=disk"
        yield Finding("fail", f"{subject}, durability", state, advice, stops=True)


def _policy(subject: str, info: dict[str, Any]) -> Finding:
    subject, policy = f"{subject}, eviction", info["maxmemory_policy"]
    if policy == "noeviction":
        return Finding("ok", subject, policy)
    level: Level = "fail" if info["maxmemory"] else "warn"
    advice = "set `maxmemory-policy noeviction`; any other deletes logs while they are being written"
    return Finding(level, subject, policy, advice)


def _connections(subject: str, info: dict[str, Any], settings: Settings) -> Iterator[Finding]:
    """Whether it takes as many as an API and a worker may open, and has refused none; nothing where it does not say."""
    if (most := info.get("maxclients")) is None:
        return
    open_now, refused = info["connected_clients"], info.get("rejected_connections", 0)
    needed = most_of_api(settings) + most_of_worker(settings)
    subject, state = f"{subject}, connections", f"{open_now} of {most} (maxclients)"
    advice = CROWDED_REMEDY.removeprefix(": ")
    if most < needed:
        state += f", and one API with one worker may open {needed}"
        yield Finding("fail", subject, state, advice)
    elif refused or open_now >= most:
        yield Finding("warn", subject, f"{state}, and {refused} were refused since it started", advice)
    else:
        yield Finding("ok", subject, state)


def _clock(subject: str, difference: float) -> Finding:
    state = f"{difference * 1000:.0f} ms from this machine's"
    if difference > CLOCK_DIFFERENCE:
        return Finding("warn", f"{subject}, clock", state, "run NTP on both machines")
    return Finding("ok", f"{subject}, clock", state)


def _providers(settings: Settings) -> Iterator[Finding]:
    endpoints = {name: entry for name, entry in settings.endpoints().items() if not name.startswith("simulator")}
    if not endpoints:
        variables = "OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY"
        advice = f"set {variables} for a real model; without one the simulator answers"
        yield Finding("warn", "providers", "no key is set in this shell", advice)
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
            if httpx2.get(url, timeout=TIMEOUT, trust_env=False).status_code == 200:
                return Finding("ok", subject, "an API is running there")
        state, _, advice = str(error).partition(": ")
        return Finding("fail", subject, state, advice)
    return Finding("ok", subject, f"free on {settings.host}")


def _shown(url: str) -> str:
    """The address without its credentials."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
