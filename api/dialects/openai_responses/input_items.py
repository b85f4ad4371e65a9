"""The input of a generation as a list of items (API reference: "List input items")."""

from collections.abc import Iterator
from typing import Any

from api.dialects.openai_responses.items import ID_PREFIXES
from api.dialects.openai_responses.resource import echoed
from api.viewing.dialect import Subject


def input_items(subject: Subject, request: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the items of a stored native request, in order, each with an id; instructions are none of them."""
    messages = request.get("messages") or []
    if echoed(subject).get("instructions") and messages and messages[0].get("role") == "system":
        messages = messages[1:]
    items = [item for message in messages for item in _items(message)]
    tail = subject.id.removeprefix("gen_")
    return [{"id": f"{_PREFIXES[item['type']]}{tail}_in_{at}", **item} for at, item in enumerate(items)]


_PREFIXES = ID_PREFIXES | {"function_call_output": "fco_"}


def _items(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    role, content = message.get("role"), message.get("content")
    if role == "tool":
        output = content if isinstance(content, str) else [_content(part) for part in content or ()]
        yield {
            "type": "function_call_output", "status": "completed", "call_id": message.get("tool_call_id"),
            "output": output,
        }  # fmt: skip
    elif role == "assistant":
        yield from _answer(message)
    else:
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        yield _message(str(role), [_content(part) for part in parts])


def _message(role: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "message", "status": "completed", "role": role, "content": content}


def _answer(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields the items of an earlier answer in their order, by `part`."""
    said: list[tuple[int, dict[str, Any]]] = []
    for thought in message.get("reasoning") or ():
        summary = [{"type": "summary_text", "text": thought["text"]}] if thought.get("text") else []
        if summary:
            said.append((thought.get("part", 0), {"type": "reasoning", "status": "completed", "summary": summary}))
    content = message.get("content")
    texts = [{"text": content}] if isinstance(content, str) and content else content or []
    for text in texts if isinstance(texts, list) else ():
        shown = {"type": "output_text", "text": text.get("text", ""), "annotations": [], "logprobs": []}
        said.append((text.get("part", 0), _message("assistant", [shown])))
    if refusal := message.get("refusal"):
        said.append((0, _message("assistant", [{"type": "refusal", "refusal": refusal}])))
    for call in message.get("tool_calls") or ():
        function = call["function"]
        fields = {"call_id": call["id"], "name": function["name"], "arguments": function["arguments"]}
        said.append((call.get("part", 0), {"type": "function_call", "status": "completed", **fields}))
    yield from (item for _, item in sorted(said, key=lambda entry: entry[0]))


def _content(part: dict[str, Any]) -> dict[str, Any]:
    match part.get("type"):
        case "image_url":
            image = part["image_url"]
            return {"type": "input_image", "image_url": image["url"], "detail": image.get("detail") or "auto"}
        case "file":
            return {"type": "input_file", **part["file"]}
    return {"type": "input_text", "text": part.get("text", "")}
