"""The events that tell one part: its beginning, what it says, and its end, in the order that SDKs' helpers expect."""

from typing import Any

import msgspec

from api.dialects.openai_responses.frame import delta_ends, frame
from api.dialects.openai_responses.items import CallItem, CustomCallItem, Item, MessageItem, ReasoningItem
from api.dialects.openai_responses.items import content as content_of
from api.dialects.openai_responses.items import summary as summary_of
from api.dialects.openai_responses.said import Said


class Telling:
    """The events that were not taken yet; `number` is that of the next."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._frames: list[bytes] = []

    def take(self) -> list[bytes]:
        """Returns the events since it was last called."""
        frames, self._frames = self._frames, []
        return frames

    def add(self, type: str, **fields: Any) -> None:
        """Adds an event."""
        self._frames.append(frame(type, self.number, fields))
        self.number += 1

    def catch_up(self, said: Said) -> None:
        """Tells what a part has said so far, and has its deltas told as they come from now on.

        What it said while it waited comes as one delta.
        """
        item: Item = said.item
        if not (said.before or self._open(said, item)):
            return
        text, logprobs = bytes(said.grown[said.told :]), said.logprobs[said.told_logprobs :]
        said.told, said.told_logprobs = len(said.grown), len(said.logprobs)
        if logprobs:
            place, delta = _content_place(said), msgspec.Raw(b'"%b"' % text)
            self.add("response.output_text.delta", **place, delta=delta, logprobs=logprobs)
        elif text:
            self._frames.append(b'%b"%b"%b%d}\n\n' % (said.before, text, said.after, self.number))
            self.number += 1
        for at in range(said.told_annotations, len(said.annotations)):
            place = _content_place(said) | {"annotation_index": at, "annotation": said.annotations[at]}
            self.add("response.output_text.annotation.added", **place)
        said.told_annotations = len(said.annotations)

    def close(self, said: Said, *, cut: bool = False) -> None:
        """Tells the end of a part; with `cut` not that its text is whole: helpers would parse it."""
        item: Item = said.item
        said.hush()
        said.closed = True
        if isinstance(item, MessageItem):
            place = _content_place(said)
            if said.kind == "refusal":
                self.add("response.refusal.done", **place, refusal=said.raw)
            elif not cut:
                self.add("response.output_text.done", **place, text=said.raw, logprobs=said.logprobs)
            self.add("response.content_part.done", **place, part=content_of(said))
        elif isinstance(item, ReasoningItem) and said.opened:
            place = _summary_place(said)
            self.add("response.reasoning_summary_text.done", **place, text=said.raw)
            self.add("response.reasoning_summary_part.done", **place, part=summary_of(said))
        elif isinstance(item, CustomCallItem) and not cut:
            self.add("response.custom_tool_call_input.done", **_item_place(item), input=said.raw)
        elif isinstance(item, CallItem) and not cut:
            arguments = {"name": said.name or "", "arguments": said.raw}
            self.add("response.function_call_arguments.done", **_item_place(item), **arguments)

    def _open(self, said: Said, item: Item) -> bool:
        """Begins a part, if it has a word to say and the protocol has events for it."""
        if isinstance(item, MessageItem):
            self._open_content(said)
        elif isinstance(item, ReasoningItem):
            if len(said.grown) == said.told:
                return False
            self._open_summaries(said, item)
        elif isinstance(item, CallItem):
            name = "custom_tool_call_input" if isinstance(item, CustomCallItem) else "function_call_arguments"
            said.before, said.after = delta_ends(f"response.{name}.delta", _item_place(item))
        else:
            return False
        return True

    def _open_content(self, said: Said) -> None:
        place = _content_place(said)
        if not said.opened:
            self.add("response.content_part.added", **place, part=content_of(said, empty=True))
            said.opened = True
        if said.kind == "refusal":
            said.before, said.after = delta_ends("response.refusal.delta", place)
        else:
            said.before, said.after = delta_ends("response.output_text.delta", place, b',"logprobs":[]')

    def _open_summaries(self, said: Said, item: ReasoningItem) -> None:
        """Begins a summary with its first word, and those before it that say nothing, as their places are taken."""
        for one in item.parts[: said.index + 1]:
            if not one.opened:
                one.opened = True
                self.add(
                    "response.reasoning_summary_part.added", **_summary_place(one), part=summary_of(one, empty=True)
                )
                if one is not said:
                    self.close(one)
        said.before, said.after = delta_ends("response.reasoning_summary_text.delta", _summary_place(said))


def _item_place(item: Item) -> dict[str, Any]:
    return {"item_id": item.id, "output_index": item.index}


def _content_place(said: Said) -> dict[str, Any]:
    return {**_item_place(said.item), "content_index": said.index}


def _summary_place(said: Said) -> dict[str, Any]:
    return {**_item_place(said.item), "summary_index": said.index}
