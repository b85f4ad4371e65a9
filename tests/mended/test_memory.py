"""What is kept of what has ended, how much of a request is read, and what a provider can make a worker hold."""

from __future__ import annotations

import gzip
import json
import socket
import statistics
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.harness.ports import free_port
from tests.mended.conftest import Serve, Start
from tests.mended.running import Running, until
from tests.mended.upstream import (
    DONE,
    MESSAGE_START,
    MESSAGE_STOP,
    Script,
    Upstream,
    answer,
    chunk,
    message_end,
    message_text,
    named,
    sse,
)

Record = Callable[[str, object], None]

MAX_LOG = 1_000_000
LARGE = [{"role": "user", "content": "x" * 2_000_000}]
BOMB = b'{"error":{"message":"' + b"x" * 200_000_000
STOPPED = [chunk({}, "stop"), DONE]


def packed(coding: str, content: bytes) -> Script:
    content = gzip.compress(content, 1) if coding == "gzip" else zlib.compress(content, 1)
    return Script([content], 400, "application/json", {"content-encoding": coding})


def of_text(text: str, **more: object) -> Script:
    event = {"choices": [{"delta": {"content": text}, "finish_reason": "stop"}], **more}
    return Script([sse(json.dumps(event, ensure_ascii=False)), DONE])


def deep(levels: int) -> Any:
    """So many lists in each other."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def deeply(levels: int) -> str:
    """The same as JSON, also where no writer of JSON goes so deep."""
    return "[" * levels + "1" + "]" * levels


def with_deep(event: dict[str, Any], levels: int) -> bytes:
    """An event in which the word DEEP stands for so many lists."""
    return sse(json.dumps(event).replace('"DEEP"', deeply(levels)))


def said(extra: dict[str, Any] | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "hi", **delta}}], **(extra or {})}


SCRIPTS: dict[str, Script] = {
    "small": answer(),
    "slow": Script([chunk({"content": "x"}), *[part for _ in range(600) for part in (0.05, chunk({"content": "y"}))]]),
    "gzip": packed("gzip", BOMB),
    "deflate": packed("deflate", BOMB),
    # max_log: everything counts, in bytes.
    "raw": Script([chunk({"content": "x"}, extra={"n": n, "pad": "y" * 1000}) for n in range(2000)] + STOPPED),
    "raw alone": Script([chunk({}, extra={"n": n, "pad": "y" * 1000}) for n in range(2000)] + STOPPED),
    "citations": Script(
        [
            chunk({"content": "x", "annotations": [{"type": "url_citation", "url": f"https://a/{n}" + "y" * 1000}]})
            for n in range(2000)
        ]
        + STOPPED
    ),
    "three bytes each": of_text(chr(26085) * 400_000),
    "escaped": of_text("\n" * 600_000),
    "controls": of_text("\x01" * 200_000),
    "signatures": Script(
        [
            MESSAGE_START,
            *[
                event
                for index in range(20)
                for event in (
                    named("content_block_start", index=index, content_block={"type": "thinking", "thinking": "x"}),
                    named(
                        "content_block_delta",
                        index=index,
                        delta={"type": "signature_delta", "signature": "s" * 100_000},
                    ),
                    named("content_block_stop", index=index),
                )
            ],
            message_end(),
            MESSAGE_STOP,
        ]
    ),
    "enough": of_text("x" * 900_000),
    # An end is written whatever its size.
    "long reason": Script([chunk({"content": "x"}), chunk({}, "f" * 3_000_000), DONE]),
    "long refusal": Script([sse({"promptFeedback": {"blockReason": "F" * 3_000_000}})]),
    # Too deep: what else was said stays.
    **{
        f"deep {place} {levels}": Script([with_deep(event, levels), *STOPPED])
        for levels in (100, 500, 960, 3000)
        for place, event in {
            "raw": said({"extra": "DEEP"}),
            "delta": said(unknown="DEEP"),
            "annotation": said(annotations=[{"type": "url_citation", "x": "DEEP"}]),
            "reasoning": said(reasoning_details=[{"type": "new", "x": "DEEP"}]),
        }.items()
    },
    "deep block 960": Script(
        [
            MESSAGE_START,
            with_deep({"type": "content_block_start", "index": 0, "content_block": {"type": "new", "x": "DEEP"}}, 960),
            with_deep({"type": "unheard", "x": "DEEP"}, 960),
            *message_text("hi", 1),
            message_end(),
            MESSAGE_STOP,
        ]
    ),
}


@pytest.fixture(scope="module")
def upstream(serve_shared: Serve) -> Upstream:
    return serve_shared(SCRIPTS)


@pytest.fixture(scope="module")
def simulator(start_shared: Start) -> int:
    """The port of one that runs by itself: an older `up` starts none where a provider has a key."""
    port = free_port()
    start_shared(program="simulator", arguments=["--port", str(port)])
    until(lambda: _listens(port), 20)
    return port


def _listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def running(start_shared: Start, upstream: Upstream, simulator: int) -> Running:
    simulated = f"http://127.0.0.1:{simulator}"
    return start_shared(upstream, env={"MIDSTREAM_MAX_LOG": str(MAX_LOG), "MIDSTREAM_SIMULATOR_URL": simulated})


def resident(running: Running) -> float:
    """MB of the worker that are in RAM."""
    (pid,) = running.children("worker")
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def ended_after(running: Running, model: str, provider: str = "openai") -> Any:
    return running.end(running.ask(f"{provider}/{model}"))


@pytest.mark.mended("redis-11")
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("provider", ["openai", "openai-responses", "anthropic"])
def test_an_error_that_unpacks_to_much_is_not_unpacked(running: Running, provider: str, coding: str) -> None:
    ended_after(running, "small")
    (pid,) = running.children("worker")
    peak = _peak(pid)
    assert ended_after(running, coding, provider)["error"]["code"] == "bad_request"
    assert _peak(pid) - peak < 60


def _peak(pid: int) -> float:
    """MB of memory that a process had at most; counted anew from here on."""
    status = Path(f"/proc/{pid}/status").read_text()
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@pytest.mark.mended("redis-11")
@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("raw", "openai"),
        ("raw alone", "openai"),
        ("citations", "openai"),
        ("three bytes each", "openai"),
        ("escaped", "openai"),
        ("controls", "openai"),
        ("signatures", "anthropic"),
    ],
)
def test_all_bytes_of_all_events_count(running: Running, model: str, provider: str) -> None:
    end = ended_after(running, model, provider)
    assert (end["state"], end["error"] and end["error"]["code"]) == ("failed", "too_long")


@pytest.mark.mended("redis-11")
@pytest.mark.parametrize(
    ("model", "provider", "state"), [("long reason", "openai", "completed"), ("long refusal", "gemini", "failed")]
)
def test_an_end_is_short(running: Running, model: str, provider: str, state: str) -> None:
    generation = running.ask(f"{provider}/{model}")
    assert running.end(generation)["state"] == state
    assert len(running.call("GET", f"/v1/generations/{generation}/events").raw) < 5_000


@pytest.mark.mended("redis-11", guard=True)
def test_what_is_within_the_bound_is_whole(running: Running) -> None:
    end = ended_after(running, "enough")
    assert (end["state"], len(end["text"])) == ("completed", 900_000)


DEEP = [name for name in SCRIPTS if name.startswith("deep ")]


@pytest.mark.mended("redis-12")
def test_what_nests_too_deep_takes_nothing_else_along(running: Running) -> None:
    asked = {name: running.ask(("anthropic/" if "block" in name else "openai/") + name) for name in DEEP}
    seen = {}
    for name, generation in asked.items():
        until(lambda g=generation: running.call("GET", f"/v1/generations/{g}").document["state"] == "completed", 30)
        seen[name] = (running.call("GET", f"/v1/generations/{generation}").status, running.snapshot(generation)["text"])
    assert seen == dict.fromkeys(DEEP, (200, "hi"))


@pytest.mark.mended("redis-1")
def test_what_was_cancelled_is_let_go(running: Running) -> None:
    def some(count: int) -> None:
        for _ in range(count):
            asked = running.ask("openai/slow", messages=LARGE)
            until(lambda asked=asked: running.snapshot(asked)["text"], 30, running)
            assert running.call("POST", f"/v1/generations/{asked}/cancel").document["state"] == "cancelled"

    some(5)
    before = resident(running)
    some(30)
    # It remembers what has ended for 2 s, in case that Redis does not.
    until(lambda: resident(running) - before < 60, 10, running)


class Server:
    """The embedded Redis, asked over its socket."""

    def __init__(self, running: Running) -> None:
        self.path = str(running.folder / "data" / "valkey.sock")

    def say(self, *words: str) -> bytes:
        """The reply to a command, as it comes."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(self.path)
            connection.sendall(" ".join(words).encode() + b"\r\n")
            reader = connection.makefile("rb")
            head = reader.readline()
            return reader.read(int(head[1:])) if head.startswith(b"$") and head != b"$-1\r\n" else head[1:].strip()

    def sent(self) -> int:
        """Bytes that it has sent to all its clients."""
        lines = dict(line.split(":", 1) for line in self.say("INFO", "stats").decode().splitlines() if ":" in line)
        return int(lines["total_net_output_bytes"])


def reads(running: Running, kind: str) -> float:
    """kB that Redis sends because of one request of a kind, of generations whose own requests are 2 MB."""
    server = Server(running)
    ids = [running.ask("openai/small", messages=LARGE) for _ in range(3)]
    last = [running.end(generation)["last_event_id"] for generation in ids]
    path = f"/v1/generations/{ids[0]}"
    cancelled = running.ask("openai/slow", messages=LARGE) if kind == "cancel" else ""
    if cancelled:
        until(lambda: running.snapshot(cancelled)["text"], 30, running)
    time.sleep(3)  # what follows an end has come
    idle = server.sent()
    before = server.sent()
    if kind == "reconnect":
        assert running.call("GET", f"{path}/events", headers={"Last-Event-ID": last[0]}).status == 204
    elif kind == "list":
        assert len(running.call("GET", "/v1/generations?limit=3").document["data"]) == 3
    elif kind == "snapshot":
        assert running.call("GET", path).status == 200
    else:
        assert running.call("POST", f"/v1/generations/{cancelled}/cancel").status == 200
    return (server.sent() - before - (before - idle)) / 1000


READS = ("reconnect", "list", "snapshot", "cancel")


@pytest.mark.mended("redis-8")
@pytest.mark.parametrize("kind", READS)
def test_no_request_is_read_but_by_its_worker(running: Running, kind: str) -> None:
    assert reads(running, kind) < 100


@pytest.mark.cost
@pytest.mark.mended("redis-8")
@pytest.mark.parametrize("kind", READS)
def test_bytes_from_redis(running: Running, record_property: Record, kind: str) -> None:
    record_property("cost", statistics.median(reads(running, kind) for _ in range(3)))
    record_property("unit", f"kB from Redis for a {kind}, requests of 2 MB")


PARTS: dict[str, list[dict[str, Any]]] = {
    "one of 100 bytes": [{"type": "text", "text": "x" * 100}],
    "10,000 of 800 bytes": [{"type": "text", "text": "x" * 760}] * 10_000,
    "one of 8 MB": [{"type": "text", "text": "x" * 7_900_000}],
    "a picture of 8 MB": [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "AAAA" * 1_900_000}}],
}
USUAL = "one of 100 bytes"


class Pauses(NamedTuple):
    """Of one large request beside a stream that says something 100 times a second, in ms."""

    stream: float
    """The longest time between two of its events."""
    redis: float
    """The longest time for which Redis did nothing else: it takes, writes down and gives 8 MB itself."""

    @property
    def ours(self) -> float:
        """What is left of it without Redis."""
        return max(0.0, self.stream - self.redis)


def pauses(running: Running, parts: list[dict[str, Any]]) -> Pauses:
    """What a request of these parts does to another stream. Watched by another process: this one is busy too."""
    body = json.dumps({"model": "openai/small", "messages": [{"role": "user", "content": parts}]}).encode()
    asked = running.ask("simulator/clock?deltas=200&rate=100")
    watch = [sys.executable, "-m", "tests.mended.pauses", str(running.port), asked, Server(running).path]
    with subprocess.Popen(watch, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout is not None
        assert watcher.stdout.readline() == "sees\n"
        answered = running.call("POST", "/v1/generations", body)
        assert answered.status == 202, answered
        running.end(answered.document["id"])
        stream, redis = watcher.stdout.readline().split()
    return Pauses(float(stream), float(redis))


@pytest.mark.slow
@pytest.mark.mended("redis-9")
@pytest.mark.parametrize("parts", [name for name in PARTS if name != USUAL])
def test_a_large_request_holds_no_other_stream_up(running: Running, parts: str) -> None:
    usual = statistics.median(pauses(running, PARTS[USUAL]).stream for _ in range(3))
    # Any of them, as other programs take the processor too.
    assert any(pauses(running, PARTS[parts]).ours - usual < 20 for _ in range(6))


@pytest.mark.cost
@pytest.mark.mended("redis-9")
@pytest.mark.parametrize("whose", ["stream", "redis"])
@pytest.mark.parametrize("parts", PARTS)
def test_gap_of_another_stream(running: Running, record_property: Record, parts: str, whose: str) -> None:
    record_property("cost", statistics.median(getattr(pauses(running, PARTS[parts]), whose) for _ in range(5)))
    what = "gap of another stream" if whose == "stream" else "answer of Redis"
    record_property("unit", f"ms, the longest {what} beside a request of {parts}")


@pytest.mark.cost
@pytest.mark.mended("redis-10")
def test_cpu_of_a_post(start: Start, record_property: Record) -> None:
    keys = ",".join(f"owner{n}:key-{n:028d}" for n in range(2_000))
    toml = "".join(
        f'[providers.p{n}]\nprotocol = "openai-chat"\nbase_url = "http://127.0.0.1:9/v1"\n' for n in range(20)
    )
    running = start(toml=toml, env={"MIDSTREAM_API_KEYS": keys})
    headers = {"Authorization": f"Bearer key-{1999:028d}"}
    (pid,) = running.children("api")

    def used() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def post(count: int) -> None:
        for _ in range(count):
            running.ask("simulator/lorem?deltas=1&rate=0", headers)

    post(50)
    before = used()
    post(400)
    record_property("cost", (used() - before) / 400 * 1e6)
    record_property("unit", "µs of the API's CPU for a POST, with 2,000 keys and 20 endpoints")


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.timeout(150)  # aiohttp looks every 30 s for what has been idle for 30 s
@pytest.mark.mended("redis-1")
def test_connections_of_a_burst_are_closed_when_they_are_idle(running: Running, simulator: int) -> None:
    def open_ones() -> int:
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        return sum(line.split()[2].endswith(f":{simulator:04X}") and line.split()[3] == "01" for line in lines)

    for _ in range(100):
        running.ask("simulator/lorem?deltas=100&rate=20")
    until(lambda: open_ones() > 60, 20, running)
    began = time.monotonic()

    def few() -> bool:
        running.ask("simulator/lorem?deltas=2&rate=0")
        return time.monotonic() - began > 10 and open_ones() < 30

    until(few, 90, running)


@pytest.mark.mended("redis-1")
def test_an_owners_list_goes_with_what_it_names(running: Running) -> None:
    running.ask("openai/small")
    assert int(Server(running).say("PTTL", "midstream:owner:local")) > 30 * 86_400_000
