"""Reading a Gemini stream (API reference: "Generating content")."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, UnsetType

from shared.log.events import Completed, Raw, Response, UsageReport
from shared.sse_decoder import ServerSentEvent
from worker.providers.answer_reading import MAX_REASON_CHARS
from worker.providers.error_shapes import failure_in, failure_of, is_error
from worker.providers.errors import problem
from worker.providers.finish_reasons import Finish, meaning, reason_of
from worker.providers.gemini.answer_parts import PROTOCOL, AnswerParts
from worker.providers.gemini.chunk import (
    CITING_FIELDS,
    COUNT_FIELDS,
    KEPT_FIELDS,
    NAMING_FIELDS,
    READ_FIELDS,
    RUNNING_FIELDS,
    UNSPECIFIED_BLOCK_REASONS,
    Candidate,
    Counts,
    Feedback,
    GeminiChunk,
)
from worker.providers.gemini.chunk_shapes import misfits, piece_in_shape, read_chunk
from worker.providers.gemini.logprobs import logprobs_of
from worker.providers.gemini.modalities import Modalities
from worker.providers.keepalives import is_keepalive
from worker.providers.lenient_json import read_object
from worker.providers.provider import ProviderEvent, adds
from worker.providers.refusal_category import blocking_category
from worker.providers.token_counts import read_counts
from worker.providers.token_logprobs import give

SIGNATURE_ORIGIN = PROTOCOL
"""Their `provider` in our events: signatures are worth something at this provider only."""


class GeminiReader:
    """The state of one answer. What has no place in our events is kept as the protocol said it."""

    def __init__(self, name: str) -> None:
        self.ended = False
        self.request_id: str | UnsetType = UNSET
        self.finish_reason = Finish()
        self._name = name
        self._parts = AnswerParts()
        self._index: int | None = None
        """Which candidate is the answer: the first that came. Others come only if the caller asks for them."""
        self._remarks: dict[str, Any] = {}
        self._later: dict[str, Any] = {}
        """What was last said in fields that change with every chunk."""
        self._unstamped = False
        """Something was said without a finish reason, which therefore is not stamped on every chunk."""
        self._last: dict[str, Any] | bytes | None = None
        """The last chunk with counts after a finish reason, or with both."""
        self._counts = Counts()
        self._modalities = Modalities()
        self._reported: int | None = None
        self._possible = True
        """Whether all counts so far can be: later ones leave out what has not changed."""
        self._id: str | None = None
        self._model: str | None = None
        self._tier: str | UnsetType = UNSET

    def done(self, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.done`."""
        if self.finish_reason.stands:
            self._end(events)

    def read(self, event: ServerSentEvent, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.read`.

        The protocol has no terminal marker: a finish reason is the end if nothing follows it.
        """
        before = len(events)
        chunk, whole = read_chunk(self._name, event.data)
        if is_error(chunk.error):
            raise failure_of(self._name, whole or read_object(self._name, event.data))
        self._identify(chunk, events)
        if chunk.usage_metadata is not None:
            self._count(chunk.usage_metadata, events)
        if chunk.prompt_feedback is not None:
            self._check_prompt(chunk.prompt_feedback)
        reason = None
        if chunk.candidates is None:
            self._read_other(event.event, chunk, whole or read_object(self._name, event.data), events)
        for at, candidate in enumerate(chunk.candidates or ()):
            if self._index is None:
                self._index = candidate.index or 0
            if candidate.index is None or candidate.index == self._index:
                self._read_candidate(at, candidate, whole, event.data, events)
                if candidate.finish_reason is not None:
                    reason = reason_of(self._name, candidate.finish_reason)
        counted = chunk.usage_metadata is not None
        if reason or self.finish_reason.reason:
            self._note(reason, events[before:], counts=counted)
        elif not self._unstamped:
            self._unstamped = adds(events[before:])
        if counted and self.finish_reason.stands:
            self._last = whole or event.data

    def finish(self, unfinished: bytes, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.finish`. The answer is whole if its finish reason came and nothing was cut."""
        self.finish_reason.check(self._name, unfinished, "finishReason")
        self._end(events)

    def _note(self, reason: str | None, added: Sequence[ProviderEvent], *, counts: bool) -> None:
        """Notes the finish reason of a chunk.

        Counts come with every chunk, so they prove an end only where not every chunk has a finish reason, and something
        of the answer is counted. The service stamps one also between rounds of code execution (rig#2328): after a
        result it has something to say.
        """
        counts = counts and bool(self._counts.candidates_token_count) and (self._unstamped or not adds(added))
        self.finish_reason.read(reason, added, counts=counts)
        if self._parts.used_last:
            self.finish_reason.certain = False
        self.finish_reason.expects_more = self._parts.used_last

    def _identify(self, chunk: GeminiChunk, events: list[ProviderEvent]) -> None:
        known = (self._id, self._model, self._tier)
        self._id, self._model = chunk.response_id or self._id, chunk.model_version or self._model
        counted = chunk.usage_metadata
        if isinstance(counted, dict) and "serviceTier" in counted:
            self._tier = _tier(counted["serviceTier"]) or self._tier
        if known != (self._id, self._model, self._tier):
            names = Response(response_id=self._id or UNSET, request_id=self.request_id, model=self._model or UNSET)
            names.service_tier = self._tier
            events.append(names)

    def _count(self, counted: Any, events: list[ProviderEvent]) -> None:
        counts = read_counts(counted, Counts)
        if counts is None or not self._possible:
            self._possible = False
            return
        self._counts.update(counts)
        self._modalities.take(counted)
        # Counts come with every chunk: a report for each would double the log.
        if self._reported != (input_tokens := self._counts.input_tokens):
            self._reported = input_tokens
            events.append(UsageReport(usage=self._counts.usage(self._modalities)))

    def _check_prompt(self, feedback: Feedback) -> None:
        """Raises ProviderError where the provider refuses the prompt."""
        if (reason := feedback.block_reason) and reason not in UNSPECIFIED_BLOCK_REASONS:
            shown = reason if reason.isidentifier() and len(reason) <= MAX_REASON_CHARS else ""
            raise problem(self._name, "content_filter", shown)

    def _read_other(self, name: str, chunk: GeminiChunk, whole: dict[str, Any], events: list[ProviderEvent]) -> None:
        """Reads a chunk without candidates: counts, an error, or something unknown."""
        if (failure := failure_in(self._name, whole)) is not None:
            raise failure
        if chunk.usage_metadata is None and whole.keys() - NAMING_FIELDS and not is_keepalive(name, whole):
            events.append(Raw(protocol=PROTOCOL, data=whole))

    def _read_candidate(
        self, at: int, candidate: Candidate, whole: dict[str, Any] | None, data: bytes, events: list[ProviderEvent]
    ) -> None:
        """Reads what a chunk adds to the answer; `whole` is the chunk where its shape is odd, `data` its JSON."""
        before = len(events)
        if candidate.content is not None:
            for index, piece in enumerate(candidate.content.parts or ()):
                known = self._parts.read(piece, events)
                if known and whole is None:
                    continue
                given = (whole or read_object(self._name, data))["candidates"][at]["content"]["parts"][index]
                if not known:
                    piece, given = piece_in_shape(given)
                    known = self._parts.read(piece, events)
                if kept := misfits(given, piece) if known else given:
                    events.append(Raw(protocol=PROTOCOL, data=kept))
        if whole is not None and (kept := misfits(whole["candidates"][at], candidate)):
            events.append(Raw(protocol=PROTOCOL, data=kept))
        if candidate.logprobs_result is not None:
            logprobs = logprobs_of(candidate.logprobs_result)
            if logprobs is not None and give(logprobs, events[before:], "text", "reasoning"):
                candidate.logprobs_result = None
        for field, name in CITING_FIELDS.items():
            if (value := getattr(candidate, field)) and self._is_new(name, value):
                self._parts.cite({name: value}, events)
        for field, name in KEPT_FIELDS.items():
            if not (value := getattr(candidate, field)) or value == self._remarks.get(name):
                continue
            if name in RUNNING_FIELDS and name in self._remarks:
                self._later[name] = value
            elif self._is_new(name, value):
                events.append(Raw(protocol=PROTOCOL, data={name: value}))

    def _is_new(self, name: str, value: Any) -> bool:
        """Says whether a field has a new value: some fields come again with every chunk."""
        if self._remarks.get(name) == value:
            return False
        self._remarks[name] = value
        return True

    def _keep_rest(self, chunk: dict[str, Any], events: list[ProviderEvent]) -> None:
        """Keeps what the last chunk says besides: counts by modality, the tier that served it, and what is new."""
        rest = {name: value for name, value in chunk.items() if name not in READ_FIELDS}
        counted = chunk["usageMetadata"]
        if isinstance(counted, dict) and counted.keys() - COUNT_FIELDS - {"serviceTier"}:
            rest["usageMetadata"] = counted
        if rest:
            events.append(Raw(protocol=PROTOCOL, data=rest))

    def _end(self, events: list[ProviderEvent]) -> None:
        self.ended = True
        if self._last is not None:
            self._keep_rest(
                read_object(self._name, self._last) if isinstance(self._last, bytes) else self._last, events
            )
        if self._later:
            events.append(Raw(protocol=PROTOCOL, data=self._later))
        self._parts.end(events)
        raw = self.finish_reason.reason
        counted = self._possible and self._reported is not None
        end = Completed(
            finish_reason=meaning(raw, called=self._parts.called),
            raw_finish_reason=raw,
            usage=self._counts.usage(self._modalities) if counted else None,
            response_id=self._id,
        )
        if end.finish_reason == "content_filter":
            ratings = self._later.get("safetyRatings") or self._remarks.get("safetyRatings")
            end.refusal_category = blocking_category(ratings) or UNSET
        events.append(end)


def _tier(given: object) -> str | UnsetType:
    return given if isinstance(given, str) and 0 < len(given) <= MAX_REASON_CHARS else UNSET
