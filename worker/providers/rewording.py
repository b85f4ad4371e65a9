"""Names and ids of a request that its provider refuses: sent as others, and back in the caller's words.

It stands around an adapter's request and its events; no reader knows of it. Where all is legal, which is the rule, the
request is what it was, and no event is looked at.
"""

from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel

from shared.config.protocols import Protocol
from shared.log.events import Part
from shared.request.generation_request import GenerationRequest
from shared.request.messages import AssistantMessage, Message, ToolMessage
from shared.request.tools import FunctionCall, FunctionTool, NamedFunction, NamedTool, ToolCall
from worker.providers.call_ids import IdRule, legal_ids
from worker.providers.provider import ProviderEvent
from worker.providers.tool_names import NAME_RULES, legal_names

M = TypeVar("M", bound=BaseModel)
Named = TypeVar("Named", FunctionTool, NamedFunction, FunctionCall)


class Rewording:
    """What of one request to a provider is said in other words; `ids` is what that takes, if anything is refused."""

    def __init__(self, provider: str, protocol: Protocol, ids: IdRule | None) -> None:
        self._provider, self._protocol, self._rule = provider, protocol, ids
        self._names: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._ours: tuple[dict[str, str], dict[str, str]] | None = None
        """By the words that are sent, those of the caller: names and ids; None where they are the same."""

    def sent(self, request: GenerationRequest) -> GenerationRequest:
        """Returns the request in words that the provider takes."""
        names, ids = _words(request)
        # What the caller says in the provider's own words goes out as it is; nothing may be called like that.
        names |= dict.fromkeys(_names_in(request.extra.get(self._provider, {}).get("tools")))
        self._names = legal_names(names, NAME_RULES[self._protocol])
        self._ids = legal_ids(ids, self._rule) if self._rule is not None else {}
        if not (self._names or self._ids):
            return request
        self._ours = (
            {legal: name for name, legal in self._names.items()},
            {legal: call_id for call_id, legal in self._ids.items()},
        )
        changes: dict[str, Any] = {"messages": [self._message(message) for message in request.messages]}
        if request.tools is not None:
            changes["tools"] = [_with(tool, function=self._named(tool.function)) for tool in request.tools]
        if isinstance(choice := request.tool_choice, NamedTool):
            changes["tool_choice"] = _with(choice, function=self._named(choice.function))
        return _with(request, **changes)

    def back(self, events: list[ProviderEvent]) -> None:
        """Says in the caller's words what the provider's events name."""
        if self._ours is None:
            return
        names, ids = self._ours
        for event in events:
            if not isinstance(event, Part):
                continue
            if event.executor == "client" and isinstance(event.name, str):
                event.name = names.get(event.name, event.name)
            if isinstance(event.call_id, str):
                event.call_id = ids.get(event.call_id, event.call_id)
            if isinstance(event.item_id, str):
                # OpenRouter's encrypted reasoning names the call that it is of.
                event.item_id = ids.get(event.item_id, event.item_id)

    def _message(self, message: Message) -> Message:
        if isinstance(message, ToolMessage):
            changed = self._ids.get(message.tool_call_id)
            return message if changed is None else _with(message, tool_call_id=changed)
        if not isinstance(message, AssistantMessage):
            return message
        changes: dict[str, Any] = {}
        if message.tool_calls:
            changes["tool_calls"] = [self._call(call) for call in message.tool_calls]
        if self._ids and message.reasoning:
            changes["reasoning"] = [
                _with(item, item_id=self._ids[item.item_id]) if item.item_id in self._ids else item
                for item in message.reasoning
            ]
        return _with(message, **changes) if changes else message

    def _call(self, call: ToolCall) -> ToolCall:
        return _with(call, id=self._ids.get(call.id, call.id), function=self._named(call.function))

    def _named(self, function: Named) -> Named:
        changed = self._names.get(function.name)
        return function if changed is None else _with(function, name=changed)


def _with(model: M, **changes: Any) -> M:
    return model.model_copy(update=changes)


def _names_in(tools: object, depth: int = 4) -> Iterator[str]:
    """Yields the names in tools that are as their provider has them, whatever their shape."""
    if isinstance(tools, dict) and isinstance(name := tools.get("name"), str):
        yield name
    if isinstance(tools, dict | list) and depth:
        for one in tools.values() if isinstance(tools, dict) else tools:
            yield from _names_in(one, depth - 1)


def _words(request: GenerationRequest) -> tuple[dict[str, None], dict[str, None]]:
    """Returns the names of tools and the ids of calls, each once, in the order in which they come."""
    names = {tool.function.name: None for tool in request.tools or ()}
    ids: dict[str, None] = {}
    if isinstance(choice := request.tool_choice, NamedTool):
        names[choice.function.name] = None
    for message in request.messages:
        if isinstance(message, ToolMessage):
            ids[message.tool_call_id] = None
        elif isinstance(message, AssistantMessage):
            for call in message.tool_calls or ():
                names[call.function.name] = None
                ids[call.id] = None
    return names, ids
