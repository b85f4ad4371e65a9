"""Messages with Anthropic's SDK for Python, as its README has it."""

# mypy: disable-error-code="union-attr, import-not-found, unused-ignore, no-any-return, no-untyped-call, attr-defined"
from __future__ import annotations

import json
from typing import Any

from anthropic import Anthropic
from pydantic import BaseModel
from tasks import PLACE, RESULT, TOOLS, Seen, Task, arguments, cancel, resume, run

ALL_TOOLS: list[Any] = [{"name": name, "input_schema": PLACE} for name in TOOLS]


class Weather(BaseModel):
    """What is asked for where the answer is to have a structure."""

    city: str
    degrees: int


def options_of(task: Task) -> dict[str, Any]:
    messages: list[Any] = [{"role": "user", "content": task["prompt"]}] if task["prompt"] else []
    options: dict[str, Any] = {"model": task["model"], "messages": messages, "max_tokens": 4096}
    if task.get("tools"):
        options |= {"tools": ALL_TOOLS}
    if task.get("reasoning"):
        options |= {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    return options | task.get("options", {})


def message(answer: Any, seen: Seen) -> None:
    seen |= {"id": answer.id, "model": answer.model, "finish": answer.stop_reason, "ended": True}
    seen["text"] = "".join(block.text for block in answer.content if block.type == "text")
    seen["reasoning"] = "".join(block.thinking for block in answer.content if block.type == "thinking")
    seen["calls"] = [[block.name, block.input] for block in answer.content if block.type == "tool_use"]
    seen["usage"] = [
        answer.usage.input_tokens + (answer.usage.cache_read_input_tokens or 0),
        answer.usage.output_tokens,
    ]


def messages_create(client: Anthropic, task: Task, seen: Seen) -> None:
    options = options_of(task)
    answer = client.messages.create(**options)
    message(answer, seen)
    calls = [block for block in answer.content if block.type == "tool_use"]
    if task.get("next"):
        results: list[Any] = [{"type": "tool_result", "tool_use_id": call.id, "content": RESULT} for call in calls]
        said = {"role": "assistant", "content": answer.content}
        then = {"role": "user", "content": results or "And then?"}
        options |= {"model": task["next"], "messages": [*options["messages"], said, then]}
        seen["after"] = client.messages.create(**options).content[0].text


def messages_stream(client: Anthropic, task: Task, seen: Seen) -> None:
    calls: dict[int, list[str]] = {}
    stream = client.messages.create(**options_of(task), stream=True)
    for n, event in enumerate(stream):
        seen["last"] = n
        if event.type == "message_start":
            seen |= {"id": event.message.id, "model": event.message.model}
        elif event.type == "content_block_start" and event.content_block.type == "tool_use":
            calls[event.index] = [event.content_block.name, ""]
        elif event.type == "content_block_delta" and event.delta.type == "text_delta":
            seen["text"] += event.delta.text
        elif event.type == "content_block_delta" and event.delta.type == "thinking_delta":
            seen["reasoning"] += event.delta.thinking
        elif event.type == "content_block_delta" and event.delta.type == "input_json_delta":
            calls[event.index][1] += event.delta.partial_json
        elif event.type == "message_delta":
            used = event.usage
            seen |= {"finish": event.delta.stop_reason}
            seen["usage"] = [(used.input_tokens or 0) + (used.cache_read_input_tokens or 0), used.output_tokens]
        elif event.type == "message_stop":
            seen["ended"] = True
        if task.get("cancel") and seen["text"] and "cancelled" not in seen:
            seen["cancelled"] = cancel(task, seen["id"])
        if seen["text"] and n >= task.get("leave", 1 << 40):
            stream.close()
            return
    seen["calls"] = [[name, arguments(text)] for _, (name, text) in sorted(calls.items())]


def messages_helper(client: Anthropic, task: Task, seen: Seen) -> None:
    with client.messages.stream(**options_of(task)) as stream:
        seen["kinds"] = sorted({event.type for event in stream})
        message(stream.get_final_message(), seen)


def messages_parse(client: Anthropic, task: Task, seen: Seen) -> None:
    answer = client.messages.parse(**options_of(task), output_format=Weather)
    seen |= {"parsed": answer.parsed_output.model_dump(), "ended": True}


def messages_resume(client: Anthropic, task: Task, seen: Seen) -> None:
    messages_stream(client, task, seen)
    for data in resume(task, f"/v1/messages/{seen['id']}", seen["last"]):
        event = json.loads(data)
        if event["type"] == "content_block_delta":
            seen["text"] += event["delta"].get("text", "")
        elif event["type"] == "message_delta":
            used = event["usage"]
            seen |= {"finish": event["delta"]["stop_reason"]}
            read = (used.get("input_tokens") or 0) + (used.get("cache_read_input_tokens") or 0)
            seen["usage"] = [read, used["output_tokens"]]
        elif event["type"] == "message_stop":
            seen["ended"] = True


def messages_count(client: Anthropic, task: Task, seen: Seen) -> None:
    """Claude Code asks for it, and goes on where there is none."""
    options = options_of(task)
    del options["max_tokens"]
    client.messages.count_tokens(**options)


def program(task: Task, seen: Seen) -> None:
    """One behaviour."""
    client = Anthropic(base_url=task["url"], api_key=task["key"])
    globals()[f"{task['dialect']}_{task['do']}"](client, task, seen)


if __name__ == "__main__":
    run(program)
