"""OpenAI Responses on the wire (API reference: "Streaming events", "The response object")."""

import secrets
import time
from typing import Any, Final, Literal

from simulator.answer import Answer, AnswerDelta
from simulator.journal import now_us
from simulator.openai_chat import request_headers
from simulator.output_item import OutputItem, web_search
from simulator.request import Request
from simulator.wire import Headers, document, quoted

Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]

FAILURE: Final = {
    "code": "server_error",
    "message": "The server had an error while processing your request.",
}


class ResponsesWriter:
    """One answer, event by event; the events are numbered from 0 without gaps."""

    def __init__(self, request: Request, answer: Answer) -> None:
        self.headers: Headers = [*request_headers(), (b"cache-control", b"no-cache")]
        self.id = f"resp_{secrets.token_hex(24)}"
        self.status: Status = "queued" if request.background else "in_progress"
        self.sequence = 0
        self._request = request
        self._answer = answer
        self._created = int(time.time())
        self._completed: int | None = None
        self._output: list[dict[str, Any]] = []
        self._open: OutputItem | None = None
        self._summarised = 0
        self._summary_half = (sum(delta.kind == "reasoning" for delta in answer.deltas) + 1) // 2
        self._cites = answer.extras

    def event(self, type: str, fields: dict[str, Any]) -> bytes:
        """One event of the stream."""
        data = document({"type": type, "sequence_number": self.sequence, **fields})
        self.sequence += 1
        return b"event: %s\ndata: %s\n\n" % (type.encode(), data)

    def _lifecycle(self, state: str) -> bytes:
        return self.event(f"response.{state}", {"response": self.response()})

    def opening(self) -> bytes:
        created = self._lifecycle("created")
        return created + (self._lifecycle("queued") if self._request.background else self.begin())

    def begin(self) -> bytes:
        """What comes before the first delta of a response that was queued."""
        self.status = "in_progress"
        return self._lifecycle("in_progress") + (self._extras() if self._answer.extras else b"")

    def _extras(self) -> bytes:
        """A tool that the server runs itself, and an event of a type that no client knows."""
        sources = "web_search_call.action.sources" in self._request.include
        events, item = web_search(len(self._output), sources=sources)
        self._output.append(item)
        events.append(("response.simulator.note", {"note": {"text": "No client knows this type."}}))
        return b"".join(self.event(type, fields) for type, fields in events)

    def deltas(self, start: int, stop: int) -> bytes:
        frames: list[bytes] = []
        for delta in self._answer.deltas[start:stop]:
            item = self._item(delta, frames)
            text = f"@{now_us()};" if delta.text is None else delta.text
            item.said.append(text)
            tail = item.tail
            if self._request.logprobs is not None and delta.kind == "text":
                tail = item.weigh(text, self._request.logprobs)
            frames.append(b"%s%d%s%s%s" % (item.head, self.sequence, item.middle, quoted(text), tail))
            self.sequence += 1
        return b"".join(frames)

    def _item(self, delta: AnswerDelta, frames: list[bytes]) -> OutputItem:
        """The item to which `delta` belongs; what must come before it is added to `frames`."""
        part = 0
        if delta.kind == "reasoning":
            part = int(self._summarised >= self._summary_half)
            self._summarised += 1
        item = self._open
        if item is None or item.identity != (delta.kind, delta.call):
            frames.append(self._close("completed"))
            item = self._open = self._new(delta)
            frames += (self.event(type, fields) for type, fields in item.opened())
        elif item.part != part:
            frames += (self.event(type, fields) for type, fields in item.next_part())
        return item

    def _new(self, delta: AnswerDelta) -> OutputItem:
        made = self._answer.calls[delta.call] if delta.kind == "tool_call" else None
        encrypted = None
        if delta.kind == "reasoning" and "reasoning.encrypted_content" in self._request.include:
            encrypted = f"gAAAAA{self._answer.signature}"
        cites, self._cites = self._cites and delta.kind == "text", self._cites and delta.kind != "text"
        return OutputItem(delta.kind, delta.call, len(self._output), made=made, encrypted=encrypted, cites=cites)

    def _close(self, status: str) -> bytes:
        """End the open item; what it held stays in the response."""
        if self._open is None:
            return b""
        item, self._open = self._open, None
        events = b"".join(self.event(type, fields) for type, fields in item.closed(status))
        self._output.append(item.shape(status))
        return events

    def closing(self) -> bytes:
        cut = self._answer.finish == "length"
        events = self._close("incomplete" if cut else "completed")
        self.status = "incomplete" if cut else "completed"
        self._completed = None if cut else int(time.time())
        return events + self._lifecycle(self.status)

    def error(self) -> bytes:
        self.status = "failed"
        self._completed = None
        self._interrupt()
        return self.event("error", {**FAILURE, "param": None}) + self._lifecycle("failed")

    def cancelled(self) -> bytes:
        """The end of a cancelled response. None is documented; `response.failed` with this status is what is sent."""
        self.status = "cancelled"
        self._open = None
        self._output = []
        return self._lifecycle("failed")

    def _interrupt(self) -> None:
        """Keep what the open item holds, without its end."""
        if self._open is not None:
            self._output.append(self._open.shape("incomplete"))
            self._open = None

    def broken(self) -> bytes:
        type = b"response.output_text.delta"
        return b'event: %s\ndata: {"type":"%s","sequence_number":%d,\n\n' % (type, type, self.sequence)

    def keepalive(self) -> bytes:
        return b": keep-alive\n\n"

    def whole(self) -> bytes:
        self.opening()
        self.deltas(0, len(self._answer.deltas))
        self.closing()
        return document(self.response())

    def response(self) -> dict[str, Any]:
        """The response as it stands."""
        open_items = [] if self._open is None else [self._open.shape("in_progress")]
        ended = self.status in ("completed", "incomplete")
        settings = self._request.settings
        return {
            "id": self.id,
            "object": "response",
            "created_at": self._created,
            "status": self.status,
            "background": self._request.background,
            "completed_at": self._completed,
            "error": FAILURE if self.status == "failed" else None,
            "incomplete_details": {"reason": "max_output_tokens"} if self.status == "incomplete" else None,
            "model": self._request.model,
            "output": [*self._output, *open_items],
            "previous_response_id": None,
            "service_tier": "default",
            **settings,
            "usage": self._usage() if ended else None,
        }

    def _usage(self) -> dict[str, Any]:
        prompt, said = self._request.prompt_tokens, len(self._answer.deltas)
        return {
            "input_tokens": prompt,
            "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": self._answer.cached_tokens},
            "output_tokens": said,
            "output_tokens_details": {"reasoning_tokens": self._summarised},
            "total_tokens": prompt + said,
        }
