"""Reading a Messages stream (API reference: "Streaming messages")."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from shared.log.events import Completed, Raw, Response, Usage, UsageReport
from shared.sse_decoder import ServerSentEvent
from worker.providers.anthropic.content_block import PROTOCOL
from worker.providers.anthropic.content_blocks import ContentBlocks
from worker.providers.anthropic.ending import Ending
from worker.providers.anthropic.event import WHOLE_MESSAGE, Message, MessagesEvent, read_messages_event
from worker.providers.anthropic.usage import Counted, tier_of
from worker.providers.error_shapes import failure_in, failure_of, is_error
from worker.providers.errors import problem
from worker.providers.finish_reasons import Finish, is_call, meaning, reason_of
from worker.providers.keepalives import is_keepalive
from worker.providers.lenient_json import fit, read_object
from worker.providers.provider import ProviderEvent

SIGNATURE_ORIGIN = PROTOCOL
"""Their `provider` in our events: signatures and encrypted reasoning are worth something at this provider only."""

_OF_THE_START = ("container", "diagnostics")
_OF_THE_END = ("container",)
_READ = frozenset({"type", "role", "id", "model", "content", "stop_sequence", "stop_details"})
"""Fields of a whole answer that are in our events, or say nothing."""

_OF_THE_SDK = frozenset({"text", "thinking", "input_json", "citation"})
"""Events that the SDK's `messages.stream` adds, and that servers pass on which dump what it gives."""


class MessagesReader:
    """The state of one answer. Content blocks are parts one to one; what is of an unknown type is a raw event."""

    def __init__(self, name: str) -> None:
        self.ended = False
        self.request_id: str | UnsetType = UNSET
        self.finish_reason = Finish()
        self._name = name
        self._blocks = ContentBlocks()
        self._counted = Counted()
        self._usage: Usage | None = None
        self._ending = Ending()
        self._names: Response | None = None
        self._has_beside = False
        self._beside: Raw | None = None
        """What was last beside a text, where it is not kept yet."""

    def done(self, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.done`: gateways that speak several protocols end all of them with it."""
        if self.finish_reason.stands:
            self.finish(b"", events)

    def read(self, sent: ServerSentEvent, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.read`."""
        before = len(events)
        event, unknown = read_messages_event(self._name, sent)
        delta = event.delta
        if (
            event.type == "content_block_delta"
            and delta is not None
            and not (unknown or delta.stop_reason or event.error or event.usage)
        ):
            # Nearly all events are such.
            reason, known = None, self._blocks.grow(event.index, delta, events)
        else:
            reason, known = self._read_other(event, unknown, sent.data, events)
        if not known:
            self._keep(sent, events)
        if reason or self.finish_reason.reason:
            # Before the first word an endpoint that stamps reasons has no output to count.
            counts = isinstance(event.usage, dict) and bool(event.usage.get("output_tokens"))
            self.finish_reason.read(reason, events[before:], counts=counts)
        if event.type == "message_stop":
            self._end(events)

    def _read_other(
        self, event: MessagesEvent, unknown: dict[str, Any], data: bytes, events: list[ProviderEvent]
    ) -> tuple[str | None, bool]:
        """Reads an event that is no usual delta; returns its stop reason, and whether its type is known."""
        if unknown or event.error is not None or event.type == "error":
            self._check(event, unknown, data)
        given = None if event.delta is None else event.delta.stop_reason
        if event.type == WHOLE_MESSAGE:
            given = unknown.pop("stop_reason", None)
            unknown = self._read_whole(unknown, events)
        elif unknown:
            given = unknown.pop("stop_reason", given)
        elif event.message is not None and event.message.content:
            given = event.message.stop_reason
        reason = None if given is None else reason_of(self._name, given)
        known = self._take(event, events)
        if known and unknown and event.type != "ping":
            self._keep_beside(event, unknown, events)
        return reason, known

    def _keep_beside(self, event: MessagesEvent, unknown: dict[str, Any], events: list[ProviderEvent]) -> None:
        """Keeps fields that no one knows: those beside a text, which may change with each, at first and at last."""
        place = {"type": event.type} | ({"index": event.index} if event.index >= 0 else {})
        kept = Raw(protocol=PROTOCOL, data=place | unknown)
        grows = event.type == "content_block_delta" and event.delta is not None and event.delta.says
        if grows and self._has_beside:
            self._beside = kept
            return
        self._has_beside = self._has_beside or grows
        events.append(kept)

    def _check(self, event: MessagesEvent, unknown: dict[str, Any], data: bytes) -> None:
        """Raises ProviderError for an event that is an error, or has one."""
        if event.type == "error" or is_error(event.error):
            raise failure_of(self._name, read_object(self._name, data))
        if (failure := failure_in(self._name, {"base_resp": unknown.get("base_resp")})) is not None:
            raise failure

    def _take(self, event: MessagesEvent, events: list[ProviderEvent]) -> bool:
        """Takes in what an event says; returns False where its type is not known, so that it is kept whole."""
        kind = event.type
        if kind == "content_block_delta":
            self._count(event.usage, events)
            return event.delta is not None and self._blocks.grow(event.index, event.delta, events)
        if kind == "content_block_stop":
            return self._blocks.stop(event.index, events, event.content_block)
        if kind == "content_block_start" and event.content_block is not None:
            self._blocks.start(event.index, event.content_block, events)
        elif kind == "message_start" and event.message is not None:
            self._begin(event.message, events)
            rest = self._ending.take(event.message.stop_sequence, event.message.stop_details)
            self._remark(kind, "message", event.message, _OF_THE_START, rest, events)
        elif kind == "message_delta" and event.delta is not None:
            rest = self._ending.take(event.delta.stop_sequence, event.delta.stop_details)
            self._remark(kind, "delta", event.delta, _OF_THE_END, rest, events)
            self._count(event.delta.usage, events)
        elif kind == "message_stop" and event.message is not None:
            self._count(event.message.usage, events)
            self._blocks.hold(event.message.content, events)
        elif kind not in ("message_delta", "message_stop", "ping", WHOLE_MESSAGE):
            return False
        self._count(event.usage, events)
        return True

    def _keep(self, sent: ServerSentEvent, events: list[ProviderEvent]) -> None:
        """Keeps an event whole, unless it is an error or a keep-alive."""
        whole = read_object(self._name, sent.data)
        if (failure := failure_in(self._name, whole)) is not None:
            raise failure
        if not (is_keepalive(sent.event, whole) or _is_of_sdk(whole)):
            events.append(Raw(protocol=PROTOCOL, data=whole))

    def finish(self, unfinished: bytes, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.finish`.

        Without `message_stop` the answer is whole if its stop reason came and no call was cut.
        """
        self.finish_reason.check(self._name, unfinished, "stop_reason")
        if meaning(self.finish_reason.reason, called=True) != "length" and not self._blocks.are_whole:
            raise problem(self._name, "incomplete_stream", "half of a tool call")
        self._end(events)

    def _read_whole(self, fields: dict[str, Any], events: list[ProviderEvent]) -> dict[str, Any]:
        """Reads an answer in one document, or said once more at the end; returns what of it is to be kept."""
        message = fit(fields, Message)[0]
        self._begin(message, events)
        rest = self._ending.take(message.stop_sequence, message.stop_details)
        return {name: value for name, value in fields.items() if name not in _READ} | rest

    def _begin(self, message: Message, events: list[ProviderEvent]) -> None:
        self._names = Response(
            response_id=message.id or (UNSET if self._names is None else self._names.response_id),
            model=message.model or UNSET,
            request_id=self.request_id,
            service_tier=tier_of(message.usage),
        )
        events.append(replace(self._names))
        self._count(message.usage, events)
        if message.content:
            self._blocks.hold(message.content, events)

    def _remark(
        self,
        kind: str,
        place: str,
        said: Struct,
        fields: Sequence[str],
        rest: dict[str, Any],
        events: list[ProviderEvent],
    ) -> None:
        """Keeps what is said of the whole answer and has no place in our events: these fields, and the `rest`."""
        if kept := rest | {name: value for name in fields if (value := getattr(said, name)) is not None}:
            events.append(Raw(protocol=PROTOCOL, data={"type": kind, place: kept}))

    def _count(self, counted: Any, events: list[ProviderEvent]) -> None:
        """Takes counts in; they are cumulative, and one that is missing has not changed."""
        if counted is None:
            return
        if (tier := tier_of(counted)) and self._names is not None and tier != self._names.service_tier:
            self._names = replace(self._names, service_tier=tier)
            events.append(replace(self._names))
        usage = self._counted.add(counted)
        if usage is not None and (self._usage is None or self._usage.input_tokens != usage.input_tokens):
            events.append(UsageReport(usage=usage))
        self._usage = usage

    def _end(self, events: list[ProviderEvent]) -> None:
        reason = self.finish_reason.reason
        self._blocks.end(events)
        if broken := self._broken(reason):
            # The end is known, and so is that it is wrong: nothing of this answer stands.
            self.finish_reason.stands = self.finish_reason.certain = False
            raise problem(self._name, "incomplete_stream", broken)
        self.ended = True
        if self._beside is not None:
            events.append(self._beside)
        if unmapped := self._counted.unmapped():
            events.append(Raw(protocol=PROTOCOL, data={"usage": unmapped}))
        response_id = UNSET if self._names is None else self._names.response_id
        end = Completed(
            # The protocol's own end without a reason, as gateways send it, leaves a call to be run.
            finish_reason=meaning(reason or ("tool_use" if self._blocks.called else None), called=self._blocks.called),
            raw_finish_reason=reason,
            usage=self._usage,
            response_id=None if response_id is UNSET else response_id,
            stop_sequence=self._ending.sequence,
        )
        if end.finish_reason == "content_filter":
            end.refusal_category = self._ending.category
        events.append(end)

    def _broken(self, reason: str | None) -> str:
        """Returns what is wrong with the calls of an answer that has ended, if anything is."""
        if is_call(reason) and not self._blocks.used:
            return "stop_reason tool_use without a tool call"
        if self._blocks.lost:
            return "a tool call without its start"
        if self._blocks.mixed and meaning(reason, called=True) != "length":
            return "two inputs in one tool call"
        return ""


def _is_of_sdk(whole: dict[str, Any]) -> bool:
    """Says whether an event is one that Anthropic's SDK adds to the stream: what was said so far, at each delta."""
    return whole.get("type") in _OF_THE_SDK and "snapshot" in whole
