"""Reading a Responses stream (API reference: "Streaming events"), from its start or from where it broke off."""

import json
from typing import Any

from msgspec import UNSET, UnsetType

from shared.log.events import Completed, Raw, Response, UsageReport
from shared.log.snapshots import Snapshot
from shared.sse_decoder import ServerSentEvent
from worker.providers.error_shapes import failure_in
from worker.providers.errors import from_event, problem
from worker.providers.finish_reasons import Finish, meaning
from worker.providers.lenient_json import read_object
from worker.providers.openai_responses.event import (
    CODE_DELTA,
    CODE_DONE,
    KIND_OF_CONTENT,
    PLACE_OF_DELTA,
    PLACE_OF_DONE,
    PROTOCOL,
    PartPlace,
    ResponsesEvent,
    read_event,
    read_usage,
    unmapped,
)
from worker.providers.openai_responses.items import Item, Items, Said
from worker.providers.openai_responses.tools import (
    ARGUMENT_OF_CALL,
    ITEM_TYPES,
    TOOL_OF_ITEM,
    arguments_of,
    escaped,
    rest_of,
    result_of,
)
from worker.providers.provider import ProviderEvent

_CODE = '{"code":"'
_CALL = PartPlace("call", "tool_call")
_RESULT = PartPlace("result", "tool_result")
_FILE = PartPlace("file", "file")
_SUMMARY = PartPlace("summary", "reasoning")


class ResponsesReader:
    """The state of one answer.

    An event's number is that of the last of our events that come of it: when the log has the number, it has all of it.
    One that is read again, because the log has only some of what came of it, adds what is missing. With `so_far` it
    reads what follows that.
    """

    def __init__(self, name: str, so_far: Snapshot | None = None) -> None:
        self.ended = False
        self.finish_reason = Finish()
        """Never set: of this protocol only the whole response says that the answer is complete."""
        self.request_id: str | UnsetType = UNSET
        self._name = name
        earlier = so_far.parts if so_far else ()
        self._items = Items(name, earlier)
        self._after = so_far.sequence_number if so_far else None
        self._resumes = so_far is not None
        self._response: Response | None = None
        self._id = so_far.response_id if so_far else None
        self._called = any(part.kind == "tool_call" and part.executor == "client" for part in earlier)
        self._events: list[ProviderEvent] = []

    def done(self, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.done`: it says nothing here."""

    def read(self, sent: ServerSentEvent, events: list[ProviderEvent]) -> None:
        data = sent.data
        event, unknown = read_event(self._name, data)
        event.type = event.type or sent.event
        number = event.sequence_number
        if number is not None and self._after is not None and number <= self._after:
            return
        before = len(events)
        self._events = self._items.events = events
        if self._resumes and self._response is None:
            self._announce(self._id, None)
        if unknown and event.type in _UNDERSTOOD:
            self._keep({"type": event.type, "item_id": event.item_id} | unknown)
        place = PLACE_OF_DELTA.get(event.type)
        if place is not None and event.delta is not None:
            self._grow(place, event)
        else:
            self._take(event, data)
        if number is not None and len(events) > before:
            events[-1].sequence_number = number

    def finish(self, unfinished: bytes, events: list[ProviderEvent]) -> None:
        """Implements `AnswerReader.finish`: only an event that has the whole response ends an answer."""
        detail = "half an event" if unfinished.strip() else "no response.completed"
        raise problem(self._name, "incomplete_stream", detail)

    def _take(self, event: ResponsesEvent, data: bytes) -> None:
        match event.type:
            case kind if kind in PLACE_OF_DONE:
                place, field = PLACE_OF_DONE[kind]
                self._settle(place, event, getattr(event, field), data)
            case "response.content_part.added" | "response.content_part.done":
                self._content(event, event.part or {}, data)
            case "response.reasoning_summary_part.added":
                item = self._items.find(event.output_index, event.item_id)
                said = self._items.part(item, _SUMMARY, event.summary_index, begins=True)
                self._items.complete(item, said, (event.part or {}).get("text"))
                said.whole = False
            case "response.reasoning_summary_part.done":
                self._settle(_SUMMARY, event, (event.part or {}).get("text"), data)
            case "response.output_text.annotation.added":
                self._cite(event, data)
            case "response.output_item.added":
                self._begin(event)
            case "response.output_item.done":
                self._finish(event.output_index, event.item or {}, data)
            case "response.created" | "response.queued" | "response.in_progress":
                named = event.response or {}
                self._announce(named.get("id"), named.get("model"))
            case "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled":
                self._end(event.type, event.response or {})
            case "keepalive":
                pass
            case _:
                whole = read_object(self._name, data)
                if (failure := failure_in(self._name, whole)) is not None:
                    raise failure
                self._keep(whole)

    def _grow(self, place: PartPlace, event: ResponsesEvent) -> None:
        if event.logprobs:
            self._keep({"type": event.type, "item_id": event.item_id, "logprobs": event.logprobs})
        item = self._items.find(event.output_index, event.item_id)
        if self._resumes and not (item.known or item.parts):
            raise self._items.misfit()
        said = self._items.part(item, place, _index(place, event), grows=True)
        text = event.delta or ""
        if event.type == CODE_DELTA:
            # Its arguments are JSON, of which code is a string.
            text = escaped(text) if said.pieces else _CODE + escaped(text)
        self._items.say(item, said, text)

    def _settle(self, place: PartPlace, event: ResponsesEvent, said_in_all: str | None, data: bytes) -> Said:
        """Takes what grew as it is said once more, whole. It does not end with that: its citations may follow."""
        item = self._items.find(event.output_index, event.item_id)
        said = self._items.part(item, place, _index(place, event))
        if event.type != CODE_DONE:
            self._check(item, said, said_in_all, data)
        elif not "".join(said.pieces).startswith(code := _CODE + escaped(said_in_all or "")):
            self._check(item, said, code, data)
            said.whole = False  # the rest of its arguments is to come
        return said

    def _check(self, item: Item, said: Said, said_in_all: object, data: bytes) -> None:
        if not self._items.complete(item, said, said_in_all):
            self._keep(read_object(self._name, data))

    def _content(self, event: ResponsesEvent, content: dict[str, Any], data: bytes) -> None:
        """Reads the beginning or the end of a content.

        That of reasoning ends with its item, whose end says what is encrypted.
        """
        kind, field = KIND_OF_CONTENT.get(str(content.get("type")), (None, ""))
        if kind is None:
            self._keep(read_object(self._name, data))
            return
        place = PartPlace("content", kind)
        if event.type == "response.content_part.done":
            said = self._settle(place, event, content.get(field), data)
            item = self._items.find(event.output_index, event.item_id)
            self._cite_rest(item, said, content.get("annotations"))
            if kind != "reasoning":
                self._items.end(said)
            return
        item = self._items.find(event.output_index, event.item_id)
        said = self._items.part(item, place, event.content_index, begins=True)
        self._items.complete(item, said, content.get(field))
        said.whole = False

    def _cite(self, event: ResponsesEvent, data: bytes) -> None:
        if event.annotation is None:
            self._keep(read_object(self._name, data))
            return
        item = self._items.find(event.output_index, event.item_id)
        said = self._items.part(item, PartPlace("content", "text"), event.content_index)
        self._items.cite(item, said, event.annotation)

    def _cite_rest(self, item: Item, said: Said, annotations: object) -> None:
        """Adds citations that only the end has."""
        if isinstance(annotations, list) and not said.ended:
            for fields in _objects(annotations[said.cited :]):
                self._items.cite(item, said, fields)

    def _begin(self, event: ResponsesEvent) -> None:
        """Begins an item; the parts of a message or of reasoning begin with its contents."""
        fields = event.item or {}
        kind = str(fields.get("type"))
        item = self._items.find(event.output_index, _text(fields, "id"), begins=True)
        if kind in ARGUMENT_OF_CALL or kind in TOOL_OF_ITEM:
            self._call(item, kind, fields)

    def _call(self, item: Item, kind: str, fields: dict[str, Any]) -> Said:
        ours = kind in ARGUMENT_OF_CALL
        self._called = self._called or ours
        return self._items.part(
            item,
            _CALL,
            call_id=_text(fields, "call_id"),
            name=_text(fields, "name") if ours or kind == "mcp_call" else TOOL_OF_ITEM[kind].name,
            executor="client" if ours else "provider",
        )

    def _finish(self, output_index: int | None, fields: dict[str, Any], data: bytes) -> None:
        """Reads the end of an item, which says all of it once more.

        Some servers say nothing of an item before that.
        """
        kind = str(fields.get("type"))
        if kind not in ITEM_TYPES:
            self._keep(read_object(self._name, data))
            return
        if rest := rest_of(kind, fields):
            self._keep({"type": "response.output_item.done", "item": {"id": fields.get("id"), "type": kind} | rest})
        item = self._items.find(output_index, _text(fields, "id"))
        if kind == "message":
            self._finish_contents(item, fields.get("content"), data, ends=True)
        elif kind == "reasoning":
            self._finish_reasoning(item, fields, data)
        else:
            said = self._call(item, kind, fields)
            self._check(
                item,
                said,
                fields.get(ARGUMENT_OF_CALL[kind]) if kind in ARGUMENT_OF_CALL else arguments_of(kind, fields),
                data,
            )
            self._items.end(said)
            self._results(item, said, kind, fields, data)

    def _finish_contents(self, item: Item, contents: object, data: bytes, *, ends: bool) -> None:
        for index, content in enumerate(_objects(contents)):
            kind, field = KIND_OF_CONTENT.get(str(content.get("type")), (None, ""))
            if kind is None:
                continue  # its own event had it, and is kept
            if item.resumed and ("content", index) not in item.parts:
                continue  # some that are raw count here, and not among the parts of an earlier attempt
            said = self._items.part(item, PartPlace("content", kind), index)
            self._check(item, said, content.get(field), data)
            if ends:
                self._cite_rest(item, said, content.get("annotations"))
                self._items.end(said)

    def _finish_reasoning(self, item: Item, fields: dict[str, Any], data: bytes) -> None:
        for index, summary in enumerate(_objects(fields.get("summary"))):
            said = self._items.part(item, _SUMMARY, index)
            self._check(item, said, summary.get("text"), data)
        self._finish_contents(item, fields.get("content"), data, ends=False)
        encrypted = _text(fields, "encrypted_content")
        if encrypted and not item.parts:
            self._items.part(item, PartPlace("content", "reasoning"))
        parts = list(item.parts.values())
        for said in parts:
            self._items.end(said, encrypted=encrypted if said is parts[-1] else None)

    def _results(self, item: Item, call: Said, kind: str, fields: dict[str, Any], data: bytes) -> None:
        if kind == "image_generation_call" and (image := _text(fields, "result")):
            format = _text(fields, "output_format") or "png"
            media_type = "image/svg+xml" if format == "svg" else f"image/{format}"
            file = self._items.part(item, _FILE, media_type=media_type)
            self._check(item, file, image, data)
            self._items.end(file)
        if kind in TOOL_OF_ITEM and (result := result_of(kind, fields)) is not None:
            name = _text(fields, "name") if kind == "mcp_call" else TOOL_OF_ITEM[kind].name
            answered = self._items.part(item, _RESULT, name=name)
            self._check(item, answered, result, data)
            self._items.end(answered)

    def _announce(self, response_id: object, model: object) -> None:
        self._id = response_id if isinstance(response_id, str) and response_id else self._id
        latest = Response(response_id=self._id or UNSET, request_id=self.request_id)
        known = UNSET if self._response is None else self._response.model
        latest.model = model if isinstance(model, str) and model else known
        if latest != self._response:
            self._response = latest
            self._events.append(
                Response(response_id=latest.response_id, request_id=latest.request_id, model=latest.model)
            )

    def _end(self, kind: str, response: dict[str, Any]) -> None:
        usage = read_usage(response.get("usage"))
        status = response.get("status")
        if kind in ("response.failed", "response.cancelled") or status in ("failed", "cancelled"):
            if usage is not None:
                self._events.append(UsageReport(usage=usage))
            if kind == "response.cancelled" or status == "cancelled":
                failure = problem(self._name, "provider_error", "cancelled there", retryable=False)
            else:
                failure = from_event(self._name, response.get("error") or {})
            failure.over = True
            raise failure
        output = _objects(response.get("output"))
        if not self._items:
            for index, item in enumerate(output):
                event = {"type": "response.output_item.done", "output_index": index, "item": item}
                self._finish(index, item, json.dumps(event).encode())
        self._items.end_all()
        if rest := unmapped(response):
            self._keep({"type": kind, "response": rest})
        self.ended = True
        details = response.get("incomplete_details")
        why = details.get("reason") if isinstance(details, dict) else None
        cut = kind == "response.incomplete" or status == "incomplete"
        raw = str(why or "incomplete") if cut else "completed"
        called = self._called or any(item.get("type") in ARGUMENT_OF_CALL for item in output)
        self._events.append(
            Completed(
                finish_reason=meaning(raw, called=called),
                raw_finish_reason=raw,
                usage=usage,
                response_id=self._id or _text(response, "id"),
            )
        )

    def _keep(self, data: dict[str, Any]) -> None:
        self._events.append(Raw(protocol=PROTOCOL, data=data))


_UNDERSTOOD = (
    PLACE_OF_DELTA.keys()
    | PLACE_OF_DONE.keys()
    | {
        "response.content_part.added",
        "response.content_part.done",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_part.done",
        "response.output_text.annotation.added",
        "response.output_item.added",
        "response.output_item.done",
    }
)
"""Events of which only the fields that no one knows are kept."""


def _index(place: PartPlace, event: ResponsesEvent) -> int:
    if place.slot == "content":
        return event.content_index
    return event.summary_index if place.slot == "summary" else 0


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None
