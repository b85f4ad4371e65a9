"""Which tools the model is offered after the changes that a conversation makes (API beta: "Mid-conversation tool
changes"; "Tool search tool"): deferred ones once they were found, and none that were withdrawn."""

from typing import Any

from api.dialects.anthropic_messages.checks import a_text, a_type, an_object, cannot, only, within

CHANGES = ("tool_addition", "tool_removal")


class ToolChanges:
    """The changes so far."""

    def __init__(self) -> None:
        self.defined: list[tuple[dict[str, Any], str]] = []
        """Tools that the messages define, and where."""
        self._offered: dict[str, bool] = {}

    def take(self, block: dict[str, Any], pointer: str) -> None:
        """Takes a block that offers or withdraws a tool. Raises ProblemError."""
        only(block, ("type", "tool", "cache_control"), pointer)
        place = within(pointer, "tool")
        tool = an_object(block.get("tool"), place)
        match a_type(tool, place):
            case "tool_reference":
                self._offered[a_text(tool, "name", place)] = block["type"] == "tool_addition"
            case "tool_definition" if block["type"] == "tool_addition":
                place = within(place, "definition")
                definition = an_object(tool.get("definition"), place)
                self.defined.append((definition, place))
                self._offered[a_text(definition, "name", place)] = True
            case _:
                raise cannot(place, "is a tool of a server that Anthropic calls")

    def find(self, block: dict[str, Any], pointer: str) -> dict[str, Any]:
        """Takes a tool's result that names a tool; returns what the model reads of it. Raises ProblemError."""
        only(block, ("type", "tool_name", "cache_control"), pointer)
        name = a_text(block, "tool_name", pointer)
        self._offered[name] = True
        return {"type": "text", "text": f"The tool {name} can be called now."}

    def offers(self, tool: dict[str, Any]) -> bool:
        """Says whether the model is offered a tool: one that is deferred only after it was found or added."""
        return self._offered.get(str(tool.get("name")), not tool.get("defer_loading"))
