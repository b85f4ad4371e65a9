"""The tool call that a prompt asks `demo` for: whether it does, of which tool, with which arguments."""

import json
import re
from typing import Any, Final

from simulator.request import Request

DEFAULT_TOOLS: Final = ("get_weather", "get_time")
"""What is called where a request offers no tools."""

LONGEST_PROMPT: Final = 2000
"""Characters of a prompt that are looked at: it may have megabytes."""

_ASKS: Final = re.compile(
    r"(?:^\W*|\b(?:use|using|call|run|invoke|make|try|show|want|need)\b[^.!?\n]{0,60}\b)tools?\b", re.IGNORECASE
)
_DECLINES: Final = re.compile(r"\b(?:no|not|never|without|don['\u2019]t)\b[^.!?\n]{0,60}\btools?\b", re.IGNORECASE)

_ARGUMENTS: Final[dict[str, dict[str, Any]]] = {
    "get_weather": {"city": "Berlin", "unit": "celsius"},
    "get_time": {"timezone": "Europe/Berlin"},
}


def tool_for(request: Request) -> str | None:
    """The name of the tool that the answer calls, or None where it is text.

    It is text where no call is allowed, and where the conversation ends in a tool's result.
    """
    kind, name = request.tool_choice
    if kind == "none" or request.after_tool:
        return None
    offered = request.tools or DEFAULT_TOOLS
    if kind == "required":
        return name or _named(request) or offered[0]
    prompt = request.last_user[:LONGEST_PROMPT]
    if _DECLINES.search(prompt):
        return None
    return _named(request) or (offered[0] if _ASKS.search(prompt) else None)


def _named(request: Request) -> str | None:
    """The first offered tool whose name the prompt has, in any case and with other signs between its words."""
    prompt = f" {_plain(request.last_user[:LONGEST_PROMPT])} "
    return next((name for name in request.tools if (words := _plain(name)) and f" {words} " in prompt), None)


def arguments_for(name: str) -> str:
    """A JSON object that a model might call this tool with; the tool's schema is not looked at."""
    return json.dumps(_ARGUMENTS.get(name) or {"query": _plain(name)}, ensure_ascii=False)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.lower()))
