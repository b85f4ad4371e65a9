"""The events of a stream: what begins, grows and ends makes them, in the order that SDKs' helpers expect."""

from typing import Any

import msgspec

from api.dialects.openai_responses.annotations import annotations_of, logprobs_of
from api.dialects.openai_responses.frame import delta_ends, frame
from api.dialects.openai_responses.items import CallItem, CustomCallItem, Item, MessageItem, ReasoningItem
from api.dialects.openai_responses.items import content as content_of
from api.dialects.openai_responses.items import summary as summary_of
from api.dialects.openai_responses.output import Output
from api.dialects.openai_responses.resource import resource
from api.dialects.openai_responses.said import Said
from api.dialects.openai_responses.terminal import Ending
from api.viewing.dialect import Subject
from shared.log.events import Usage


class Stream:
    """The output as it grows, and the events that tell it; `number` is that of the next."""

    def __init__(self, subject: Subject, number: int) -> None:
        self.number = number
        self._subject = subject
        self._output = Output(subject)
        self._frames: list[bytes] = []

    def take(self) -> list[bytes]:
        """Returns the events since it was last called."""
        frames, self._frames = self._frames, []
        return frames

    def progress(self) -> None:
        """Says that it runs."""
        self._add("response.in_progress", response=resource(self._subject, "in_progress", []))

    def begin(self, said: Said) -> None:
        """Begins a part, and with it maybe an item; the one before is at its end then."""
        before = self._output.latest
        self._output.place(said)
        item: Item | None = said.item
        if before is not None and before is not self._output.latest and _settled(before):
            self._done(before, "completed")
        if item is None:
            return
        if item.parts == [said]:
            self._add("response.output_item.added", output_index=item.index, item=item.beginning())
        if isinstance(item, MessageItem):
            self._open_content(said, item)
        elif isinstance(item, CallItem):
            name = "custom_tool_call_input" if isinstance(item, CustomCallItem) else "function_call_arguments"
            said.before, said.after = delta_ends(f"response.{name}.delta", self._item_place(item))

    def grow(self, said: Said, text: bytes, logprobs: list[Any] | None) -> None:
        """Adds a delta, as its JSON, to a part that makes no single frame of it."""
        if isinstance(said.item, ReasoningItem) and not said.before:
            self._open_summaries(said, said.item)
        if said.item is None:
            return
        said.grown += text[1:-1]
        if not said.before:
            return
        if logprobs is None or said.kind != "text":
            self._frames.append(b"%b%b%b%d}\n\n" % (said.before, text, said.after, self.number))
            self.number += 1
            return
        found = logprobs_of(logprobs)
        said.logprobs += found
        place = self._content_place(said)
        self._add("response.output_text.delta", **place, delta=msgspec.Raw(text), logprobs=found)

    def annotate(self, said: Said, fields: dict[str, Any]) -> None:
        """Adds what an annotation says to a text."""
        if not isinstance(said.item, MessageItem) or said.kind != "text":
            return
        for annotation in annotations_of(fields):
            at = len(said.annotations)
            said.annotations.append(annotation)
            place = self._content_place(said)
            added = "response.output_text.annotation.added"
            self._add(added, **place, annotation_index=at, annotation=annotation)

    def end(self, said: Said) -> None:
        """Ends a part, and its item where nothing more may belong to it."""
        said.ended = True
        item: Item | None = said.item
        if item is None:
            return
        self._close(said)
        if _settled(item) and not (item.grows and item is self._output.latest):
            self._done(item, "completed")

    def resume(self, said: Said) -> None:
        """Goes on with a part, whose end is told again if it was told."""
        said.closed = False
        if said.item is not None:
            said.item.done = False

    def void(self, attempt: int) -> None:
        """Drops all items, as this attempt starts over; those that are open are closed as incomplete."""
        for item in self._output.items:
            if not item.done:
                self._cut(item, "incomplete")
        self._output.begin_anew(attempt)

    def finish(self, ending: Ending, usage: Usage | None, tier: str | None) -> None:
        """Closes what is open, and ends the response."""
        output = self._output
        for item in output.items:
            if item.done:
                continue
            status = output.status_of(item, ending.status)
            if ending.status == "completed":
                for said in item.parts:
                    self._close(said)
                self._done(item, status)
            else:
                self._cut(item, status)
        for item in output.seal():
            self._add("response.output_item.added", output_index=item.index, item=item.beginning())
            self._done(item, output.status_of(item, ending.status))
        self._add(
            ending.type,
            response=resource(
                self._subject,
                ending.status,
                output.objects(ending.status),
                completed_at=ending.completed_at,
                error=ending.error,
                cut=ending.cut,
                usage=usage,
                tier=tier,
            ),
        )

    def _add(self, type: str, **fields: Any) -> None:
        self._frames.append(frame(type, self.number, fields))
        self.number += 1

    def _item_place(self, item: Item) -> dict[str, Any]:
        return {"item_id": item.id, "output_index": item.index}

    def _content_place(self, said: Said) -> dict[str, Any]:
        return {**self._item_place(said.item), "content_index": said.index}

    def _open_content(self, said: Said, item: MessageItem) -> None:
        place = self._content_place(said)
        self._add("response.content_part.added", **place, part=content_of(said, empty=True))
        said.opened = True
        if said.kind == "refusal":
            said.before, said.after = delta_ends("response.refusal.delta", place)
        else:
            said.before, said.after = delta_ends("response.output_text.delta", place, b',"logprobs":[]')

    def _open_summaries(self, said: Said, item: ReasoningItem) -> None:
        """Begins a summary with its first word, and those before it that say nothing, as their places are taken."""
        for one in item.parts[: said.index + 1]:
            if one.opened:
                continue
            one.opened = True
            place = {**self._item_place(item), "summary_index": one.index}
            self._add("response.reasoning_summary_part.added", **place, part=summary_of(one, empty=True))
            one.before, one.after = delta_ends("response.reasoning_summary_text.delta", place)
            if one.ended:
                one.closed = False
                self._close(one)

    def _close(self, said: Said, *, cut: bool = False) -> None:
        """Tells the end of a part; with `cut` not that its text is whole: helpers would parse it."""
        if said.closed:
            return
        said.closed = True
        item = said.item
        if isinstance(item, MessageItem):
            place = self._content_place(said)
            if said.kind == "refusal":
                self._add("response.refusal.done", **place, refusal=said.raw)
            elif not cut:
                self._add("response.output_text.done", **place, text=said.raw, logprobs=said.logprobs)
            self._add("response.content_part.done", **place, part=content_of(said))
        elif isinstance(item, ReasoningItem) and said.opened:
            place = {**self._item_place(item), "summary_index": said.index}
            self._add("response.reasoning_summary_text.done", **place, text=said.raw)
            self._add("response.reasoning_summary_part.done", **place, part=summary_of(said))
        elif isinstance(item, CustomCallItem) and not cut:
            self._add("response.custom_tool_call_input.done", **self._item_place(item), input=said.raw)
        elif isinstance(item, CallItem) and not cut:
            arguments = {"name": said.name or "", "arguments": said.raw}
            self._add("response.function_call_arguments.done", **self._item_place(item), **arguments)

    def _cut(self, item: Item, status: Any) -> None:
        """Closes an item where its answer ends otherwise than complete."""
        for said in item.parts:
            self._close(said, cut=not said.ended)
        self._done(item, status)

    def _done(self, item: Item, status: Any) -> None:
        item.done = True
        self._add("response.output_item.done", output_index=item.index, item=item.object(status))


def _settled(item: Item) -> bool:
    """Says whether an item is at its end, and that is yet to be told."""
    return not item.done and item.complete and all(part.closed for part in item.parts)
