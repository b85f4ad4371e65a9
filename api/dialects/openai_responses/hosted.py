"""What the provider ran itself, as the items that OpenAI has for its own tools (API reference: "The response object").

A call of a tool that has no such item here is left out, with its result: MCP needs the server's label, which no event
has, and tools of other providers have no item at all.
"""

from typing import Any, ClassVar, Literal

import msgspec

from api.dialects.openai_responses.items import Item, ItemStatus
from api.dialects.openai_responses.said import Said

IMAGE_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp", "image/gif": "gif"}

_ACTIONS = {"search": (), "open_page": (), "find_in_page": ("pattern", "url")}
"""Actions of a web search, and the texts that each has."""

_IMAGE_FIELDS = ("action", "background", "output_format", "quality", "revised_prompt", "size")


def _read(said: Said | None, kind: type) -> Any:
    """Returns what a part's text is as JSON; nothing of this kind where it is something else."""
    try:
        value = msgspec.json.decode(said.text) if said is not None else None
    except (msgspec.DecodeError, RecursionError):
        value = None
    return value if isinstance(value, kind) else kind()


class HostedItem(Item):
    """A call of a tool of the provider's; its other part is what came of it."""

    awaits: ClassVar[Literal["tool_result", "file"] | None] = None
    """The kind of part that it ends with."""
    incomplete: ClassVar[str] = "incomplete"
    """What its status is called where it was cut."""

    def object(self, status: ItemStatus) -> dict[str, Any]:
        found = super().object(status)
        return found | {"status": self.incomplete} if status == "incomplete" else found

    def of_call(self, said: Said) -> bool:
        """Says whether a part is what came of this call."""
        call = self.parts[0]
        if said.kind != self.awaits or call.kind != "tool_call" or len(self.parts) > 1:
            return False
        if said.kind == "file":
            return said.item_id is not None and said.item_id == call.item_id
        return said.call_id is not None and said.call_id == call.call_id

    @property
    def complete(self) -> bool:
        """Says whether nothing can follow."""
        return self.ended and (self.awaits is None or any(part.kind == self.awaits for part in self.parts))

    def _part(self, kind: str) -> Said | None:
        return next((part for part in self.parts if part.kind == kind), None)

    def _arguments(self) -> dict[str, Any]:
        found: dict[str, Any] = _read(self._part("tool_call"), dict)
        return found

    def _results(self) -> list[dict[str, Any]] | None:
        found = [item for item in _read(self._part("tool_result"), list) if isinstance(item, dict)]
        return found or None


class WebSearchItem(HostedItem):
    """A search of the web."""

    type = "web_search_call"
    incomplete = "failed"

    def fields(self, status: ItemStatus) -> dict[str, Any]:
        given = self._arguments()
        kind = given.get("type")
        if isinstance(kind, str) and kind in _ACTIONS and all(isinstance(given.get(n), str) for n in _ACTIONS[kind]):
            return {"action": given}
        query = given.get("query")
        return {"action": {"type": "search", "query": query if isinstance(query, str) else ""}}


class FileSearchItem(HostedItem):
    """A search of files."""

    type = "file_search_call"
    awaits = "tool_result"

    def fields(self, status: ItemStatus) -> dict[str, Any]:
        queries = self._arguments().get("queries")
        words = [query for query in queries if isinstance(query, str)] if isinstance(queries, list) else []
        return {"queries": words, "results": self._results()}


class CodeItem(HostedItem):
    """Code that was run in a container of the provider's."""

    type = "code_interpreter_call"
    awaits = "tool_result"

    def fields(self, status: ItemStatus) -> dict[str, Any]:
        given = self._arguments()
        code, container = given.get("code"), given.get("container_id")
        return {
            "code": code if isinstance(code, str) else "",
            "container_id": container if isinstance(container, str) else "",
            "outputs": self._results(),
        }


class ImageItem(HostedItem):
    """An image that was made; without a call where the model itself made it."""

    type = "image_generation_call"
    awaits = "file"
    incomplete = "failed"

    def fields(self, status: ItemStatus) -> dict[str, Any]:
        given = self._arguments()
        fields = {name: value for name in _IMAGE_FIELDS if isinstance(value := given.get(name), str)}
        image = self._part("file")
        if image is not None and (form := IMAGE_FORMATS.get(image.media_type or "")) is not None:
            fields["output_format"] = form
        if image is not None and image.ended:
            return {**fields, "result": image.raw}
        # The AI SDK takes no null where an item ends.
        return {**fields, "result": None if status == "in_progress" else ""}


HOSTED: dict[str, type[HostedItem]] = {
    "web_search": WebSearchItem,
    "file_search": FileSearchItem,
    "code_interpreter": CodeItem,
    "image_generation": ImageItem,
}
"""By the name that our events have for the tool."""

HOSTED_PREFIXES = {
    "web_search_call": "ws_", "file_search_call": "fs_", "code_interpreter_call": "ci_", "image_generation_call": "ig_",
}  # fmt: skip
