"""What providers send most: Claude's versions, ends without their last line, keep-alives, ends that are not said.

All answers of the table are asked for at once, of one Midstream, and each test looks at one of them.
"""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.mended.conftest import Serve, Start
from tests.mended.running import Running, executable
from tests.mended.upstream import (
    CUT,
    DONE,
    MESSAGE_START,
    MESSAGE_STOP,
    PING,
    Script,
    Sent,
    Upstream,
    chunk,
    counted,
    gemini,
    message_end,
    message_text,
    named,
    sse,
)

COMMENT = b": OPENROUTER PROCESSING\n\n"
HELLO = "Hello there"
WHOLE = ("completed", HELLO, 1)
"""State, text, and calls that were paid for."""

SAID = chunk({"content": HELLO})
STOP = chunk({}, "stop")
MESSAGE = [MESSAGE_START, *message_text()]
CREATED = named("response.created", response={"id": "resp_1", "model": "m", "status": "in_progress"})
ITEM = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
TEXT = {"type": "output_text", "text": HELLO, "annotations": []}
ITEM_ADDED = named("response.output_item.added", output_index=0, item={**ITEM, "status": "in_progress", "content": []})
TEXT_DELTA = named("response.output_text.delta", output_index=0, item_id="msg_1", content_index=0, delta=HELLO)
COMPLETED = named(
    "response.completed",
    response={
        "id": "resp_1",
        "model": "m",
        "status": "completed",
        "output": [{**ITEM, "content": [TEXT]}],
        "usage": {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12},
    },
)
RESPONSE = [CREATED, ITEM_ADDED, TEXT_DELTA]


@dataclass(frozen=True)
class Case:
    """One answer of a provider, and what has to come of it."""

    point: str
    name: str
    provider: str
    body: Sequence[object]
    expected: tuple[object, ...] = WHOLE
    fields: Mapping[str, Any] = field(default_factory=dict)
    guard: bool = False
    slow: bool = False
    chunked: bool = False


def without_blank_line(event: bytes, end: bytes) -> bytes:
    return event.rstrip(b"\r\n") + end


def spaced(*events: bytes, seconds: float = 1.0, times: int = 7) -> list[object]:
    """These events with a pause after each, again and again."""
    return [step for _ in range(times) for event in events for step in (event, seconds)]


ENDS = {"nothing": b"", "lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}
LAST: dict[str, tuple[str, list[bytes]]] = {
    "chat": ("openai", [SAID, STOP]),
    "chat-one-chunk": ("openai", [chunk({"content": HELLO}, "stop")]),
    "chat-usage": ("openai", [SAID, STOP, counted(5, 7)]),
    "chat-done": ("openai", [SAID, STOP, DONE]),
    "messages": ("anthropic", [*MESSAGE, message_end(), MESSAGE_STOP]),
    "messages-delta": ("anthropic", [*MESSAGE, message_end()]),
    "gemini": ("gemini", [gemini("Hello"), gemini(" there", "STOP")]),
    "gemini-no-counts": ("gemini", [gemini("Hello"), gemini(" there", "STOP", counts=False)]),
    "responses": ("openai-responses", [*RESPONSE, COMPLETED]),
}
IDLE = {"idle_timeout": 3}
FAIL = {"on_interrupt": "fail"}
CALLED = {"index": 0, "id": "c", "type": "function", "function": {"name": "rain", "arguments": '{"a":'}}
HALF = ("failed", "Hello", "incomplete_stream")

CASES = [
    *(
        Case("answers-2", f"{name}-{end}", provider, [*events[:-1], without_blank_line(events[-1], ENDS[end])])
        for name, (provider, events) in LAST.items()
        for end in ENDS
        # These were right before: the marker, or what it comes after, needed no blank line.
        if name != "chat-done"
    ),
    Case("answers-2", "bom", "openai", [b"\xef\xbb\xbf", SAID, without_blank_line(STOP, b"  ")]),
    Case("answers-2", "data-only", "anthropic", [*MESSAGE, message_end(), b'data:{"type":"message_stop"}']),
    Case("answers-2", "a-comment-after-it", "openai", [SAID, STOP, b": bye"]),
    Case("answers-2", "half", "openai", [chunk({"content": "Hello"}), STOP[:-9]], HALF, FAIL, guard=True),
    Case("answers-2", "half-text", "gemini", [gemini("Hello"), gemini(" there", "STOP")[:-9]], HALF, FAIL, guard=True),
    Case("answers-2", "half-message", "anthropic", [MESSAGE_START, *message_text("Hello"), message_end()[:-9]],
         HALF, FAIL, guard=True),
    Case("answers-2", "cut", "openai", [chunk({"content": "Hello"}), without_blank_line(STOP, b""), 0.3, CUT],
         ("failed", "Hello", "connection"), FAIL),
    Case("answers-2", "error", "anthropic",
         [MESSAGE_START, *message_text("Hello"),
          without_blank_line(named("error", error={"type": "overloaded_error", "message": "x"}), b"")],
         ("failed", "Hello", "overloaded"), FAIL),
    Case("answers-3", "comments", "openai", [*spaced(COMMENT), SAID, STOP, DONE], fields=IDLE),
    Case("answers-3", "comments-in-mid-answer", "openai",
         [chunk({"content": "Hello"}), *spaced(COMMENT), chunk({"content": " there"}), STOP, DONE], fields=IDLE),
    Case("answers-3", "blank-lines", "openai", [*spaced(b"\n"), SAID, STOP, DONE], fields=IDLE),
    Case("answers-3", "empty-chunks", "openai", [*spaced(chunk({}), chunk({"content": ""}), times=4), SAID, STOP, DONE],
         fields=IDLE),
    Case("answers-3", "no-choices", "openai", [*spaced(sse({"choices": []})), SAID, STOP, DONE], fields=IDLE),
    Case("answers-3", "pings", "anthropic",
         [MESSAGE_START, *spaced(PING), *message_text(), message_end(), MESSAGE_STOP], fields=IDLE),
    Case("answers-3", "keepalive", "openai-responses",
         [CREATED, *spaced(named("keepalive")), ITEM_ADDED, TEXT_DELTA, COMPLETED], fields=IDLE),
    Case("answers-3", "gemini-comments", "gemini", [*spaced(b": ka\r\n\r\n"), gemini(HELLO, "STOP")], fields=IDLE),
    Case("answers-3", "gemini-empty-chunks", "gemini", [*spaced(sse({"responseId": "r1"})), gemini(HELLO, "STOP")],
         fields=IDLE),
    Case("answers-3", "words", "openai",
         [chunk({"content": "Hello"}), b"event: ping\ndata: ping\n\n", b"data: keep-alive\n\n",
          chunk({"content": " there"}), STOP, DONE]),
    Case("answers-3", "keepalive-without-json", "openai-responses",
         [CREATED, b"event: keepalive\ndata: .\n\n", ITEM_ADDED, TEXT_DELTA, COMPLETED]),
    Case("answers-3", "silence", "openai", [chunk({"content": "Hello"}), 30.0, SAID, STOP, DONE],
         ("failed", "Hello", "provider_timeout"), IDLE | FAIL, guard=True),
    Case("answers-3", "thinks-in-silence", "openai", [36.0, SAID, STOP, DONE], slow=True),
    *(
        Case("answers-4", f"{name}-then-{what}", provider, [*body, *rest], fields={"idle_timeout": 5})
        for name, provider, body in (
            ("chat", "openai", [SAID, STOP]),
            ("chat-with-counts", "openai", [SAID, STOP, counted(5, 7)]),
            ("messages", "anthropic", [*MESSAGE, message_end()]),
        )
        for what, rest in (
            ("nothing", [30.0]),
            ("comments", spaced(COMMENT, times=30)),
            ("pings", spaced(PING if name == "messages" else chunk({}), times=30)),
        )
    ),
    Case("answers-4", "gemini-then-nothing", "gemini", [gemini(HELLO, "STOP", counts=False), 30.0],
         fields={"idle_timeout": 5}),
    Case("answers-4", "chat-then-error", "openai",
         [SAID, STOP, counted(5, 7), sse({"error": {"code": 503, "message": "x"}})]),
    Case("answers-4", "messages-then-error", "anthropic",
         [*MESSAGE, message_end(), named("error", error={"type": "overloaded_error", "message": "x"})]),
    Case("answers-4", "thinks-after-a-stamp", "openai",
         [chunk({"role": "assistant", "content": ""}, "stop"), 12.0, chunk({"content": HELLO}, "stop"), DONE],
         guard=True),
    Case("answers-4", "stamped-without-a-word-and-cut", "openai",
         [chunk({"role": "assistant", "content": ""}, "stop"), 0.3, CUT], ("failed", "", "connection"), FAIL,
         chunked=True, guard=True),
    Case("answers-4", "messages-then-end", "anthropic", [*MESSAGE, message_end()]),
    Case("answers-4", "messages-then-done", "anthropic", [*MESSAGE, message_end(), DONE]),
    Case("answers-4", "messages-then-half-a-stop", "anthropic", [*MESSAGE, message_end(), b"event: message_stop\n"]),
    Case("answers-4", "gemini-then-done", "gemini", [gemini(HELLO, "STOP", counts=False), DONE]),
    Case("answers-4", "chat-then-cut", "openai", [SAID, STOP, 0.3, CUT], chunked=True),
    Case("answers-4", "messages-then-cut", "anthropic", [*MESSAGE, message_end(), 0.3, CUT]),
    Case("answers-4", "gemini-in-each-chunk", "gemini", [gemini("Hello", "STOP"), 1.0, gemini(" there", "STOP")]),
    Case("answers-4", "finish-in-each-chunk", "openai",
         [chunk({"reasoning_content": "Hm."}, "stop"), 6.0, chunk({"content": "Hello"}, "stop"), 6.0,
          chunk({"content": " there"}, "stop"), 6.0, DONE], guard=True),
    Case("answers-4", "stamped-and-cut", "openai", [chunk({"content": "Hello"}, "stop"), 0.3, CUT],
         ("failed", "Hello", "connection"), FAIL),
    Case("answers-4", "no-finish-reason", "openai", [chunk({"content": "Hello"})], HALF, FAIL, guard=True),
    Case("answers-4", "no-stop-reason", "anthropic", [MESSAGE_START, *message_text("Hello")], HALF, FAIL, guard=True),
    Case("answers-4", "half-a-call", "anthropic",
         [MESSAGE_START, *message_text("Hello"),
          named("content_block_start", index=1,
                content_block={"type": "tool_use", "id": "t", "name": "rain", "input": {}}),
          named("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"a":'}),
          message_end("tool_use")], HALF, FAIL, guard=True),
    Case("answers-4", "half-a-chat-call", "openai",
         [chunk({"content": "Hello"}), chunk({"tool_calls": [CALLED]}), chunk({}, "tool_calls")], HALF, FAIL),
    Case("answers-4", "responses-without-the-whole", "openai-responses",
         [CREATED, ITEM_ADDED,
          named("response.output_text.delta", output_index=0, item_id="msg_1", content_index=0, delta="Hello")],
         HALF, FAIL, guard=True),
]  # fmt: skip


@dataclass
class Table:
    """The answers of the table, which were all asked for."""

    running: Running
    upstream: Upstream
    ids: dict[str, str]

    def seen(self, case: Case) -> tuple[object, ...]:
        snapshot = self.running.end(self.ids[model(case)], 150)
        if snapshot["state"] == "failed":
            return "failed", snapshot["text"], snapshot["error"]["code"]
        return snapshot["state"], snapshot["text"], len(self.upstream.sent[model(case)])


def model(case: Case) -> str:
    return f"{case.point}-{case.name}"


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest, start_shared: Start, serve_shared: Serve) -> Table:
    """Of those cases that run in this session."""
    running = [item.callspec.params.get("case") for item in request.session.items if hasattr(item, "callspec")]
    cases = [case for case in running if isinstance(case, Case)]
    upstream = serve_shared({model(case): Script(case.body, chunked=case.chunked) for case in cases})
    midstream = start_shared(upstream)
    ids = {model(case): midstream.ask(f"{case.provider}/{model(case)}", **case.fields) for case in cases}
    return Table(midstream, upstream, ids)


def marked(case: Case) -> Any:
    marks = [pytest.mark.mended(case.point, guard=case.guard), *([pytest.mark.slow] if case.slow else [])]
    return pytest.param(case, id=model(case), marks=marks)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_what_comes_of_an_answer(table: Table, case: Case) -> None:
    assert table.seen(case) == case.expected


@pytest.mark.mended("answers-4")
def test_counts_that_come_after_the_finish_reason_are_counted(start: Start, serve: Serve) -> None:
    upstream = serve({"m": Script([*MESSAGE, message_end(), 30.0])})
    running = start(upstream)
    end = running.end(running.ask("anthropic/m", idle_timeout=3))
    assert (end["state"], end["finish_reason"], end["usage"]["output_tokens"]) == ("completed", "stop", 7)


@pytest.mark.mended("answers-4")
def test_a_cancel_does_not_wait_for_the_end(start: Start, serve: Serve) -> None:
    upstream = serve({"m": Script([*MESSAGE, message_end(), *spaced(PING, times=30)])})
    running = start(upstream)
    generation = running.ask("anthropic/m", idle_timeout=30)
    assert running.end(generation, 25)["state"] == "completed"
    generation = running.ask("anthropic/m", idle_timeout=30)
    running.call("POST", f"/v1/generations/{generation}/cancel")
    assert running.end(generation, 5)["state"] == "cancelled"


@pytest.mark.mended("answers-3")
def test_keep_alives_have_a_bound(start: Start, serve: Serve) -> None:
    upstream = serve({"m": Script([chunk({"content": "Hello"}), *spaced(COMMENT, seconds=0.5, times=60)])})
    running = start(upstream, env={"MIDSTREAM_SILENCE_TIMEOUT": "4"})
    end = running.end(running.ask("openai/m", on_interrupt="fail", idle_timeout=3), 20)
    assert (end["state"], end["error"]["code"], end["error"]["retryable"]) == ("failed", "provider_timeout", True)


@pytest.mark.mended("answers-3")
def test_an_entry_has_its_own_idle_timeout(start: Start, serve: Serve) -> None:
    upstream = serve({"m": Script([chunk({"content": "Hello"}), 25.0])})
    toml = upstream.toml("quick").rstrip() + "\nidle_timeout = 2\n"
    running = start(upstream, toml=toml)
    end = running.end(running.ask("quick/m", on_interrupt="fail"), 15)
    assert end["error"]["code"] == "provider_timeout"


# Claude


def refuses(sent: Sent) -> Script:
    """As the service: what the newest version does not take is 400."""
    body = json.dumps(sent.body)
    refused = {"temperature", "top_p", "top_k"} & sent.body.keys() or '"document"' in body or '"citations": [{' in body
    if sent.headers.get("anthropic-version") != "2023-06-01" and refused:
        error = {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": "Extra inputs are not permitted"},
        }
        return Script([json.dumps(error).encode()], 400, "application/json")
    return Script([*MESSAGE, message_end(), MESSAGE_STOP])


@dataclass(frozen=True)
class Claude:
    """Midstream in front of a service that has both versions."""

    running: Running
    upstream: Upstream


NAMES = ("claude-sonnet-4-6", "claude-haiku-4-5", "claude-3-5-haiku-latest", "claude-opus-4-7", "plain", "fails")


@pytest.fixture(scope="module")
def claude(start_shared: Start, serve_shared: Serve) -> Claude:
    overloaded = Script(
        [b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}'], 529, "application/json"
    )
    scripts: dict[str, Any] = dict.fromkeys(NAMES, refuses) | {"fails": overloaded}
    upstream = serve_shared(scripts)
    toml = '[models]\nmine = "anthropic/claude-sonnet-4-6"\n'
    return Claude(start_shared(upstream, toml=toml), upstream)


CITATION = {"type": "char_location", "cited_text": "x", "document_index": 0, "start_char_index": 0, "end_char_index": 1}
CITED = {"type": "text", "text": "x", "citations": [CITATION]}


@pytest.mark.mended("answers-1")
@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        ("anthropic/claude-sonnet-4-6", {"temperature": 0.2}),
        ("anthropic/claude-sonnet-4-6", {"temperature": 1}),
        ("anthropic/claude-haiku-4-5", {"top_p": 0.9}),
        ("anthropic/claude-3-5-haiku-latest", {"temperature": 0, "top_p": 1}),
        ("anthropic/claude-opus-4-7", {"extra": {"anthropic": {"temperature": 1}}}),
        ("anthropic/claude-haiku-4-5", {"extra": {"anthropic": {"top_k": 5}}}),
        ("mine", {"temperature": 0.2}),
        ("anthropic/fails", {"temperature": 0.2, "fallback": ["anthropic/claude-sonnet-4-6"]}),
    ],
)
def test_claude_is_asked_in_a_version_that_takes_the_request(
    claude: Claude, asked: str, fields: dict[str, Any]
) -> None:
    end = claude.running.end(claude.running.ask(asked, **fields))
    assert (end["state"], end["text"]) == ("completed", HELLO)


@pytest.mark.mended("answers-1", guard=True)
def test_a_plain_request_is_of_the_newest_version(claude: Claude) -> None:
    end = claude.running.end(claude.running.ask("anthropic/claude-sonnet-4-6", max_tokens=9, stop="x"))
    assert end["state"] == "completed"
    assert claude.upstream.sent["claude-sonnet-4-6"][-1].headers["anthropic-version"] == "2026-10-21"


@pytest.mark.mended("answers-1")
def test_the_key_goes_where_gateways_look(claude: Claude) -> None:
    claude.running.end(claude.running.ask("anthropic/plain"))
    headers = claude.upstream.sent["plain"][-1].headers
    assert (headers.get("x-api-key"), headers.get("authorization")) == ("k", None)


@pytest.mark.mended("answers-1")
def test_an_entry_fixes_version_and_header(start: Start, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = serve({"m": refuses})
    toml = upstream.toml(
        "gate",
        protocol="anthropic",
        base_url=upstream.root,
        api_key_env="ANTHROPIC_API_KEY",
        anthropic_version="2023-06-01",
        key_header="authorization",
    ) + upstream.toml("newest", protocol="anthropic", base_url=upstream.root, anthropic_version="2026-10-21")
    running = start(upstream, toml=toml)
    assert running.end(running.ask("gate/m"))["state"] == "completed"
    headers = upstream.sent["m"][-1].headers
    sent = (headers["anthropic-version"], headers.get("authorization"), headers.get("x-api-key"))
    assert sent == ("2023-06-01", "Bearer k", None)
    message = {"model": "newest/m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.5}
    refused = running.call("POST", "/v1/generations", message)
    assert (refused.status, refused.document["code"]) == (422, "unsupported_field")


@pytest.mark.mended("answers-1")
def test_the_simulator_refuses_what_the_version_refuses() -> None:
    python = str(Path(executable()).with_name("python"))
    with subprocess.Popen(
        [python, "-P", "-m", "simulator", "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split()[-1]
            assert posted(url, "2023-06-01", temperature=1.0) == 200
            assert posted(url, "2026-10-21") == 200
            assert posted(url, "2026-10-21", temperature=1.0) == 400
            assert posted(url, "2026-10-21", top_k=4) == 400
            assert posted(url, "2026-10-21", messages=[{"role": "user", "content": [CITED]}]) == 400
            assert posted(url, None) == 400
            assert posted(url, "2024-01-01") == 400
        finally:
            process.terminate()


def posted(url: str, version: str | None, **fields: Any) -> int:
    """The status of a request to Anthropic's protocol."""
    body = {
        "model": "lorem?deltas=2&rate=0",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
        **fields,
    }
    headers = {"content-type": "application/json"} | ({"anthropic-version": version} if version else {})
    request = urllib.request.Request(f"{url}/v1/messages", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
