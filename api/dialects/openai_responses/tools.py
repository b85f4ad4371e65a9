"""The tools of a request, and which of them are to be called."""

from typing import Any

from api.dialects.openai_responses.contents import objects
from api.dialects.openai_responses.pointers import Pointers, refused, wrong

_FUNCTION = frozenset({"type", "name", "description", "parameters", "strict"})
_OWN_ONLY = "can be honoured by a provider of protocol openai-responses only"
_MODES = frozenset({"none", "auto", "required"})


class Tools:
    """What of the tools is native, and what only a provider of the same protocol (`own_protocol`) understands."""

    def __init__(self, *, own_protocol: bool, pointers: Pointers) -> None:
        self.native: list[dict[str, Any]] = []
        self.choice: str | dict[str, Any] | None = None
        self.extra: dict[str, Any] = {}
        self.echo: dict[str, Any] = {}
        self._own_protocol = own_protocol
        self._pointers = pointers

    def take(self, given: Any) -> None:
        """Takes the tools. Raises ProblemError for one that the provider has not."""
        hosted, shown = [], []
        for own, tool in objects(given, "/tools"):
            kind = tool.get("type")
            if not isinstance(kind, str):
                raise wrong(f"{own}/type", "must be a string")
            plain = kind == "function" and not any(tool[name] for name in tool.keys() - _FUNCTION)
            if plain:
                self._add(tool, own)
            elif self._own_protocol:
                hosted.append(tool)
            elif kind == "function":
                name = next(iter(sorted(name for name in tool.keys() - _FUNCTION if tool[name])))
                raise refused(f"{own}/{name}", _OWN_ONLY)
            else:
                raise refused(f"{own}/type", f"{kind} is a tool that only OpenAI runs or knows; use a function")
            shown.append(_shown(tool) if kind == "function" else tool)
        if hosted:
            self.extra["tools"] = hosted
        self.echo["tools"] = shown

    def _add(self, tool: dict[str, Any], own: str) -> None:
        self._pointers.put(f"/tools/{len(self.native)}/function", own)
        self._pointers.put(f"/tools/{len(self.native)}", own)
        function = {name: value for name, value in tool.items() if name in _FUNCTION and name != "type"}
        self.native.append({"type": "function", "function": function})

    def choose(self, choice: Any) -> None:
        """Takes which tools are to be called, after the tools. Raises ProblemError."""
        self.echo["tool_choice"] = choice
        if isinstance(choice, str) and choice in _MODES:
            self.choice = choice
            return
        if not isinstance(choice, dict):
            raise wrong("/tool_choice", "must be none, auto, required or an object")
        kind = choice.get("type")
        if kind == "function":
            self.choice = {"type": "function", "function": {"name": choice.get("name")}}
        elif self._own_protocol:
            self.extra["tool_choice"] = choice
        elif kind == "allowed_tools":
            self._allow(choice)
        else:
            raise refused(
                "/tool_choice/type", f"{kind} can be honoured by a provider of protocol openai-responses only"
            )

    def _allow(self, choice: dict[str, Any]) -> None:
        """Leaves only the functions that are allowed, which is the same to the model."""
        names = [tool.get("name") for _, tool in objects(choice.get("tools"), "/tool_choice/tools")]
        kept = [at for at, tool in enumerate(self.native) if tool["function"].get("name") in names]
        if not kept:
            raise wrong("/tool_choice/tools", "names none of the tools")
        for at, before in enumerate(kept):
            self._pointers.put(f"/tools/{at}/function", f"/tools/{before}")
            self._pointers.put(f"/tools/{at}", f"/tools/{before}")
        self.native = [self.native[at] for at in kept]
        self.choice = choice.get("mode", "auto")


def _shown(tool: dict[str, Any]) -> dict[str, Any]:
    """Returns a function as responses repeat it: with all of its fields."""
    return {
        "type": "function",
        "name": tool.get("name"),
        "description": None,
        "parameters": None,
        "strict": None,
    } | tool
