"""Reading a Responses stream (API reference: "Streaming events"), from its start or from where it broke off."""

from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from shared.log.events import Completed, Raw, Response, UsageReport
from shared.log.snapshots import Snapshot
from shared.sse_decoder import ServerSentEvent
from worker.providers.error_shapes import failure_in
from worker.providers.errors import from_event, problem
from worker.providers.finish_reasons import Finish, meaning
from worker.providers.keepalives import is_keepalive
from worker.providers.lenient_json import read_object
from worker.providers.openai_responses.answer import Answer
from worker.providers.openai_responses.event import (
    OTHER_NAMES,
    PLACE_OF_DELTA,
    PROTOCOL,
    UNDERSTOOD,
    PartPlace,
    ResponsesEvent,
    read_event,
)
from worker.providers.openai_responses.usage import read_usage
from worker.providers.openai_responses.whole_response import (
    BEGINNINGS,
    cause_of,
    cut_by,
    has_failed,
    is_end,
    status_of,
    tier_of,
    unmapped,
    word,
)
from worker.providers.provider import ProviderError, ProviderEvent
from worker.providers.refusal_category import filtered_category


class ResponsesReader:
    """The state of one answer.

    An event's number is that of the last of our events that come of it: when the log has the number, it has all of it.
    One that is read again, because the log has only some of what came of it, adds what is missing. With `so_far` it
    reads what follows that.
    """

    def __init__(self, name: str, so_far: Snapshot | None = None) -> None:
        self.ended = False
        self.finish_reason = Finish()
        """Set by a failure whose cause may follow: of this protocol only the whole response completes the answer."""
        self.request_id: str | UnsetType = UNSET
        self._name = name
        self._answer = Answer(name, so_far.parts if so_far else (), self._keep, resumes=so_far is not None)
        self._after = so_far.sequence_number if so_far else None
        self._resumes = so_far is not None
        self._response: Response | None = None
        self._id = so_far.response_id if so_far else None
        self._failure: ProviderError | None = None
        """What the answer has failed with, until an event says why."""
        self._events: list[ProviderEvent] = []
        self._renamed: dict[str, bool] = {}
        """Whether what has two names comes under the other one."""
        self._beside: dict[str, dict[str, Any] | None] = {}
        """What was last beside the pieces of each type, where it is not kept yet."""

    def done(self, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.done`: it says nothing here, unless the answer has failed."""
        if self._failure is not None:
            raise self._failure

    def read(self, sent: ServerSentEvent, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.read`."""
        event, unknown = read_event(self._name, sent.data)
        event.type = event.type or sent.event
        number = event.sequence_number
        if number is not None and self._after is not None and number <= self._after:
            return
        before = len(events)
        self._events = self._answer.parts.events = events
        self._answer.parts.before = before
        if self._resumes and self._response is None:
            self._announce({"id": self._id})
        if unknown and event.type in UNDERSTOOD:
            self._keep_beside(event, unknown)
        place = PLACE_OF_DELTA.get(event.type)
        if place is not None and event.delta is not None:
            self._grow(place, event)
        else:
            self._take(event, unknown, sent.data)
        if number is not None and len(events) > before:
            events[-1].sequence_number = number

    def finish(self, unfinished: bytes, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.finish`: only an event that has the whole response ends an answer."""
        if self._failure is not None:
            raise self._failure
        detail = "half an event" if unfinished.strip() else "no response.completed"
        raise problem(self._name, "incomplete_stream", detail)

    def _grow(self, place: PartPlace, event: ResponsesEvent) -> None:
        usual = OTHER_NAMES.get(event.type)
        if usual is not None and usual not in self._renamed:
            self._renamed[usual] = not any(
                said.kind == place.kind and said.slot == place.slot for said in self._answer.parts.all
            )
        if self._renamed and self._renamed.get(usual or event.type, usual is not None) != (usual is not None):
            return  # it comes under both names
        self._answer.grow(place, event)

    def _take(self, event: ResponsesEvent, unknown: dict[str, Any], data: bytes) -> None:
        """Takes an event that is no piece of a part."""
        if event.type in UNDERSTOOD:
            if event.error and (failure := failure_in(self._name, {"error": event.error})) is not None:
                raise self._over(failure)
            self._answer.take(event, data)
        elif event.type in BEGINNINGS:
            self._announce(event.response or {})
        elif not _is_response(unknown) and is_end(event.type, response := event.response or {}):
            self._end(event, response | {"usage": response.get("usage") or unknown.get("usage")})
        else:
            self._take_other(event, read_object(self._name, data))

    def _take_other(self, event: ResponsesEvent, whole: dict[str, Any]) -> None:
        """Takes an event of which only its fields are known: a whole response, an error, or what no one knows."""
        if _is_response(whole):
            event.error = None
            if is_end("", whole):
                self._end(event, whole)
            else:
                self._announce(whole)
        elif not event.item_id and (failure := failure_in(self._name, whole)) is not None:
            raise self._over(failure)
        elif not is_keepalive(event.type, whole):
            self._keep(whole)

    def _over(self, failure: ProviderError) -> ProviderError:
        """Returns a failure behind `response.failed` as the answer's, and not only its connection's."""
        failure.over = failure.over or self._failure is not None
        return failure

    def _announce(self, named: dict[str, Any]) -> None:
        """Adds what a whole response says that the answer is called, where that is new."""
        self._id = word(named, "id") or self._id
        known = self._response or Response()
        latest = Response(
            response_id=self._id or UNSET,
            request_id=self.request_id,
            model=word(named, "model") or known.model,
            service_tier=tier_of(named) or known.service_tier,
        )
        if latest != self._response:
            self._response = latest
            self._events.append(replace(latest))

    def _end(self, event: ResponsesEvent, response: dict[str, Any]) -> None:
        if self._response is None:
            self._announce(response)
        elif (tier := tier_of(response)) is not None:
            self._announce({"service_tier": tier})
        if has_failed(event.type, response):
            self._fail(event, response)
            return
        cut = event.type == "response.incomplete" or status_of(response) == "incomplete"
        self._answer.end(response, cut=cut)
        for beside in filter(None, self._beside.values()):
            self._keep(beside)
        if rest := unmapped(response):
            self._keep({"type": event.type, "response": rest})
        self.ended = True
        raw = (cut_by(response) or "incomplete") if cut else "completed"
        end = Completed(
            finish_reason=meaning(raw, called=self._answer.calls.made),
            raw_finish_reason=raw,
            usage=read_usage(response.get("usage")),
            response_id=self._id or word(response, "id"),
        )
        if end.finish_reason == "content_filter":
            end.refusal_category = filtered_category(response.get("content_filters")) or UNSET
        self._events.append(end)

    def _fail(self, event: ResponsesEvent, response: dict[str, Any]) -> None:
        """Raises what the answer failed with; without a cause, what follows may say it, as Azure's `error` event."""
        if (usage := read_usage(response.get("usage"))) is not None:
            self._events.append(UsageReport(usage=usage))
        cause = cause_of(event, response)
        if event.type == "response.cancelled" or status_of(response) == "cancelled":
            failure = problem(self._name, "provider_error", "cancelled there", retryable=False)
            cause = cause or "cancelled"
        else:
            failure = from_event(self._name, cause or {})
        failure.over = True
        if cause:
            raise failure
        self._failure = failure
        self.finish_reason.reason, self.finish_reason.stands = "failed", True

    def _keep_beside(self, event: ResponsesEvent, unknown: dict[str, Any]) -> None:
        """Keeps fields that no one knows: those beside a piece, which may change with each, at first and at last."""
        data = {"type": event.type, "item_id": event.item_id} | unknown
        if event.delta is not None and event.type in self._beside:
            self._beside[event.type] = data
            return
        if event.delta is not None:
            self._beside[event.type] = None
        self._keep(data)

    def _keep(self, data: dict[str, Any]) -> None:
        self._events.append(Raw(protocol=PROTOCOL, data=data))


def _is_response(fields: dict[str, Any]) -> bool:
    """Says whether these are the fields of a whole response, and not those of an event that has one."""
    return fields.get("object") == "response" or isinstance(fields.get("output"), list)
