"""Whether an answer may call a tool, as a request says it in its protocol's own words."""

from typing import Any, Final, Literal, NamedTuple

Kind = Literal["auto", "none", "required"]

_WORDS: Final[dict[object, Kind]] = {
    "none": "none",
    "NONE": "none",
    "required": "required",
    "function": "required",
    "any": "required",
    "tool": "required",
    "ANY": "required",
}


class ToolChoice(NamedTuple):
    """`auto` leaves it to the script."""

    kind: Kind = "auto"
    name: str = ""
    """The tool that must be called; empty leaves that to the script."""


AUTO: Final = ToolChoice()


def tool_choice(given: object) -> ToolChoice:
    """The `tool_choice` of Chat, Responses and Messages: a word, or an object with a type and perhaps a name."""
    if not isinstance(given, dict):
        return _choice(given, None)
    function = given.get("function")
    return _choice(given.get("type"), function.get("name") if isinstance(function, dict) else given.get("name"))


def calling_config(given: object) -> ToolChoice:
    """The `toolConfig` of Gemini, which lists the names that are allowed; the first of them counts here."""
    config = given.get("functionCallingConfig") if isinstance(given, dict) else None
    if not isinstance(config, dict):
        return AUTO
    names: Any = config.get("allowedFunctionNames")
    return _choice(config.get("mode"), names[0] if isinstance(names, list) and names else None)


def _choice(word: object, name: object) -> ToolChoice:
    kind: Kind = _WORDS.get(word, "auto") if isinstance(word, str) else "auto"
    return ToolChoice(kind, name if kind == "required" and isinstance(name, str) else "")
