"""Reading a Chat Completions stream (API reference: `chat.completion.chunk`) and its dialects."""

from typing import Any

from msgspec import UNSET, UnsetType, to_builtins

from shared.log.events import Completed, Raw, Response, Usage, UsageReport
from shared.sse_decoder import ServerSentEvent
from worker.providers.error_shapes import failure_in, is_error
from worker.providers.errors import from_event, problem
from worker.providers.finish_reasons import Finish, meaning, reason_of
from worker.providers.openai_chat import usage as openai_chat_usage
from worker.providers.openai_chat.chunk import ChatChunk, ChunkDelta, ToolCallDelta, read_chunk
from worker.providers.openai_chat.parts import ChatParts
from worker.providers.openai_chat.reasoning import Thought, read_block, read_detail
from worker.providers.provider import ProviderEvent

PROTOCOL = "openai-chat"


class ChatReader:
    """The state of one answer.

    What is unknown in a message is a raw event each time, what is unknown about it only when it changes.
    """

    def __init__(self, name: str) -> None:
        self.ended = False
        self.request_id: str | UnsetType = UNSET
        self._name = name
        self._parts = ChatParts()
        self._response = Response()
        self.finish_reason = Finish()
        self._usage: Usage | None = None
        self._unmapped_usage: dict[str, Any] = {}
        self._about: dict[str, Any] = {}

    def read(self, event: ServerSentEvent, events: list[ProviderEvent]) -> None:
        self._parts.events = events
        before, reason = len(events), None
        chunk, said, about = read_chunk(self._name, event.data)
        if (error := chunk.failure()) and is_error(error):
            raise from_event(self._name, error)
        if chunk.choices is None and (failure := failure_in(self._name, about | {"object": chunk.object})) is not None:
            raise failure
        self._announce(chunk, events)
        for choice in chunk.choices or ():
            if choice.index:
                self._raw(choices=[to_builtins(choice)])
                continue
            if choice.delta is not None:
                self._grow(choice.delta)
            if choice.finish_reason:
                reason = reason_of(self._name, choice.finish_reason)
            about |= choice.about()
        if said:
            self._raw(delta=said)
        about |= chunk.about()
        if changed := {name: value for name, value in about.items() if self._about.get(name) != value}:
            self._about |= changed
            self._raw(**changed)
        if (counted := chunk.counted()) is not None:
            self._count(counted, events)
        if reason or self.finish_reason.reason:
            self.finish_reason.read(reason, events[before:], counts=counted is not None)

    def done(self, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.done`: without a finish reason before it, the answer is not whole."""
        self._parts.events = events
        self._end(events)

    def finish(self, unfinished: bytes, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.finish`.

        Some compatible endpoints never send `[DONE]`: the answer is whole if its finish reason came, and no event that
        may have said more of it was cut.
        """
        self.finish_reason.check(self._name, unfinished, "finish_reason")
        if meaning(self.finish_reason.reason, called=True) != "length" and not self._parts.calls_are_whole():
            raise problem(self._name, "incomplete_stream", "half of a tool call")
        self._parts.events = events
        self._end(events)

    def _announce(self, chunk: ChatChunk, events: list[ProviderEvent]) -> None:
        """Adds the id and model of the answer, of the first chunk that has them: some have another id in each."""
        known = self._response
        if known.response_id and known.model:
            return
        latest = Response(
            response_id=known.response_id or chunk.id or UNSET,
            model=known.model or chunk.model or UNSET,
            request_id=self.request_id or (chunk.x_groq and chunk.x_groq.id) or known.request_id,
        )
        if latest != known:
            self._response = latest
            events.append(latest)

    def _raw(self, **data: Any) -> None:
        self._parts.events.append(Raw(protocol=PROTOCOL, data=data))

    def _grow(self, delta: ChunkDelta) -> None:
        parts = self._parts
        if delta.reasoning_content or delta.reasoning or delta.reasoning_details or delta.thinking_blocks:
            self._reason(delta)
        if delta.content:
            if isinstance(delta.content, str):
                parts.say("text", delta.content)
            else:
                for item in delta.content:
                    self._read_typed(item)
        if delta.refusal:
            parts.say("refusal", delta.refusal)
        for call in delta.tool_calls or ():
            parts.call(call)
        if delta.function_call is not None:
            parts.call(ToolCallDelta(index=-1, function=delta.function_call))
        for fields in delta.annotations or ():
            if isinstance(fields, dict):
                parts.annotate(fields)
            else:
                self._raw(delta={"annotations": [fields]})
        for image in delta.images or ():
            self._show(image)
        if delta.audio is not None:
            self._hear(delta.audio)
        if delta.provider_specific_fields and (rest := delta.specific()):
            self._raw(delta={"provider_specific_fields": rest})

    def _reason(self, delta: ChunkDelta) -> None:
        """Adds reasoning once, which gateways send twice: as text, and in a list with what its maker wants back."""
        thoughts: list[Thought] = []
        for field, items, read in (
            ("reasoning_details", delta.reasoning_details, read_detail),
            ("thinking_blocks", delta.thinking_blocks, read_block),
        ):
            for item in items or ():
                if (thought := read(item)) is not None:
                    thoughts.append(thought)
                else:
                    self._raw(delta={field: [item]})
        text = delta.reasoning_content or delta.reasoning
        if text and not any(thought.text for thought in thoughts):
            if isinstance(text, str):
                self._parts.say("reasoning", text)
            else:
                self._raw(delta={"reasoning": text})
        for thought in thoughts:
            self._parts.think(thought)

    def _read_typed(self, item: Any) -> None:
        """Reads one chunk of a content that is a list (Mistral's API reference: `ContentChunk`)."""
        match item:
            case {"type": "text", "text": str(text)}:
                if text:
                    self._parts.say("text", text)
            case {"type": "thinking", "thinking": list(pieces)}:
                for piece in pieces:
                    match piece:
                        case {"type": "text", "text": str(text)}:
                            if text:
                                self._parts.say("reasoning", text)
                        case _:
                            self._raw(delta={"content": [{"type": "thinking", "thinking": [piece]}]})
            case {"type": "reference"}:
                self._parts.annotate(item)
            case {"type": "image_url"}:
                self._show(item)
            case _:
                self._raw(delta={"content": [item]})

    def _show(self, image: Any) -> None:
        match image:
            case {"image_url": {"url": str(url)}} | {"image_url": str(url)} if url:
                try:
                    self._parts.show(url)
                except ValueError:
                    raise problem(self._name, "invalid_response", "an image that is no data: URL") from None
            case _:
                self._raw(delta={"images": [image]})

    def _hear(self, audio: dict[str, Any]) -> None:
        """Adds sound as a file, and what is said in it as text."""
        match audio:
            case {"data": str(piece)}:
                item_id = audio.get("id")
                try:
                    self._parts.sound(item_id if isinstance(item_id, str) else None, piece)
                except ValueError:
                    raise problem(self._name, "invalid_response", "sound that is no Base64") from None
        match audio:
            case {"transcript": str(text)} if text:
                self._parts.say("text", text)
        known = ("id", "data", "transcript")
        if rest := {name: value for name, value in audio.items() if name not in known and value is not None}:
            self._raw(delta={"audio": rest})

    def _count(self, counted: Any, events: list[ProviderEvent]) -> None:
        usage, self._unmapped_usage = openai_chat_usage.read(counted)
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
        response_id = self._response.response_id
        events.append(
            Completed(
                finish_reason=meaning(raw, called=self._parts.called),
                raw_finish_reason=raw,
                usage=self._usage,
                response_id=None if response_id is UNSET else response_id,
            )
        )
