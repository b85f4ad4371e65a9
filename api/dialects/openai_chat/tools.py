"""The tools of a request, and which of them may be called."""

from typing import Any

from api.problems.problem import FieldError

_CUSTOM = "is a custom tool, whose calls cannot be told here; give a function instead"
_HOSTED = "is a tool that the provider runs, which needs one that speaks Chat Completions; leave it out"


class Tools:
    """Functions as a request of ours has them; what else a provider of this protocol is sent; what is wrong."""

    def __init__(self, tools: Any, choice: Any, *, same_protocol: bool) -> None:
        self.errors: list[FieldError] = []
        self.native: dict[str, Any] = {}
        self.extra: dict[str, Any] = {}
        self.places: list[int] = []
        """Of each function among ours, its index in the request."""
        self._same_protocol = same_protocol
        if isinstance(tools, list):
            self._tools(tools)
        elif tools is not None:
            self.native["tools"] = tools
        self._choice(choice)

    def _tools(self, tools: list[Any]) -> None:
        hosted = []
        for at, tool in enumerate(tools):
            kind = tool.get("type") if isinstance(tool, dict) else None
            if kind == "custom":
                self._refuse(f"/tools/{at}", _CUSTOM)
            elif not isinstance(kind, str) or kind == "function":
                self.places.append(at)
            elif self._same_protocol:
                hosted.append(tool)
            else:
                self._refuse(f"/tools/{at}", _HOSTED)
        self.native["tools"] = [tools[at] for at in self.places]
        if hosted:
            self.extra["tools"] = hosted

    def _choice(self, choice: Any) -> None:
        kind = choice.get("type") if isinstance(choice, dict) else None
        if kind == "custom":
            self._refuse("/tool_choice", _CUSTOM)
        elif kind == "allowed_tools" and not self.extra:
            self._allow(choice.get("allowed_tools"))
        elif isinstance(kind, str) and kind != "function":
            if self._same_protocol:
                self.extra["tool_choice"] = choice
            else:
                self._refuse("/tool_choice", _HOSTED)
        elif choice is not None:
            self.native["tool_choice"] = choice

    def _allow(self, allowed: Any) -> None:
        """Leaves the allowed functions alone, which is the same to a model."""
        match allowed:
            case {"mode": "auto" | "required" as mode, "tools": list(named)}:
                names = {_name(tool) for tool in named}
                self.places = [
                    at
                    for at, tool in zip(self.places, self.native.get("tools", ()), strict=True)
                    if _name(tool) in names
                ]
                self.native["tools"] = [tool for tool in self.native.get("tools", ()) if _name(tool) in names]
                self.native["tool_choice"] = mode
            case _:
                self._refuse("/tool_choice/allowed_tools", "needs a mode, auto or required, and a list of tools")

    def _refuse(self, pointer: str, message: str) -> None:
        self.errors.append(FieldError(pointer=pointer, message=message))


def _name(tool: Any) -> str | None:
    match tool:
        case {"function": {"name": str(name)}}:
            return name
    return None
