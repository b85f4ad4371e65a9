"""The items of an output: messages, reasoning, the caller's calls, and what the provider ran itself."""

from typing import Any, ClassVar, Literal

import msgspec

from api.dialects.openai_responses.said import Said
from api.dialects.openai_responses.sealed import seal

ItemStatus = Literal["in_progress", "completed", "incomplete"]

ID_PREFIXES = {"message": "msg_", "reasoning": "rs_", "function_call": "fc_", "custom_tool_call": "ctc_"}


class Item:
    """An item. Its id is that of the response, the attempt that its text began with, and its place after that."""

    type: ClassVar[str]
    grows: ClassVar[bool] = False
    """Whether the next part may belong to it, so that its end is told only when something else begins."""

    def __init__(self, id: str, index: int) -> None:
        self.id, self.index = id, index
        """`index` is its place in the stream, where those that are void count too."""
        self.parts: list[Said] = []
        self.told = 0
        """How many of its parts were told from beginning to end."""
        self.added = self.done = False
        """Whether its beginning was told, and its end."""

    @property
    def ended(self) -> bool:
        """Says whether all of its parts have ended."""
        return all(part.ended for part in self.parts)

    @property
    def complete(self) -> bool:
        """Says whether nothing can follow, where no further part may belong to it."""
        return self.ended

    def takes(self, said: Said) -> bool:
        """Says whether a part that begins right behind it belongs to it."""
        return False

    def add(self, said: Said) -> None:
        """Takes a part."""
        said.item, said.index = self, len(self.parts)
        self.parts.append(said)

    def fields(self, status: ItemStatus) -> dict[str, Any]:
        """Returns what it says beside its id, type and status."""
        raise NotImplementedError

    def object(self, status: ItemStatus) -> dict[str, Any]:
        """Returns the item as it stands."""
        return {"id": self.id, "type": self.type, "status": status, **self.fields(status)}

    def beginning(self) -> dict[str, Any]:
        """Returns the item as nothing of it is said."""
        return self.object("in_progress")


class MessageItem(Item):
    """Texts and refusals that follow each other."""

    type = "message"
    grows = True

    def takes(self, said: Said) -> bool:
        return said.kind in ("text", "refusal")

    def fields(self, status: ItemStatus) -> dict[str, Any]:
        return {"role": "assistant", "content": [content(part) for part in self.parts]}

    def beginning(self) -> dict[str, Any]:
        return self.object("in_progress") | {"content": []}


def content(said: Said, *, empty: bool = False) -> dict[str, Any]:
    """Returns a content of a message; with `empty` as it begins."""
    text: msgspec.Raw | str = "" if empty else said.raw
    if said.kind == "refusal":
        return {"type": "refusal", "refusal": text}
    if empty:
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "output_text", "text": text, "annotations": said.annotations, "logprobs": said.logprobs}


class ReasoningItem(Item):
    """Reasoning, all of which is told as summaries; those of one of the provider's items are one item."""

    type = "reasoning"
    grows = True

    def takes(self, said: Said) -> bool:
        return said.kind == "reasoning" and said.item_id is not None and said.item_id == self.parts[0].item_id

    @property
    def summaries(self) -> list[Said]:
        """Returns its parts without those at the end that say nothing."""
        spoken = [at for at, part in enumerate(self.parts) if part.grown]
        return self.parts[: spoken[-1] + 1] if spoken else []

    def fields(self, status: ItemStatus) -> dict[str, Any]:
        fields: dict[str, Any] = {"summary": [summary(part) for part in self.summaries]}
        if (sealed := self._sealed()) is not None:
            fields["encrypted_content"] = sealed
        return fields

    def beginning(self) -> dict[str, Any]:
        return {"id": self.id, "type": self.type, "status": "in_progress", "summary": []}

    def _sealed(self) -> str | None:
        for part in reversed(self.parts):
            summary = part.summary is True
            if part.provider and part.encrypted:
                return seal(part.provider, "encrypted", part.item_id, part.encrypted, summary=summary)
            if part.provider and part.signature:
                return seal(part.provider, "signature", part.item_id, part.signature, summary=summary)
        return None


def summary(said: Said, *, empty: bool = False) -> dict[str, Any]:
    """Returns a summary of reasoning; with `empty` as it begins."""
    return {"type": "summary_text", "text": "" if empty else said.raw}


class CallItem(Item):
    """A call of a function that the caller runs."""

    type = "function_call"
    argument: ClassVar[str] = "arguments"

    @property
    def ended(self) -> bool:
        """Says whether its arguments are whole; some logs say so at their end only."""
        return super().ended or self.is_whole()

    def is_whole(self) -> bool:
        """Says whether its arguments so far are a JSON object, behind which nothing can follow."""
        call = self.parts[0]
        if not call.grown.endswith(b"}"):
            return False
        try:
            return isinstance(msgspec.json.decode(call.text), dict)
        except (ValueError, RecursionError):
            return False

    def fields(self, status: ItemStatus) -> dict[str, Any]:
        call = self.parts[0]
        return {"call_id": call.call_id or self.id, "name": call.name or "", self.argument: call.raw}

    def beginning(self) -> dict[str, Any]:
        return self.object("in_progress") | {self.argument: ""}


class CustomCallItem(CallItem):
    """A call of a tool of type `custom`, whose input is any text."""

    type = "custom_tool_call"
    argument = "input"

    def is_whole(self) -> bool:
        return False


class SealItem(Item):
    """The signature of a call or of a text, which have no field for one: reasoning without a text, behind all else."""

    type = "reasoning"

    def __init__(self, id: str, index: int, sealed: str) -> None:
        super().__init__(id, index)
        self._sealed = sealed

    def fields(self, status: ItemStatus) -> dict[str, Any]:
        return {"summary": [], "encrypted_content": self._sealed}
