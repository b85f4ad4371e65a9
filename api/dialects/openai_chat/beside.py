"""What a message has beside its texts and calls, and is told when a part ends, or at the end of all."""

from collections.abc import Sequence
from typing import Any

from api.dialects.openai_chat import message
from api.dialects.openai_chat.annotations import citations
from api.dialects.openai_chat.parts import Length, SaidPart


class Beside:
    """The images, the opaque reasoning and the citations so far."""

    def __init__(self) -> None:
        self.length = Length()
        """Characters of the content so far."""
        self._images = self._details = 0
        self._cited: list[tuple[SaidPart, dict[str, Any]]] = []

    def cite(self, part: SaidPart, fields: dict[str, Any]) -> None:
        """Keeps a citation for the end, where they are one list."""
        self._cited.append((part, fields))

    def end(self, part: SaidPart, parts: Sequence[SaidPart]) -> dict[str, Any]:
        """Returns what a message says of a part that has ended, and not of its pieces."""
        part.end = self.length.count()
        if part.kind == "file" and not message.is_sound(part) and (part.url or part.pieces):
            self._images += 1
            image = message.image(part, self._images - 1, part.quoted(message.data_url(part)))
            part.pieces.clear()
            return {"images": [image]}
        if not message.is_opaque(part):
            if part.item_id is None:
                part.pieces.clear()
            return {}
        entries: list[dict[str, Any]] = []
        for one in message.family(part, parts):
            if not one.detailed:
                entries += message.details(one, self._details + len(entries))
                one.detailed = True
                one.pieces.clear()
        self._details += len(entries)
        return {"reasoning_details": entries}

    def rest(self) -> dict[str, Any]:
        """Returns what is told at the end of all."""
        whole = self.length.count()
        listed = citations(
            (fields, part.start, whole if part.end is None else part.end) for part, fields in self._cited
        )
        return {"annotations": listed} if listed else {}
