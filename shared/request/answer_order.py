"""The order in which an earlier answer said what it goes back with: thoughts, text, calls, and thoughts again.

Claude refuses thinking that stands elsewhere than it stood (platform.claude.com: "Extended thinking with tool use"),
OpenAI a reasoning item without the item that followed it.
"""

from typing import NamedTuple

from shared.request.message_parts import Reasoning, SaidText
from shared.request.messages import AssistantMessage
from shared.request.tools import ToolCall


class Refusal(NamedTuple):
    """What an answer refused with; it has no place of its own."""

    text: str


Said = Reasoning | SaidText | Refusal | ToolCall


def in_order(message: AssistantMessage) -> list[Said]:
    """Returns what the message says, in the order of its `part`s.

    What has no `part` follows what stands before it in the message: reasoning, content, refusal, calls. Content without
    one stands at the first number that is missing among the others', if any is.
    """
    content = message.content
    texts = [SaidText(type="text", text=content)] if isinstance(content, str) else content or []
    said: list[Said] = [*(message.reasoning or ()), *texts]
    if message.refusal:
        said.append(Refusal(message.refusal))
    said += message.tool_calls or ()
    named = {part for one in said if (part := _part(one)) is not None}
    if not named:
        return said
    missing = next((number for number in range(len(named)) if number not in named), None)
    places: list[int] = []
    for one in said:
        part = _part(one)
        if part is None and isinstance(one, SaidText):
            part = missing
        places.append(part if part is not None else places[-1] if places else -1)
    return [said[index] for index in sorted(range(len(said)), key=places.__getitem__)]


def _part(one: Said) -> int | None:
    return None if isinstance(one, Refusal) else one.part
