"""The items of a response's output, and the events that tell of them (API reference: "Streaming events")."""

import secrets
from typing import Any, Final, NamedTuple

from simulator.answer import Kind, ScriptedCall
from simulator.logprobs import chat_entry
from simulator.wire import document

Events = list[tuple[str, dict[str, Any]]]
"""Types, and the fields beside the type and the number."""

_SOURCE: Final = {"title": "A page that says so", "url": "https://example.com/lorem"}


class _Form(NamedTuple):
    """How one kind of text is told: the stems of its events, and where it stands in its item."""

    prefix: str
    event: str
    part_event: str
    parts: str
    number: str
    field: str
    part: dict[str, Any]


_TEXT: Final = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
_FORMS: Final[dict[Kind, _Form]] = {
    "text": _Form("msg", "response.output_text", "response.content_part", "content", "content_index", "text", _TEXT),
    "refusal": _Form(
        "msg",
        "response.refusal",
        "response.content_part",
        "content",
        "content_index",
        "refusal",
        {"type": "refusal", "refusal": ""},
    ),
    "reasoning": _Form(
        "rs",
        "response.reasoning_summary_text",
        "response.reasoning_summary_part",
        "summary",
        "summary_index",
        "text",
        {"type": "summary_text", "text": ""},
    ),
    # Arguments are their item's own field, not a part of it.
    "tool_call": _Form("fc", "response.function_call_arguments", "", "", "", "arguments", {}),
}


class OutputItem:
    """An item that is being said; `said` takes the texts of its newest part."""

    def __init__(
        self, kind: Kind, call: int, index: int, *, made: ScriptedCall | None, encrypted: str | None, cites: bool
    ) -> None:
        """`made` is the function that is called; `encrypted` the reasoning as the client may send it back."""
        self.identity = (kind, call)
        self.part = 0
        self.said: list[str] = []
        self._form = form = _FORMS[kind]
        self._id = f"{form.prefix}_{secrets.token_hex(24)}"
        self._index = index
        self._made = made
        self._encrypted = encrypted
        self._cites = cites
        self._parts: list[dict[str, Any]] = []
        self._logprobs: list[dict[str, Any]] = []
        event = form.event.encode()
        self.head = b'event: %s.delta\ndata: {"type":"%s.delta","sequence_number":' % (event, event)
        """A delta's bytes before its number; `middle` stands between number and text, `tail` after the text."""
        self.middle = b""
        self.tail = b',"logprobs":[]}\n\n' if kind == "text" else b"}\n\n"

    def weigh(self, text: str, top: int) -> bytes:
        """What stands after a delta's text, with its logprobs."""
        self._logprobs.append(chat_entry(text, top))
        return b',"logprobs":' + document(self._logprobs[-1:]) + b"}\n\n"

    def _place(self) -> dict[str, Any]:
        part = {self._form.number: self.part} if self._form.parts else {}
        return {"item_id": self._id, "output_index": self._index, **part}

    def opened(self) -> Events:
        item = self.shape("in_progress")
        return [("response.output_item.added", {"output_index": self._index, "item": item}), *self._start_part()]

    def next_part(self) -> Events:
        ended = self._end_part("completed")
        self.part += 1
        return ended + self._start_part()

    def closed(self, status: str) -> Events:
        events = self._end_part(status)
        return [
            *events,
            ("response.output_item.done", {"output_index": self._index, "item": self.shape(status)}),
        ]

    def _start_part(self) -> Events:
        place = self._place()
        self.said.clear()
        self.middle = b"," + document(place)[1:-1] + b',"delta":'
        if not self._form.parts:
            return []
        self._parts.append(dict(self._form.part))
        return [(f"{self._form.part_event}.added", {**place, "part": self._form.part})]

    def _end_part(self, status: str) -> Events:
        form, place, text = self._form, self._place(), "".join(self.said)
        events: Events = []
        logprobs: dict[str, Any] = {"logprobs": [*self._logprobs]} if "logprobs" in form.part else {}
        done = (f"{form.event}.done", {**place, form.field: text, **logprobs})
        if not form.parts:
            return [done]
        self._parts[-1] |= {form.field: text, **logprobs}
        if self._cites:
            annotation = {"type": "url_citation", "start_index": 0, "end_index": len(text), **_SOURCE}
            self._parts[-1]["annotations"] = [annotation]
            added = {**place, "annotation_index": 0, "annotation": annotation}
            events.append(("response.output_text.annotation.added", added))
        cut = {"status": "incomplete"} if form.parts == "summary" and status == "incomplete" else {}
        return [*events, done, (f"{form.part_event}.done", {**place, "part": self._parts[-1], **cut})]

    def shape(self, status: str) -> dict[str, Any]:
        """The item as it stands."""
        text = "".join(self.said)
        if self._parts:
            self._parts[-1][self._form.field] = text
        match self._form.prefix:
            case "rs":
                encrypted = self._encrypted
                if encrypted is not None and status == "in_progress":
                    # It may be incomplete until the item is done.
                    encrypted = encrypted[: len(encrypted) // 2]
                proof = {} if encrypted is None else {"encrypted_content": encrypted}
                return {"id": self._id, "type": "reasoning", **proof, "summary": [*self._parts]}
            case "msg":
                content = [*self._parts]
                return {"id": self._id, "type": "message", "status": status, "content": content, "role": "assistant"}
        assert self._made is not None
        return {
            "id": self._id,
            "type": "function_call",
            "status": status,
            "arguments": text,
            "call_id": f"call_{self._made.id}",
            "name": self._made.name,
        }


def web_search(index: int, *, sources: bool) -> tuple[Events, dict[str, Any]]:
    """A web search from its beginning to its end, and the item that it leaves."""
    place = {"item_id": f"ws_{secrets.token_hex(24)}", "output_index": index}
    item: dict[str, Any] = {"id": place["item_id"], "type": "web_search_call", "status": "in_progress"}
    found = {"sources": [{"type": "url", "url": _SOURCE["url"]}]} if sources else {}
    action = {"type": "search", "query": "lorem ipsum", "queries": ["lorem ipsum"], **found}
    ended = {**item, "status": "completed", "action": action}
    states = ("in_progress", "searching", "completed")
    return [
        ("response.output_item.added", {"output_index": index, "item": item}),
        *((f"response.web_search_call.{state}", place) for state in states),
        ("response.output_item.done", {"output_index": index, "item": ended}),
    ], ended
