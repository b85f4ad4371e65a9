"""A small HTTP server that speaks docs/protocol.md and ends connections where a test wants it."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self

HowCut = Literal["end", "reset", "half", "silence", "drain"]
Frame = tuple[str | None, str, dict[str, Any]]


@dataclass
class Received:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """One answer that is not a stream."""

    status: int
    body: dict[str, Any] | str = ""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


class ScriptedApi:
    """Serves one generation's log. `cuts` and `answers` are used up by one connection each, in order."""

    generation_id = "gen_scripted"

    def __init__(self) -> None:
        self.log: list[Frame] = []
        self.preamble: list[Frame] = []
        """Frames without an id, sent first on every connection."""
        self.retry_ms: int | None = 1
        self.cuts: deque[tuple[int, HowCut]] = deque()
        self.answers: deque[Answer] = deque()
        self.page: Answer | None = None
        """What a GET of a conversation answers."""
        self.lost_posts = 0
        """POSTs that are still to be accepted without a word."""
        self.hold_at: int | None = None
        """Events after which streams wait for `released`."""
        self.mute = threading.Event()
        """When set, a POST waits for `released` without an answer."""
        self.held = threading.Event()
        self.released = threading.Event()
        self.received: list[Received] = []
        self.keys: set[str] = set()

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def says(self, *texts: str, end: str = "completed", **fields: Any) -> None:
        """Fill the log with one attempt that says these texts."""
        token = 1000 + len(self.log)
        number = sum(frame[1] == "attempt" for frame in self.log) + 1
        reason = "new" if number == 1 else "worker_lost"
        frames: list[tuple[str, dict[str, Any]]] = [
            (
                "attempt",
                {"number": number, "reason": reason, "model": "m", "provider": "p", "continues": False},
            ),
            ("part", {"part": 0, "kind": "text"}),
        ]
        frames += [("delta", {"part": 0, "kind": "text", "delta": text}) for text in texts]
        if end:
            frames += [("part_end", {"part": 0}), (end, {"finish_reason": "stop", **fields})]
        self.log += [(f"{token}-{seq}", type, data) for seq, (type, data) in enumerate(frames)]

    def cursors(self) -> list[str | None]:
        """Last-Event-ID of each connection to the events, in order."""
        return [got.headers.get("last-event-id") for got in self.received if got.path.endswith("/events")]


def frame_bytes(frame: Frame) -> bytes:
    """The frame on the wire."""
    event_id, type, data = frame
    id_line = f"id: {event_id}\n" if event_id else ""
    return f"{id_line}event: {type}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # of connections that come at once: what does not fit is tried again after seconds

    def handle_error(self, *_: object) -> None:
        """A client that leaves is what many tests want."""


def _handler(api: ScriptedApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._take()
            if api.answers:
                self._answer(api.answers.popleft())
            elif self.path.endswith("/events"):
                self._events()
            elif api.page is not None and self.path.startswith("/v1/conversations/"):
                self._answer(api.page)
            else:
                self._answer(Answer(404, {"detail": "no such route"}, content_type="application/problem+json"))

        def do_POST(self) -> None:
            request = self._take()
            if api.mute.is_set():
                api.held.set()
                api.released.wait(30)
                self.close_connection = True
            elif api.lost_posts:
                api.lost_posts -= 1
                api.keys.add(request.headers["idempotency-key"])
                self._reset()
            elif api.answers:
                self._answer(api.answers.popleft())
            else:
                api.keys.add(request.headers["idempotency-key"])
                self._events()

        def _take(self) -> Received:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            api.received.append(Received(self.command, self.path, headers, body))
            return api.received[-1]

        def _answer(self, answer: Answer) -> None:
            body = (answer.body if isinstance(answer.body, str) else json.dumps(answer.body)).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.status != 204:
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if answer.status != 204:
                self.wfile.write(body)

        def _events(self) -> None:
            cursor = self.headers.get("last-event-id")
            ids = [frame[0] for frame in api.log]
            start = ids.index(cursor) + 1 if cursor and cursor in ids else 0
            if start and start == len(ids) and api.log[-1][1] in ("completed", "failed", "cancelled"):
                self._answer(Answer(204))
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            self.send_header("Location", f"/v1/generations/{api.generation_id}")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            if api.retry_ms is not None:
                self._chunk(f"retry: {api.retry_ms}\n\n".encode())
            cut_after, how = api.cuts.popleft() if api.cuts else (len(api.log) + 1, "end")
            for frame in api.preamble:
                self._chunk(frame_bytes(frame))
            for sent, frame in enumerate(api.log[start:]):
                if sent == cut_after:
                    self._cut(how, frame)
                    return
                self._chunk(frame_bytes(frame))
                if api.hold_at is not None and start + sent + 1 == api.hold_at:
                    api.held.set()
                    api.released.wait(30)
            self._chunk(b"")

        def _chunk(self, data: bytes) -> None:
            try:
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            except OSError:
                self.close_connection = True

        def _cut(self, how: HowCut, next_frame: Frame) -> None:
            match how:
                case "end":
                    self._chunk(b"")
                case "drain":
                    # The node would end it soon; a viewer leaves by itself.
                    self._chunk(frame_bytes((None, "drain", {})))
                    api.released.wait(30)
                case "half":
                    whole = frame_bytes(next_frame)
                    self._chunk(whole[: len(whole) // 2])
                    self.connection.shutdown(socket.SHUT_RDWR)
                case "silence":
                    api.released.wait(30)
                case "reset":
                    self._reset()
            self.close_connection = True

        def _reset(self) -> None:
            # Linger 0: the peer gets a reset, not an orderly end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True

    return Handler
