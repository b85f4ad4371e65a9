"""A provider whose answers are written byte by byte, on a thread of the test; and the words of the protocols."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

CUT = object()
"""A step of a body: the connection is reset here."""


@dataclass(frozen=True)
class Script:
    """One answer: bytes are written, numbers are seconds of silence, CUT resets the connection.

    Without `length` the body ends with the connection, which is a clean end.
    """

    body: Iterable[object] = ()
    status: int = 200
    type: str = "text/event-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    chunked: bool = False
    """Sent in chunks, and with the last one: an end that cannot be taken for a cut."""


class Sent(NamedTuple):
    """A request that came: headers in lower case, the JSON body, the path with its query."""

    headers: dict[str, str]
    body: Any
    path: str


Scripts = Mapping[str, Script | Sequence[Script] | Callable[[Sent], Script]]
"""By model: its answer, its answers in turn (the last one again and again), or what makes one of the request."""


class Upstream:
    """Listens on 127.0.0.1 until `close`; `sent` has the requests of each model in their order."""

    def __init__(self, scripts: Scripts) -> None:
        self.scripts = dict(scripts)
        self.sent: dict[str, list[Sent]] = {name: [] for name in scripts}
        self.closed: dict[str, int] = dict.fromkeys(scripts, 0)
        """Answers that whoever asked has broken off."""
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                upstream._answer(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def root(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def env(self) -> dict[str, str]:
        """Variables with which `openai/`, `openai-responses/`, `anthropic/` and `gemini/` are this server."""
        return {
            **{f"{name}_API_KEY": "k" for name in ("OPENAI", "ANTHROPIC", "GEMINI")},
            "OPENAI_BASE_URL": f"{self.root}/v1",
            "ANTHROPIC_BASE_URL": self.root,
            "GEMINI_BASE_URL": self.root,
        }

    def toml(self, name: str = "loc", **fields: str) -> str:
        """A table of midstream.toml with which `NAME/` is this server, by OpenAI Chat where no protocol is given."""
        said = {"protocol": "openai-chat", "base_url": f"{self.root}/v1", **fields}
        return f"[providers.{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in said.items())

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = json.loads(handler.rfile.read(int(handler.headers.get("content-length") or 0)) or b"{}")
        named = re.search(r"/models/([^:/?]+):", handler.path)
        model = urllib.parse.unquote(named[1]) if named else asked.get("model", "")
        sent = Sent({name.lower(): value for name, value in handler.headers.items()}, asked, handler.path)
        script = self._script(model, sent)
        handler.close_connection = True
        handler.send_response(script.status)
        headers = {"content-type": script.type, "connection": "close", **script.headers}
        if script.chunked:
            headers["transfer-encoding"] = "chunked"
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        try:
            self._write(handler, script)
        except OSError:
            self.closed[model] = self.closed.get(model, 0) + 1

    def _script(self, model: str, sent: Sent) -> Script:
        self.sent.setdefault(model, []).append(sent)
        script = self.scripts.get(model, Script([b'{"error":{"message":"no such model"}}'], 404, "application/json"))
        if isinstance(script, Script):
            return script
        if callable(script):
            return script(sent)
        return script[min(len(self.sent[model]), len(script)) - 1]

    def _write(self, handler: BaseHTTPRequestHandler, script: Script) -> None:
        for step in script.body:
            if step is CUT:
                # A reset, not an orderly end.
                handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                with contextlib.suppress(OSError):
                    handler.connection.shutdown(socket.SHUT_RD)
                handler.connection.close()
                return
            if isinstance(step, int | float):
                time.sleep(step)
            elif isinstance(step, bytes):
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(step), step) if script.chunked else step)
                handler.wfile.flush()
        if script.chunked:
            handler.wfile.write(b"0\r\n\r\n")


def sse(value: object, event: str | None = None, end: str = "\n\n") -> bytes:
    """One server-sent event; what is no string is sent as JSON."""
    data = value if isinstance(value, str) else json.dumps(value)
    return ((f"event: {event}\n" if event else "") + f"data: {data}{end}").encode()


def chunk(delta: Mapping[str, object], finish: str | None = None, end: str = "\n\n", **more: object) -> bytes:
    """A chunk of OpenAI Chat."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return sse({"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **more}, end=end)


def counted(input_tokens: int, output_tokens: int) -> bytes:
    """OpenAI Chat's chunk of usage."""
    usage = {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
    }
    return sse({"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [], "usage": usage})


DONE = sse("[DONE]")


def answer(text: str = "Hello there", finish: str = "stop") -> Script:
    """A whole answer of OpenAI Chat."""
    return Script([chunk({"content": text}), chunk({}, finish), counted(5, 7), DONE])


def named(kind: str, **more: object) -> bytes:
    """An event of Anthropic's Messages or OpenAI's Responses, whose type is its name as well."""
    return sse({"type": kind, **more}, kind)


MESSAGE_START = named(
    "message_start",
    message={
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "usage": {"input_tokens": 5, "output_tokens": 1},
    },
)
MESSAGE_STOP = named("message_stop")
PING = named("ping")


def message_text(text: str = "Hello there", index: int = 0) -> list[bytes]:
    """A block of text of Anthropic's Messages."""
    return [
        named("content_block_start", index=index, content_block={"type": "text", "text": ""}),
        named("content_block_delta", index=index, delta={"type": "text_delta", "text": text}),
        named("content_block_stop", index=index),
    ]


def message_end(reason: str = "end_turn") -> bytes:
    """Anthropic's message_delta, with the counts."""
    return named("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 7})


def gemini(text: str, finish: str | None = None, counts: bool = True, end: str = "\r\n\r\n") -> bytes:
    """A chunk of Gemini."""
    candidate: dict[str, object] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    value: dict[str, object] = {"candidates": [candidate], "modelVersion": "m", "responseId": "r1"}
    if counts:
        value["usageMetadata"] = {"promptTokenCount": 5, "candidatesTokenCount": 7, "totalTokenCount": 12}
    return sse(value, end=end)
