"""Text that callers, models and other servers wrote, in a log, on a terminal and on its way to a provider."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.mended.beside import Beside
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
    counted,
    message_text,
    named,
    sse,
)

OBEYED = "A\x7fB\u009b2JC\u009d0;t\u009c\u202eD\u2066E\u2069"
BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
FORGED = "x\n2026-01-01 00:00:00,000 ERROR midstream.api: FORGED \x1b]0;t\x07\x1b[2J\u202e\u009b2J\r\u2028 FORGED"


HALF = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "output": [],
    "usage": {"input_tokens": 1.5, "output_tokens": 7},
}
CANDIDATE = {
    "candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 5, "thoughtsTokenCount": 1.5},
}


def counts(usage: dict[str, Any]) -> Script:
    return Script([chunk({"content": "hi"}), chunk({}, "stop"), chunk({}, usage=usage), DONE])


@pytest.fixture(scope="module")
def upstream(serve_shared: Serve) -> Upstream:
    long = [chunk({"content": "x" * 50_000}) for _ in range(300)]
    return serve_shared(
        {
            "obeyed": answer(OBEYED),
            "m": answer(),
            "negative": counts({"prompt_tokens": -500, "completion_tokens": -500, "total_tokens": -1000}),
            "absurd": counts({"prompt_tokens": 10**15, "completion_tokens": 1, "total_tokens": 10**15}),
            "cached": counts(
                {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": -9}}
            ),
            "whole": Script(
                [
                    named("response.created", response=HALF | {"status": "in_progress", "usage": None}),
                    named("response.completed", response=HALF),
                ]
            ),
            "message": Script(
                [
                    MESSAGE_START,
                    *message_text(),
                    named("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 1.5}),
                    MESSAGE_STOP,
                ]
            ),
            "candidate": Script(
                [sse(CANDIDATE | {"usageMetadata": {"promptTokenCount": 5, "thoughtsTokenCount": 1.5}})]
            ),
            "long": Script([*long, chunk({}, "stop"), counted(5, 7), DONE]),
            FORGED: Script([b'{"error":{"message":"no"}}'], 500, "application/json"),
        }
    )


@pytest.fixture(scope="module")
def running(start_shared: Start, upstream: Upstream) -> Running:
    toml = upstream.toml() + upstream.toml("resp", protocol="openai-responses")
    for name, protocol in (("mess", "anthropic"), ("gem", "gemini")):
        toml += upstream.toml(name, protocol=protocol, base_url=upstream.root)
    return start_shared(toml=toml, env={"MIDSTREAM_RETRIES": "0", "MIDSTREAM_MAX_ATTEMPTS": "1"})


def image(url: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}


@pytest.mark.mended("front-14")
def test_an_image_is_at_an_address_of_the_web_or_sent_along(running: Running, upstream: Upstream) -> None:
    for url in ("file:///etc/passwd", "/etc/passwd", "FILE://x/y", "gopher://127.0.0.1/_", "x", " https://x", "//h/x"):
        refused = running.call("POST", "/v1/generations", {"model": "loc/m", **image(url)})
        assert refused.status == 422, url
        assert refused.document["errors"][0]["pointer"] == "/messages/0/content/0/image_url/url"
    before = len(upstream.sent["m"])
    for url in ("https://example.com/a.png", "HTTP://example.com/a.png", "data:image/png;base64,aGk="):
        body = {"model": "loc/m", **image(url)}
        running.end(running.call("POST", "/v1/generations", body).document["id"])
    assert len(upstream.sent["m"]) == before + 3


@pytest.mark.mended("front-14")
def test_counts_that_cannot_be_are_none(running: Running) -> None:
    for model in ("negative", "absurd", "cached"):
        ended = running.end(running.ask(f"loc/{model}"))
        assert ended["state"] == "completed", ended
        used = [attempt["usage"] or {} for attempt in ended["attempts"]]
        assert all(0 <= count < 10**9 for usage in used for count in usage.values()), (model, used)


@pytest.mark.mended("front-14")
@pytest.mark.parametrize("model", ["resp/whole", "mess/message", "gem/candidate"])
def test_no_count_spoils_an_answer_that_is_whole(running: Running, model: str) -> None:
    ended = running.end(running.ask(model))
    assert (ended["state"], ended["error"]) == ("completed", None)
    assert all(0 <= count < 10**9 for attempt in ended["attempts"] for count in (attempt["usage"] or {}).values())


@pytest.mark.mended("front-14")
def test_what_is_an_owners_is_kept_by_nobody_on_the_way(running: Running) -> None:
    generation = running.ask("loc/m")
    running.end(generation)
    place = f"/v1/generations/{generation}"
    for method, path in [
        ("GET", place),
        ("GET", "/v1/generations"),
        ("GET", "/v1/usage"),
        ("GET", "/v1/models"),
        ("POST", f"{place}/cancel"),
        ("DELETE", place),
    ]:
        answered = running.call(method, path)
        assert answered.status < 300
        assert "no-store" in answered.headers.get("cache-control", ""), (method, path)


@pytest.mark.mended("front-13")
def test_no_name_of_a_model_forges_a_line_of_the_log(running: Running) -> None:
    for _ in range(6):
        running.end(running.ask(f"loc/{FORGED}"))
    until(lambda: "opened" in running.output(), 10, running)
    assert "FORGED" not in running.output(), "what no name holds, and all behind it"
    told = [line for line in running.output().split("\n") if f"loc/{FORGED}"[:5] in line]
    assert told
    for line in told:
        assert re.match(r" *worker \| [0-9-]{10} [0-9:,]{12} [A-Z]+ midstream\.worker: (gen_|circuit of )", line), line
        assert not BAD.search(line), line


@pytest.mark.mended("front-13")
def test_json_holds_nothing_that_a_terminal_obeys(running: Running) -> None:
    generation = running.ask("loc/obeyed")
    assert running.end(generation)["text"] == OBEYED
    for command in (("show", generation, "--json"), ("tail", generation, "--json")):
        written = running.cli(*command).stdout.decode()
        assert not BAD.search(written), command
        documents = [json.loads(line) for line in written.splitlines()]
        texts = [one.get("text") or one.get("data", {}).get("delta") for one in documents]
        assert OBEYED in texts


class Odd(BaseHTTPRequestHandler):
    """A server that is no Midstream, and answers everything with the same."""

    said = (b"", "")

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        body, kind = self.said
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.mended("front-14")
def test_what_another_server_answers_is_one_line(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = "text/event-stream"
    wrong = b'id: 1-0\nevent: attempt\ndata: {"number":[],"model":{},"reason":4}\n\n'
    with ThreadingHTTPServer(("127.0.0.1", 0), Odd) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for body, kind, command in [
            (b"[" * 200_000, "application/json", ("list",)),
            (b'{"data":5}', "application/json", ("list",)),
            (b"id: 1-0\nevent: delta\ndata: " + b"[" * 100_000 + b"\n\n", stream, ("tail", "gen_x")),
            (wrong, stream, ("tail", "gen_x")),
            (b'id: 1-0\nevent: annotation\ndata: {"part":{}}\n\n', stream, ("tail", "gen_x")),
        ]:
            monkeypatch.setattr(Odd, "said", (body, kind))
            ended = running.cli(*command, "--url", f"http://127.0.0.1:{server.server_address[1]}")
            assert b"Traceback" not in ended.stderr, (body[:40], ended.stderr[-200:])
            assert len(ended.stderr.splitlines()) <= 1
        server.shutdown()


@pytest.mark.mended("front-14", guard=True)
def test_a_long_snapshot_keeps_nobody_waiting(running: Running) -> None:
    generation = running.ask("loc/long")
    until(lambda: running.call("GET", "/v1/generations").document["data"][0]["ended"], 60, running)
    with Beside(running) as beside:
        snapshot = running.snapshot(generation)
    assert snapshot["text"] == "x" * 15_000_000
    assert beside.longest < 0.4
