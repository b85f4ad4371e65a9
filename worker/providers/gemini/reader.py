"""Reading a Gemini stream (API reference: "Generating content")."""

import json
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from shared.log.events import Annotation, Completed, Delta, Part, PartEnd, PartKind, Raw, Response, UsageReport
from shared.sse_decoder import ServerSentEvent
from worker.providers.answer_reading import MAX_REASON_CHARS
from worker.providers.error_shapes import failure_in, is_error
from worker.providers.errors import from_event, problem
from worker.providers.finish_reasons import Finish, meaning, reason_of
from worker.providers.gemini.chunk import (
    CITING_FIELDS,
    COUNT_FIELDS,
    KEPT_FIELDS,
    NAMING_FIELDS,
    READ_FIELDS,
    Candidate,
    Counts,
    GeminiChunk,
    Piece,
)
from worker.providers.lenient_json import decode, read_object
from worker.providers.provider import ProviderEvent
from worker.providers.token_counts import read_counts

SIGNATURE_ORIGIN = "gemini"
"""Their `provider` in our events: signatures are worth something at this provider only."""

CODE_EXECUTION_TOOL = "code_execution"


class _Saying(Struct):
    """The part of text or thoughts that is open."""

    kind: PartKind
    part: int
    signature: str = ""


_chunks = msgspec.json.Decoder(GeminiChunk)


class GeminiReader:
    """The state of one answer.

    The protocol's parts have no indices: text goes on in the part that is open until something else begins. Calls,
    code, results and files come whole. What has no place in our events is kept as the protocol said it.
    """

    def __init__(self, name: str) -> None:
        self.ended = False
        self.request_id: str | UnsetType = UNSET
        self._name = name
        self._parts = 0
        self._saying: _Saying | None = None
        self._called = False
        self._code = ""
        self._remarks: dict[str, Any] = {}
        self.finish_reason = Finish()
        self._last: bytes | None = None
        """The last chunk with counts after a finish reason, or with both."""
        self._counts = Counts()
        self._reported: int | None = None
        self._possible = True
        """Whether all counts so far can be: later ones leave out what has not changed."""
        self._id: str | None = None
        self._model: str | None = None

    def done(self, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.done`."""
        if self.finish_reason.stands:
            self._end(events)

    def read(self, event: ServerSentEvent, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.read`.

        The protocol has no terminal marker: a finish reason is the end if nothing follows it.
        """
        before, data = len(events), event.data
        self._stamped: str | None = None
        chunk, _ = decode(self._name, _chunks, data)
        if is_error(chunk.error):
            raise from_event(self._name, chunk.error)
        self._identify(chunk, events)
        if chunk.usage_metadata is not None:
            self._count(chunk.usage_metadata, events)
        if chunk.prompt_feedback is not None and (reason := chunk.prompt_feedback.block_reason):
            raise problem(
                self._name,
                "content_filter",
                reason if reason.isidentifier() and len(reason) <= MAX_REASON_CHARS else "",
            )
        for at, candidate in enumerate(chunk.candidates or ()):
            # Others than the first have an index above 0.
            if not candidate.index:
                self._read_candidate(at, candidate, data, events)
        if chunk.candidates is None and chunk.usage_metadata is None:
            whole = read_object(self._name, data)
            if (failure := failure_in(self._name, whole)) is not None:
                raise failure
            if whole.keys() - NAMING_FIELDS:
                events.append(Raw(protocol=SIGNATURE_ORIGIN, data=whole))
        counts = chunk.usage_metadata is not None
        self.finish_reason.read(self._stamped, events[before:], counts=counts)
        if counts and self.finish_reason.stands:
            self._last = data

    def finish(self, unfinished: bytes, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.finish`. The answer is whole if its finish reason came and nothing was cut."""
        self.finish_reason.check(self._name, unfinished, "finishReason")
        self._end(events)

    def _identify(self, chunk: GeminiChunk, events: list[ProviderEvent]) -> None:
        known = (self._id, self._model)
        self._id, self._model = chunk.response_id or self._id, chunk.model_version or self._model
        if known != (self._id, self._model):
            events.append(
                Response(response_id=self._id or UNSET, request_id=self.request_id, model=self._model or UNSET)
            )

    def _count(self, counted: Any, events: list[ProviderEvent]) -> None:
        counts = read_counts(counted, Counts)
        if counts is None or not self._possible:
            self._possible = False
            return
        self._counts.update(counts)
        # Counts come with every chunk: a report for each would double the log.
        if self._reported != (input_tokens := self._counts.input_tokens):
            self._reported = input_tokens
            events.append(UsageReport(usage=self._counts.usage()))

    def _read_candidate(self, at: int, candidate: Candidate, data: bytes, events: list[ProviderEvent]) -> None:
        if candidate.content is not None:
            for index, piece in enumerate(candidate.content.parts or ()):
                if not self._read_piece(piece, events):
                    whole = read_object(self._name, data)["candidates"][at]["content"]["parts"][index]
                    if whole:
                        events.append(Raw(protocol=SIGNATURE_ORIGIN, data=whole))
        for field, name in CITING_FIELDS.items():
            if (value := getattr(candidate, field)) and self._is_new(name, value):
                self._cite({name: value}, events)
        for field, name in KEPT_FIELDS.items():
            if (value := getattr(candidate, field)) and self._is_new(name, value):
                events.append(Raw(protocol=SIGNATURE_ORIGIN, data={name: value}))
        if candidate.finish_reason:
            self._stamped = reason_of(self._name, candidate.finish_reason)

    def _read_piece(self, piece: Piece, events: list[ProviderEvent]) -> bool:
        """Reads one part of the protocol; returns False where it is of no kind that we know."""
        if piece.text is not None:
            self._say(piece, piece.text, events)
        elif (call := piece.function_call) is not None:
            self._call(piece, call, events)
        elif (code := piece.executable_code) is not None:
            self._code = str(code.get("id") or f"call_{self._parts}")
            self._use(piece, "tool_call", self._code, CODE_EXECUTION_TOOL, _without_id(code), events)
        elif (result := piece.code_execution_result) is not None:
            call_id = str(result.get("id") or self._code)
            self._use(piece, "tool_result", call_id, CODE_EXECUTION_TOOL, _without_id(result), events)
        elif (used := piece.tool_call) is not None:
            call_id = str(used.get("id") or f"call_{self._parts}")
            self._use(piece, "tool_call", call_id, _tool_name(used), used.get("args") or {}, events)
        elif (answer := piece.tool_response) is not None:
            call_id = str(answer.get("id") or "")
            self._use(piece, "tool_result", call_id, _tool_name(answer), answer.get("response"), events)
        elif (file := piece.inline_data or piece.file_data) is not None:
            begun = Part(
                part=self._parts,
                kind="file",
                media_type=str(file.get("mimeType") or "") or UNSET,
                url=str(file.get("fileUri") or "") or UNSET,
            )
            self._put(piece, begun, str(file.get("data") or ""), events)
        elif piece.thought_signature:
            self._say(piece, "", events)
        else:
            return False
        return True

    def _say(self, piece: Piece, text: str, events: list[ProviderEvent]) -> None:
        signature = piece.thought_signature or ""
        if not (text or signature):
            return
        kind: PartKind = "reasoning" if piece.thought else "text"
        saying = self._saying
        # Two signatures are of two parts, which the service wants back apart ("Thought signatures").
        if saying is None or saying.kind != kind or (signature and saying.signature not in ("", signature)):
            self._hush(events)
            self._saying = saying = _Saying(kind, self._parts)
            self._parts += 1
            # What the service shows of its thoughts is a summary of them ("Gemini thinking").
            events.append(Part(part=saying.part, kind=kind, summary=True if piece.thought else UNSET))
        if text:
            events.append(Delta(part=saying.part, kind=kind, delta=text))
        saying.signature = signature or saying.signature

    def _hush(self, events: list[ProviderEvent]) -> None:
        if self._saying is not None:
            events.append(_end_of(self._saying.part, self._saying.signature))
            self._saying = None

    def _call(self, piece: Piece, call: dict[str, Any], events: list[ProviderEvent]) -> None:
        if call.get("partialArgs") or call.get("willContinue") or not call.get("name"):
            # Values by JSON path instead of text: only who asks for them by `extra` gets them.
            events.append(Raw(protocol=SIGNATURE_ORIGIN, data={"functionCall": call}))
            return
        self._called = True
        call_id = str(call.get("id") or f"call_{self._parts}")
        begun = Part(part=self._parts, kind="tool_call", call_id=call_id, name=str(call["name"]), executor="client")
        self._put(piece, begun, _json(call.get("args") or {}), events)

    def _use(
        self, piece: Piece, kind: PartKind, call_id: str, name: str, value: Any, events: list[ProviderEvent]
    ) -> None:
        """Adds a call of one of the provider's own tools, or its result."""
        used = Part(part=self._parts, kind=kind, call_id=call_id, name=name, executor="provider")
        self._put(piece, used, _json(value), events)

    def _put(self, piece: Piece, begun: Part, content: str, events: list[ProviderEvent]) -> None:
        """Adds a part that comes whole. An image may be part of the thoughts."""
        self._hush(events)
        self._parts += 1
        if piece.thought:
            begun.summary = True
        events.append(begun)
        if content:
            events.append(Delta(part=begun.part, kind=begun.kind, delta=content))
        events.append(_end_of(begun.part, piece.thought_signature or ""))

    def _is_new(self, name: str, value: Any) -> bool:
        """Says whether a field has a new value: some fields come again with every chunk."""
        if self._remarks.get(name) == value:
            return False
        self._remarks[name] = value
        return True

    def _cite(self, fields: dict[str, Any], events: list[ProviderEvent]) -> None:
        if self._saying is not None and self._saying.kind == "text":
            events.append(Annotation(part=self._saying.part, fields=fields))
        else:
            events.append(Raw(protocol=SIGNATURE_ORIGIN, data=fields))

    def _keep_rest(self, data: bytes, events: list[ProviderEvent]) -> None:
        """Keeps what the last chunk says besides: counts by modality, the tier that served it, and what is new."""
        chunk = read_object(self._name, data)
        rest = {name: value for name, value in chunk.items() if name not in READ_FIELDS}
        counted = chunk["usageMetadata"]
        if isinstance(counted, dict) and counted.keys() - COUNT_FIELDS:
            rest["usageMetadata"] = counted
        if rest:
            events.append(Raw(protocol=SIGNATURE_ORIGIN, data=rest))

    def _end(self, events: list[ProviderEvent]) -> None:
        self.ended = True
        if self._last is not None:
            self._keep_rest(self._last, events)
        self._hush(events)
        raw = self.finish_reason.reason
        events.append(
            Completed(
                finish_reason=meaning(raw, called=self._called),
                raw_finish_reason=raw,
                usage=self._counts.usage() if self._possible and self._reported is not None else None,
                response_id=self._id,
            )
        )


def _end_of(part: int, signature: str) -> PartEnd:
    return PartEnd(part=part, signature=signature, provider=SIGNATURE_ORIGIN) if signature else PartEnd(part=part)


def _tool_name(fields: dict[str, Any]) -> str:
    return str(fields.get("toolType") or "").lower()


def _without_id(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "id"}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
