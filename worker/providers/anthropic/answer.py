"""An earlier answer as Messages has it (API reference: "Create a Message"): blocks in the order of the answer."""

from typing import Any
from urllib.parse import urlsplit

from shared.config.provider_settings import ProviderSettings
from shared.request.answer_order import Refusal, in_order
from shared.request.call_arguments import arguments_of
from shared.request.message_parts import Reasoning
from shared.request.messages import AssistantMessage
from shared.request.tools import ToolCall
from worker.providers.anthropic.contents import marked, texts
from worker.providers.anthropic.reader import SIGNATURE_ORIGIN

_MAKER = "anthropic.com"


def takes_unsigned(model: str, endpoint: ProviderSettings | None) -> bool:
    """Says whether thinking goes back that nobody has signed.

    DeepSeek and Kimi demand it ("The `content[].thinking` in the thinking mode must be passed back"), Claude refuses
    it: at Anthropic's own address, and by its name at any other, as gateways, Bedrock and Vertex have it.
    """
    host = (urlsplit(endpoint.address).hostname or "") if endpoint is not None else _MAKER
    return not (host == _MAKER or host.endswith(f".{_MAKER}") or "claude" in model.lower())


def answer_blocks(message: AssistantMessage, *, unsigned: bool) -> list[dict[str, Any]]:
    """Returns an answer's blocks; of its reasoning only what is this protocol's own, and with `unsigned` plain text."""
    blocks: list[dict[str, Any]] = []
    for said in in_order(message):
        if isinstance(said, Reasoning):
            blocks += _thought(said, unsigned)
        elif isinstance(said, ToolCall):
            blocks.append(_call(said))
        else:
            blocks += texts(said.text if isinstance(said, Refusal) else [said])
    return blocks


def _call(call: ToolCall) -> dict[str, Any]:
    block = {
        "type": "tool_use",
        "id": call.id,
        "name": call.function.name,
        "input": arguments_of(call.function.arguments),
    }
    return marked(block, call.cache_control)


def _thought(item: Reasoning, unsigned: bool) -> list[dict[str, Any]]:
    """Returns thinking as it came: what is opaque only to whom it is of."""
    if item.provider is None and unsigned:
        # Empty, as clients have it that put such a block together: the field is a required one.
        return [{"type": "thinking", "thinking": item.text, "signature": ""}]
    if item.provider != SIGNATURE_ORIGIN:
        return []
    if item.encrypted:
        return [{"type": "redacted_thinking", "data": item.encrypted}]
    return [{"type": "thinking", "thinking": item.text, "signature": item.signature}] if item.signature else []
