"""Reading a Messages stream (API reference: "Streaming messages")."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from shared.events import (
    Annotation,
    Completed,
    Delta,
    FinishReason,
    Part,
    PartEnd,
    PartKind,
    Usage,
    UsageReport,
)
from worker.providers.errors import from_event, problem
from worker.providers.provider import ProviderEvent
from worker.providers.stream import parse

FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "paused",
}

ORIGIN = "anthropic"
"""Whose signatures and encrypted reasoning these are: they are worth something at this provider only."""


class _OutputDetails(Struct, gc=False):
    thinking_tokens: int | None = None


class _Usage(Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None


class _Message(Struct, gc=False):
    id: str | None = None
    usage: _Usage | None = None


class _Delta(Struct, gc=False):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    citation: dict[str, Any] | None = None
    stop_reason: str | None = None


class _Event(Struct, gc=False):
    type: str = ""
    index: int = -1
    delta: _Delta | None = None
    message: _Message | None = None
    content_block: dict[str, Any] | None = None
    usage: _Usage | None = None
    error: Any = None


class _Block(Struct):
    """An open content block. `given` is what its start already held, for use where no delta says it."""

    part: int
    kind: PartKind
    given: str = ""
    grown: bool = False
    signature: str = ""
    encrypted: str = ""


_GROWTH = frozenset({"text_delta", "thinking_delta", "input_json_delta"})

_events = msgspec.json.Decoder(_Event)


class MessagesReader:
    """The state of one answer. Content blocks are parts one to one; those of unknown types are left out."""

    def __init__(self, name: str) -> None:
        self.ended = False
        self._name = name
        self._parts = 0
        self._open: dict[int, _Block] = {}
        self._counted = _Usage()
        self._usage: Usage | None = None
        self._stop_reason: str | None = None
        self._id: str | None = None

    def read(self, data: bytes, events: list[ProviderEvent]) -> None:
        """See `Reader.read`."""
        if self.ended or not data:
            return
        event = parse(self._name, _events, data)
        match event.type:
            case "content_block_delta":
                if event.delta is not None and (block := self._open.get(event.index)) is not None:
                    _grow(block, event.delta, events)
            case "content_block_start":
                self._start(event.index, event.content_block or {}, events)
            case "content_block_stop":
                self._stop(event.index, events)
            case "message_start" if event.message is not None:
                self._id = event.message.id
                self._count(event.message.usage, events)
            case "message_delta":
                if event.delta is not None:
                    self._stop_reason = event.delta.stop_reason or self._stop_reason
                self._count(event.usage, events)
            case "message_stop":
                self._end(events)
            case "error":
                raise from_event(self._name, event.error)

    def finish(self, unfinished: bytes, events: list[ProviderEvent]) -> None:
        """See `Reader.finish`: only `message_stop` ends an answer."""
        detail = "half an event" if unfinished.strip() else "no message_stop"
        raise problem(self._name, "incomplete_stream", detail)

    def _start(self, index: int, content: dict[str, Any], events: list[ProviderEvent]) -> None:
        kind = str(content.get("type"))
        part = Part(part=self._parts, kind="text")
        block = _Block(part=self._parts, kind="text")
        if kind == "text":
            block.given = str(content.get("text") or "")
        elif kind in ("thinking", "redacted_thinking"):
            part.kind = "reasoning"
            block.given = str(content.get("thinking") or "")
            block.signature = str(content.get("signature") or "")
            block.encrypted = str(content.get("data") or "")
        elif kind in ("tool_use", "server_tool_use"):
            part.kind = "tool_call"
            part.call_id = str(content.get("id") or f"call_{part.part}")
            part.name = str(content.get("name") or "")
            part.executor = "client" if kind == "tool_use" else "provider"
            block.given = json.dumps(content.get("input") or {}, ensure_ascii=False)
        elif kind.endswith("_tool_result"):
            part.kind = "tool_result"
            part.call_id = str(content.get("tool_use_id") or "")
            part.name = kind.removesuffix("_tool_result")
            part.executor = "provider"
            block.given = json.dumps(content.get("content"), ensure_ascii=False)
        else:
            return
        block.kind = part.kind
        self._parts += 1
        self._open[index] = block
        events.append(part)
        if block.kind in ("text", "reasoning") and block.given:
            events.append(Delta(part=block.part, kind=block.kind, delta=block.given))
        if block.kind == "text":
            for citation in content.get("citations") or ():
                events.append(Annotation(part=block.part, fields=citation))

    def _stop(self, index: int, events: list[ProviderEvent]) -> None:
        block = self._open.pop(index, None)
        if block is None:
            return
        if block.kind in ("tool_call", "tool_result") and not block.grown:
            # A call without arguments has empty fragments; results, and some endpoints' calls, come whole.
            events.append(Delta(part=block.part, kind=block.kind, delta=block.given))
        end = PartEnd(part=block.part, signature=block.signature or UNSET, encrypted=block.encrypted or UNSET)
        if block.signature or block.encrypted:
            end.provider = ORIGIN
        events.append(end)

    def _count(self, counted: _Usage | None, events: list[ProviderEvent]) -> None:
        """Counts are cumulative, and one that is missing has not changed."""
        if counted is None:
            return
        known = self._counted
        for field in _Usage.__struct_fields__:
            if (value := getattr(counted, field)) is not None:
                setattr(known, field, value)
        cached, written = known.cache_read_input_tokens or 0, known.cache_creation_input_tokens or 0
        usage = Usage(
            # Unlike ours, the protocol's count leaves out what was read from the cache or written to it.
            input_tokens=(known.input_tokens or 0) + cached + written,
            output_tokens=known.output_tokens or 0,
            cached_tokens=cached,
            cache_write_tokens=written,
            reasoning_tokens=(known.output_tokens_details or _OutputDetails()).thinking_tokens or 0,
        )
        if self._usage is None or self._usage.input_tokens != usage.input_tokens:
            events.append(UsageReport(usage=usage))
        self._usage = usage

    def _end(self, events: list[ProviderEvent]) -> None:
        self.ended = True
        for index in list(self._open):
            self._stop(index, events)
        events.append(
            Completed(
                finish_reason=FINISH.get(self._stop_reason or "", "other"),
                raw_finish_reason=self._stop_reason,
                usage=self._usage,
                response_id=self._id,
            )
        )


def _grow(block: _Block, delta: _Delta, events: list[ProviderEvent]) -> None:
    if (text := delta.text or delta.thinking or delta.partial_json) and delta.type in _GROWTH:
        block.grown = True
        events.append(Delta(part=block.part, kind=block.kind, delta=text))
    elif delta.type == "signature_delta":
        block.signature = delta.signature or ""
    elif delta.type == "citations_delta" and delta.citation is not None:
        events.append(Annotation(part=block.part, fields=delta.citation))
