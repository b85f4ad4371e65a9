"""Builds Responses streams (API reference: "Streaming events"): numbered events, and whole items of them."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

COUNTED: dict[str, Any] = {
    "input_tokens": 4,
    "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0},
    "output_tokens": 2,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 6,
}


class Script:
    """An answer's events so far, numbered from 0."""

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.output: list[dict[str, Any]] = []
        self._numbers = count()

    @property
    def body(self) -> bytes:
        return b"".join(self.events)

    def after(self, number: int) -> bytes:
        """What a server sends to who has everything up to this number."""
        return b"".join(self.events[number + 1 :])

    def add(self, kind: str, **fields: Any) -> Script:
        """An event; characters above ASCII as they are, halves of pairs escaped."""
        value = {"type": kind, "sequence_number": next(self._numbers), **fields}
        try:
            data = json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            data = json.dumps(value).encode()
        self.events.append(b"event: %s\ndata: %s\n\n" % (kind.encode(), data))
        return self

    def response(self, status: str, **fields: Any) -> dict[str, Any]:
        return {
            "id": "resp_1",
            "object": "response",
            "status": status,
            "model": "gpt-x-001",
            "output": [],
            "temperature": 1.0,
            **fields,
        }

    def begin(self) -> Script:
        self.add("response.created", response=self.response("in_progress"))
        return self.add("response.in_progress", response=self.response("in_progress"))

    def end(self, kind: str = "completed", **fields: Any) -> Script:
        fields.setdefault("usage", COUNTED)
        return self.add(f"response.{kind}", response=self.response(kind, output=self.output, **fields))

    def item(self, added: dict[str, Any], *events: tuple[str, dict[str, Any]], **done: Any) -> Script:
        """An item: its beginning, these events about it, and its end, which says it whole."""
        place = len(self.output)
        about = {"output_index": place, "item_id": added["id"]}
        self.add("response.output_item.added", output_index=place, item=added)
        for kind, fields in events:
            self.add(f"response.{kind}", **about, **fields)
        item = {**added, **done}
        self.output.append(item)
        return self.add("response.output_item.done", output_index=place, item=item)

    def message(self, *contents: dict[str, Any], cut: int = 3, id: str = "msg_1", **fields: Any) -> Script:
        """A message, its contents in pieces of so many characters."""
        events: list[tuple[str, dict[str, Any]]] = []
        for index, content in enumerate(contents):
            at = {"content_index": index}
            field, name = ("refusal", "refusal") if content["type"] == "refusal" else ("text", "output_text")
            said = content[field]
            empty = {**content, field: ""} | ({"annotations": []} if name == "output_text" else {})
            events.append(("content_part.added", {**at, "part": empty}))
            for start in range(0, len(said), cut):
                events.append((f"{name}.delta", {**at, "delta": said[start : start + cut], **_logs(name)}))
            for number, annotation in enumerate(content.get("annotations", ())):
                fields_of = {**at, "annotation_index": number, "annotation": annotation}
                events.append(("output_text.annotation.added", fields_of))
            events.append((f"{name}.done", {**at, field: said, **_logs(name)}))
            events.append(("content_part.done", {**at, "part": content}))
        added = {"id": id, "type": "message", "role": "assistant", "content": [], "status": "in_progress"}
        return self.item(added, *events, content=list(contents), status="completed", **fields)

    def reasoning(self, *summaries: str, encrypted: str | None = None, cut: int = 3, id: str = "rs_1") -> Script:
        """Reasoning, with summaries in pieces."""
        events: list[tuple[str, dict[str, Any]]] = []
        for index, said in enumerate(summaries):
            at = {"summary_index": index}
            events.append(("reasoning_summary_part.added", {**at, "part": {"type": "summary_text", "text": ""}}))
            for start in range(0, len(said), cut):
                events.append(("reasoning_summary_text.delta", {**at, "delta": said[start : start + cut]}))
            events.append(("reasoning_summary_text.done", {**at, "text": said}))
            events.append(("reasoning_summary_part.done", {**at, "part": {"type": "summary_text", "text": said}}))
        done = {"encrypted_content": encrypted} if encrypted else {}
        summary = [{"type": "summary_text", "text": said} for said in summaries]
        return self.item({"id": id, "type": "reasoning", "summary": []}, *events, summary=summary, **done)

    def call(self, name: str, arguments: str, *, id: str = "fc_1", call_id: str = "call_1", cut: int = 4) -> Script:
        """A function call, its arguments in pieces."""
        grown = [
            ("function_call_arguments.delta", {"delta": arguments[start : start + cut]})
            for start in range(0, len(arguments), cut)
        ]
        added = {"id": id, "type": "function_call", "call_id": call_id, "name": name, "arguments": ""}
        ended = ("function_call_arguments.done", {"arguments": arguments})
        return self.item({**added, "status": "in_progress"}, *grown, ended, arguments=arguments, status="completed")


def _logs(name: str) -> dict[str, Any]:
    return {"logprobs": []} if name == "output_text" else {}


def output_text(said: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    """A content of a message."""
    return {"type": "output_text", "text": said, "annotations": list(annotations)}


CITED = {"type": "url_citation", "start_index": 0, "end_index": 2, "title": "T", "url": "https://example.org/"}


def rich(*, unknown: bool = True) -> Script:
    """One of everything that the protocol has, and of what it does not have."""
    script = Script().begin()
    script.reasoning("Zwölf 😀 signs", "and\u2028more", encrypted="ZW5j")
    script.add("keepalive")
    found = {"id": "ws_1", "type": "web_search_call", "status": "in_progress"}
    action = {"type": "search", "query": "blue é"}
    script.item(found, ("web_search_call.searching", {}), status="completed", action=action)
    code = {"id": "ci_1", "type": "code_interpreter_call", "status": "in_progress", "code": "", "container_id": "c"}
    pieces = ("print(", '"é\n")')
    script.item(
        code,
        *(("code_interpreter_call_code.delta", {"delta": piece}) for piece in pieces),
        ("code_interpreter_call_code.done", {"code": "".join(pieces)}),
        status="completed",
        code="".join(pieces),
        outputs=[{"type": "logs", "logs": "é"}],
    )
    image = {"id": "ig_1", "type": "image_generation_call", "status": "in_progress", "result": None}
    partial = ("image_generation_call.partial_image", {"partial_image_b64": "YQ==", "partial_image_index": 0})
    script.item(image, partial, status="completed", result="aGk=", output_format="webp")
    if unknown:
        script.add("response.hologram", output_index=9, shape={"round": True})
        script.item({"id": "x_1", "type": "hologram", "data": [1]})
    script.message(output_text("Zwölf 😀\r\n\0 blue.", CITED), {"type": "refusal", "refusal": "No more."})
    script.call("rain", '{"x": "é\\n"}').call("wind", "{}", id="fc_2", call_id="call_2")
    return script.end()


def short() -> Script:
    """A little of most, for what is done at every byte of it."""
    script = Script().begin().reasoning("Ö", encrypted="ZW5j").message(output_text("a😀\r\n"), cut=2)
    script.events.append(b": comment\n\n")
    return script.call("f", '{"x": "é"}').add("response.hologram").end()


RICH = rich().body
SHORT = short().body
