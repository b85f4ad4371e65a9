"""Reading a Chat Completions stream (API reference: `chat.completion.chunk`) and its dialects."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, UnsetType, to_builtins

from shared.log.events import Completed, Part, Raw, Usage, UsageReport
from shared.sse_decoder import ServerSentEvent
from worker.providers.error_shapes import is_error
from worker.providers.errors import from_event, problem
from worker.providers.finish_reasons import Finish, meaning, reason_of
from worker.providers.keepalives import is_keepalive
from worker.providers.openai_chat import usage as openai_chat_usage
from worker.providers.openai_chat.asides import About
from worker.providers.openai_chat.choices import Choices
from worker.providers.openai_chat.chunk import PROTOCOL, ChatChunk, Choice, read_chunk
from worker.providers.openai_chat.failures import failure_beside
from worker.providers.openai_chat.message import MessageReader
from worker.providers.openai_chat.names import Names
from worker.providers.openai_chat.parts import ChatParts
from worker.providers.openai_chat.tokens import Tokens
from worker.providers.provider import ProviderEvent
from worker.providers.refusal_category import filtered_category

_HELD = Part(part=0, kind="tool_call")
"""Stands for what was said and waits to be added."""


class ChatReader:
    """The state of one answer.

    What is unknown in a message is a raw event each time, what is unknown about it only when it changes, and what
    changes with every token once more at the end.
    """

    def __init__(self, name: str) -> None:
        self.ended = False
        self.request_id: str | UnsetType = UNSET
        self._name = name
        self._parts = ChatParts()
        self._message = MessageReader(name, self._parts)
        self._choices = Choices()
        self._tokens = Tokens()
        self._names = Names()
        self._stop: str | None = None
        self._filters: object = None
        self.finish_reason = Finish()
        self._usage: Usage | None = None
        self._unmapped_usage: dict[str, Any] = {}
        self._about = About()

    def read(self, event: ServerSentEvent, events: list[ProviderEvent]) -> None:
        self._parts.events = events
        self._parts.calls.held = False
        before = len(events)
        chunk, said, about = read_chunk(self._name, event.data)
        if (chunk.error is not None or chunk.x_groq is not None) and is_error(error := chunk.failure()):
            raise from_event(self._name, error)
        if about or said or not chunk.choices:
            self._look_beside(chunk, said, about)
            if not (chunk.choices or chunk.id) and chunk.usage is None and _is_alive(event.event, chunk, about | said):
                return
        if (names := self._names.read(chunk, self.request_id)) is not None:
            events.append(names)
        reason, counted = None, chunk.counted()
        if choices := chunk.choices:
            taken, others = self._choices.take(choices)
            if len(taken) == 1 and taken[0].is_plain and not others:
                choice = taken[0]
                if (delta := choice.delta) is not None:
                    self._message.grow(delta)
                    counted = counted or delta.usage
                    if delta.error is not None:
                        self._check(choice)
                if choice.finish_reason:
                    reason = reason_of(self._name, choice.finish_reason)
            else:
                reason, counts = self._hear(taken, others, about)
                counted = counted or counts
        if said or about:
            reason = reason or self._reason_beside(said, about)
        if said:
            self._message.keep(**said)
        about |= chunk.about()
        if about and (told := self._about.read(about)):
            self._raw(**told)
        if counted:
            self._count(counted, events)
        waiting = self._choices.waits
        if waiting is not None and waiting.finish_reason:
            reason = reason_of(self._name, waiting.finish_reason)
        if reason or self.finish_reason.reason:
            held = self._parts.calls.held or waiting is not None
            added = [*events[before:], _HELD] if held else events[before:]
            self.finish_reason.read(reason, added, counts=bool(counted))

    def done(self, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.done`: without a finish reason before it, the answer is not whole."""
        self._parts.events = events
        self._settle()
        self._end(events)

    def finish(self, unfinished: bytes, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.finish`.

        Some compatible endpoints never send `[DONE]`: the answer is whole if its finish reason came, and no event that
        may have said more of it was cut.
        """
        self._parts.events = events
        self._settle()
        self.finish_reason.check(self._name, unfinished, "finish_reason")
        if meaning(self.finish_reason.reason, called=True) != "length" and not self._parts.calls.are_whole:
            raise problem(self._name, "incomplete_stream", "half of a tool call")
        self._end(events)

    def _hear(self, taken: Sequence[Choice], others: Sequence[Choice], about: dict[str, Any]) -> tuple[str | None, Any]:
        """Adds what the answer's choice says, and returns its finish reason and counts."""
        reason, counted = None, None
        for choice in others:
            choice.error = None
            self._raw(choices=[to_builtins(choice)])
        for choice in taken:
            before = len(self._parts.events)
            if (delta := choice.said) is not None:
                self._message.grow(delta)
                counted = counted or delta.usage
            if choice.message is not None:
                about |= self._message.reconcile(choice.message)
            self._check(choice)
            if choice.finish_reason:
                reason = reason_of(self._name, choice.finish_reason) or reason
            self._stop = choice.stop or self._stop
            self._filters = choice.content_filter_results or self._filters
            about |= choice.about()
            if tokens := self._tokens.read(choice, self._parts.events[before:]):
                self._raw(**tokens)
            counted = counted or choice.usage
        return reason, counted

    def _look_beside(self, chunk: ChatChunk, said: dict[str, Any], about: dict[str, Any]) -> None:
        """Raises the error that a chunk is although it is not named so."""
        if (failure := failure_beside(self._name, chunk, said, about)) is not None:
            raise failure

    def _reason_beside(self, *beside: dict[str, Any]) -> str | None:
        """Returns a finish reason that stands beside the choice, or in what it adds."""
        for fields in beside:
            if isinstance(fields.get("finish_reason"), str):
                return reason_of(self._name, fields.pop("finish_reason"))
        return None

    def _check(self, choice: Choice) -> None:
        """Raises the error that a choice, or what is in it, holds."""
        for holder in (choice, choice.delta, choice.message):
            if holder is not None and holder.error is not None and is_error(holder.error):
                raise from_event(self._name, holder.error)

    def _settle(self) -> None:
        """Adds what was held back, as nothing more comes."""
        about: dict[str, Any] = {}
        self._hear(*self._choices.rest(), about)
        if tokens := self._tokens.settle(self._parts):
            self._raw(**tokens)
        self._parts.calls.settle(self._parts)
        self._message.finish()
        if rest := self._about.rest() | about:
            self._raw(**rest)

    def _raw(self, /, **data: Any) -> None:
        self._parts.events.append(Raw(protocol=PROTOCOL, data=data))

    def _count(self, counted: Any, events: list[ProviderEvent]) -> None:
        usage, unmapped = openai_chat_usage.read(counted)
        if usage == Usage() and self._usage is not None:
            # Some end with empty counts, after those of the answer.
            return
        self._unmapped_usage = unmapped
        # Some endpoints count in every chunk: a report for each would double the log.
        if usage is not None and (self._usage is None or self._usage.input_tokens != usage.input_tokens):
            events.append(UsageReport(usage=usage))
        self._usage = usage

    def _end(self, events: list[ProviderEvent]) -> None:
        raw = self.finish_reason.reason
        if raw is None:
            raise problem(self._name, "incomplete_stream", "no finish_reason")
        try:
            self._parts.end()
        except ValueError:
            raise problem(self._name, "incomplete_stream", "half of the sound") from None
        self.ended = True
        if self._unmapped_usage:
            self._raw(usage=self._unmapped_usage)
        if (names := self._names.last()) is not None:
            events.append(names)
        response_id = self._names.known.response_id
        end = Completed(
            finish_reason=meaning(raw, called=self._parts.calls.called),
            raw_finish_reason=raw,
            usage=self._usage,
            response_id=None if response_id is UNSET else response_id,
            stop_sequence=self._stop or UNSET,
        )
        if end.finish_reason == "content_filter":
            end.refusal_category = filtered_category(self._filters) or UNSET
        events.append(end)


def _is_alive(name: str, chunk: ChatChunk, beside: dict[str, Any]) -> bool:
    fields = beside if chunk.object is None else beside | {"object": chunk.object}
    return bool(fields) and is_keepalive(name, fields)
