"""A request in the shape of OpenAI Chat, as Responses has it (API reference: "Create a model response")."""

import mimetypes
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from shared.request.answer_order import Refusal, Said, in_order
from shared.request.blank_texts import result_of
from shared.request.capabilities import has_tools, lacks, media_type, openai_model
from shared.request.generation_request import GenerationRequest
from shared.request.message_parts import File, FilePart, ImagePart, Reasoning, SaidText, TextPart
from shared.request.messages import AssistantMessage, Message, ToolMessage
from shared.request.openai_models import taken
from shared.request.reasoning_effort import with_effort
from shared.request.response_formats import ResponseFormat, SchemaFormat
from shared.request.tool_schemas import object_schema
from shared.request.tools import FunctionTool, NamedTool, ToolCall
from worker.providers.labels import openai_labels
from worker.providers.openai_responses.event import ENCRYPTION_ORIGIN
from worker.providers.provider import ProviderError

INCLUDE_ENCRYPTED = "reasoning.encrypted_content"
"""What is asked for, so that an answer's reasoning can go back although nothing is stored."""

INCLUDE_LOGPROBS = "message.output_text.logprobs"

_SAME = ("temperature", "top_p", "parallel_tool_calls")


def body(request: GenerationRequest, model: str, *, background: bool, encrypted: bool = True) -> dict[str, Any]:
    """Returns the request as the protocol has it.

    In the background the answer goes on without its connection (guide "Background mode"), and is stored for that; any
    other is not stored. System and developer messages stay where they stand. Raises ProviderError `bad_request` for
    what the protocol cannot say, which the API refuses before.
    """
    asked = request.model_copy(update={"model": f"/{model}"})
    if missing := lacks(asked, "openai-responses"):
        raise ProviderError("bad_request", f"{missing[0].pointer} {missing[0].remedy}", retryable=False)
    items = _followed([item for message in request.messages for item in _items(message)])
    fields: dict[str, Any] = {"model": model, "input": items, "stream": True, "store": background}
    if background:
        fields["background"] = True
    include = [INCLUDE_ENCRYPTED] if encrypted and not background else []
    if request.logprobs:
        include.append(INCLUDE_LOGPROBS)
        fields |= request.given("top_logprobs")
    if include:
        fields["include"] = include
    if request.max_tokens is not None:
        fields["max_output_tokens"] = request.max_tokens
    if request.tools:
        fields["tools"] = [_tool(tool.function) for tool in request.tools]
    if request.tool_choice is not None and has_tools(request):
        fields["tool_choice"] = _choice(request.tool_choice)
    if text := _text(request):
        fields["text"] = text
    known = openai_model(asked, None)
    request = with_effort(request, "openai-responses", model, None)
    if (effort := request.reasoning_effort) is not None:
        # What viewers see of it; without this the reasoning stays with the provider.
        fields["reasoning"] = {"effort": known.effort(effort)} | ({} if effort == "none" else {"summary": "auto"})
    return fields | openai_labels(request) | taken(request, known, request.given(*_SAME))


def _tool(function: FunctionTool) -> dict[str, Any]:
    """Returns a function. Unlike in Chat, it would be strict if `strict` were left out."""
    return {
        "type": "function",
        "name": function.name,
        "parameters": object_schema(function.parameters),
        "strict": bool(function.strict),
    } | ({} if function.description is None else {"description": function.description})


def _choice(choice: str | NamedTool) -> str | dict[str, Any]:
    return {"type": "function", "name": choice.function.name} if isinstance(choice, NamedTool) else choice


def _text(request: GenerationRequest) -> dict[str, Any]:
    formatted = {} if request.response_format is None else {"format": _format(request.response_format)}
    return formatted if request.verbosity is None else formatted | {"verbosity": request.verbosity}


def _format(asked: ResponseFormat) -> dict[str, Any]:
    if not isinstance(asked, SchemaFormat):
        return {"type": asked.type}
    return {"type": "json_schema"} | asked.json_schema.model_dump(exclude_none=True)


def _items(message: Message) -> list[dict[str, Any]]:
    if isinstance(message, AssistantMessage):
        return _answer(message)
    if isinstance(message, ToolMessage):
        said = result_of(message)
        output = said if isinstance(said, str) else _contents(said)
        return [{"type": "function_call_output", "call_id": message.tool_call_id, "output": output}]
    content = message.content if isinstance(message.content, str) else _contents(message.content)
    return [{"type": "message", "role": message.role, "content": content}]


def _followed(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns items without reasoning behind which the answer said nothing more.

    "Item of type 'reasoning' was provided without its required following item": it was cut off, or goes no further
    than us.
    """
    kept: list[dict[str, Any]] = []
    said = False
    for item in reversed(items):
        if item["type"] == "reasoning":
            if not said:
                continue
        else:
            said = item["type"] == "function_call" or item.get("role") == "assistant"
        kept.append(item)
    return kept[::-1]


def _answer(message: AssistantMessage) -> list[dict[str, Any]]:
    """Returns reasoning, texts and calls in their order: neighbouring texts are one item, else each is an item."""
    items: list[dict[str, Any]] = []
    for kind, group in groupby(in_order(message), _kind):
        pieces = list(group)
        if kind is Reasoning:
            items += _thoughts([piece for piece in pieces if isinstance(piece, Reasoning)])
        elif kind is ToolCall:
            items += [_call(piece) for piece in pieces if isinstance(piece, ToolCall)]
        else:
            items += _said([piece for piece in pieces if isinstance(piece, SaidText | Refusal)])
    return items


def _kind(said: Said) -> type:
    return SaidText if isinstance(said, Refusal) else type(said)


def _said(pieces: list[SaidText | Refusal]) -> list[dict[str, Any]]:
    """Returns what was said as a message, if it is anything."""
    contents: list[dict[str, Any]] = [
        {"type": "refusal", "refusal": piece.text}
        if isinstance(piece, Refusal)
        else {"type": "output_text", "text": piece.text}
        for piece in pieces
        if piece.text
    ]
    if not contents:
        return []
    alone = contents[0].get("text") if len(contents) == 1 else None
    return [{"type": "message", "role": "assistant", "content": alone or contents}]


def _call(call: ToolCall) -> dict[str, Any]:
    return {
        "type": "function_call",
        "call_id": call.id,
        "name": call.function.name,
        "arguments": call.function.arguments,
    }


def _thoughts(reasoning: list[Reasoning]) -> list[dict[str, Any]]:
    """Returns reasoning as it came, where OpenAI encrypted it; of any other it has no copy, and would refuse the id.

    What had one `item_id` is one item again: its summaries, the last of which has what is encrypted.
    """
    items = []
    for item_id, group in groupby(reasoning, lambda item: item.item_id):
        pieces = list(group)
        encrypted = next(
            (p.encrypted for p in reversed(pieces) if p.encrypted and p.provider == ENCRYPTION_ORIGIN), None
        )
        if encrypted is None or item_id is None:
            continue
        summary = [{"type": "summary_text", "text": p.text} for p in pieces if p.summary and p.text]
        contents = [{"type": "reasoning_text", "text": p.text} for p in pieces if not p.summary and p.text]
        item: dict[str, Any] = {"type": "reasoning", "id": item_id, "summary": summary, "encrypted_content": encrypted}
        items.append(item | ({"content": contents} if contents else {}))
    return items


def _contents(parts: Sequence[TextPart | ImagePart | FilePart]) -> list[dict[str, Any]]:
    return [_content(part) for part in parts]


def _content(part: TextPart | ImagePart | FilePart) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "input_text", "text": part.text}
    if isinstance(part, ImagePart):
        return {"type": "input_image", "image_url": part.image_url.url, "detail": part.image_url.detail or "auto"}
    return {"type": "input_file"} | _file(part.file)


def _file(file: File) -> dict[str, Any]:
    """Returns a file by address, or with its content; that must have a name, whose ending says what it is."""
    if file.file_url is not None:
        return {"file_url": file.file_url}
    data = file.file_data or ""
    return {"file_data": data, "filename": file.filename or f"file{mimetypes.guess_extension(media_type(data)) or ''}"}
