"""Reading a Chat Completions stream (API reference: `chat.completion.chunk`) and its dialects."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from shared.events import Completed, Delta, FinishReason, Part, PartEnd, PartKind, Usage, UsageReport
from worker.providers.errors import from_event, problem
from worker.providers.provider import ProviderEvent
from worker.providers.stream import parse

FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None


class _Choice(Struct, gc=False):
    index: int | None = None
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Details(Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


class _Chunk(Struct, gc=False):
    id: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_chunks = msgspec.json.Decoder(_Chunk)


class ChatReader:
    """The state of one answer.

    A part of text, reasoning or refusal is open until another kind begins; tool calls are open until the end,
    because parallel ones interleave.
    """

    def __init__(self, name: str) -> None:
        self.ended = False
        self._name = name
        self._parts = 0
        self._said: tuple[PartKind, int] | None = None
        self._calls: dict[int, tuple[str | None, int]] = {}
        self._open_calls: list[int] = []
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._id: str | None = None

    def read(self, data: bytes, events: list[ProviderEvent]) -> None:
        """See `Reader.read`."""
        if self.ended or not data:
            return
        if data.startswith(b"[DONE]"):
            self._end(events)
            return
        chunk = parse(self._name, _chunks, data)
        if chunk.error is not None:
            raise from_event(self._name, chunk.error)
        if chunk.id and self._id is None:
            self._id = chunk.id
        for choice in chunk.choices or ():
            if choice.index:
                continue
            if choice.delta is not None:
                self._grow(choice.delta, events)
            # Some endpoints send an empty reason with every chunk.
            if choice.finish_reason:
                self._finish = choice.finish_reason
        if chunk.usage is not None:
            self._count(chunk.usage, events)

    def finish(self, unfinished: bytes, events: list[ProviderEvent]) -> None:
        """See `Reader.finish`.

        Some compatible endpoints never send `[DONE]`, or send it without the blank line after it: the answer
        is whole if its finish reason came and no other event was cut.
        """
        rest = unfinished.strip()
        if rest and rest.removeprefix(b"data:").strip() != b"[DONE]":
            raise problem(self._name, "incomplete_stream", "half an event")
        self._end(events)

    def _grow(self, delta: _Delta, events: list[ProviderEvent]) -> None:
        reasoning = delta.reasoning_content or delta.reasoning
        if reasoning and isinstance(reasoning, str):
            self._say("reasoning", reasoning, events)
        if delta.content:
            self._say("text", delta.content, events)
        if delta.refusal:
            self._say("refusal", delta.refusal, events)
        for call in delta.tool_calls or ():
            self._call(call, events)
        if delta.function_call is not None:
            self._call(_ToolCall(index=-1, function=delta.function_call), events)

    def _say(self, kind: PartKind, text: str, events: list[ProviderEvent]) -> None:
        if self._said is None or self._said[0] != kind:
            self._hush(events)
            self._said = (kind, self._start())
            events.append(Part(part=self._said[1], kind=kind))
        events.append(Delta(part=self._said[1], kind=kind, delta=text))

    def _hush(self, events: list[ProviderEvent]) -> None:
        if self._said is not None:
            events.append(PartEnd(part=self._said[1]))
            self._said = None

    def _start(self) -> int:
        self._parts += 1
        return self._parts - 1

    def _call(self, call: _ToolCall, events: list[ProviderEvent]) -> None:
        function = call.function or _Function()
        index = self._index_of(call)
        known = self._calls.get(index)
        if known is None or (call.id and known[0] and call.id != known[0]):
            # Also where the index repeats: some endpoints give every call index 0 and an id of its own.
            self._hush(events)
            part = self._start()
            self._calls[index] = known = (call.id, part)
            self._open_calls.append(part)
            call_id = call.id or f"call_{part}"
            name = function.name or ""
            events.append(Part(part=part, kind="tool_call", call_id=call_id, name=name, executor="client"))
        if function.arguments:
            events.append(Delta(part=known[1], kind="tool_call", delta=function.arguments))

    def _index_of(self, call: _ToolCall) -> int:
        """The call's index; where the endpoint leaves it out, a new id means the next call, none the last."""
        if call.index is not None:
            return call.index
        for index, (call_id, _) in self._calls.items():
            if call.id and call.id == call_id:
                return index
        latest = max(self._calls, default=-1)
        return latest + 1 if call.id or latest < 0 else latest

    def _count(self, counted: _Usage, events: list[ProviderEvent]) -> None:
        details = counted.prompt_tokens_details or _Details()
        usage = Usage(
            input_tokens=counted.prompt_tokens or 0,
            output_tokens=counted.completion_tokens or 0,
            cached_tokens=details.cached_tokens or 0,
            cache_write_tokens=details.cache_write_tokens or 0,
            reasoning_tokens=(counted.completion_tokens_details or _Details()).reasoning_tokens or 0,
        )
        # Some endpoints count in every chunk: a report for each would double the log.
        if self._usage is None or self._usage.input_tokens != usage.input_tokens:
            events.append(UsageReport(usage=usage))
        self._usage = usage

    def _end(self, events: list[ProviderEvent]) -> None:
        if self._finish is None:
            raise problem(self._name, "incomplete_stream", "no finish_reason")
        self.ended = True
        self._hush(events)
        events += [PartEnd(part=part) for part in self._open_calls]
        events.append(
            Completed(
                finish_reason=FINISH.get(self._finish, "other"),
                raw_finish_reason=self._finish,
                usage=self._usage,
                response_id=self._id,
            )
        )
