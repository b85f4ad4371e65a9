"""LiteLLM's SDK over each dialect, as its documentation has it."""

# mypy: disable-error-code="import-not-found, unused-ignore, no-any-return, no-untyped-call, attr-defined"
from __future__ import annotations

import os
from typing import Any

from tasks import PLACE, RESULT, TOOLS, Seen, Task, arguments, run

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

litellm.telemetry = False
litellm.drop_params = True
ALL_TOOLS: list[Any] = [
    {"type": "function", "function": {"name": name, "description": name, "parameters": PLACE}} for name in TOOLS
]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}


def options_of(task: Task) -> dict[str, Any]:
    provider = {"chat": "openai/", "messages": "anthropic/", "responses": "openai/responses/"}[task["dialect"]]
    url = task["url"] if task["dialect"] == "messages" else f"{task['url']}/v1"
    messages = [{"role": "user", "content": task["prompt"]}]
    options = {"model": provider + task["model"], "messages": messages, "api_base": url, "api_key": task["key"]}
    if task.get("tools"):
        options |= {"tools": ALL_TOOLS}
    if task.get("reasoning"):
        options |= {"reasoning_effort": "low", "allowed_openai_params": ["reasoning_effort"]}
        if task["dialect"] == "messages":
            options |= {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4096}
            del options["reasoning_effort"]
    return options


def message(answer: Any, seen: Seen) -> None:
    choice = answer.choices[0]
    seen |= {"id": answer.id, "model": answer.model, "finish": choice.finish_reason, "ended": True}
    seen["text"] = choice.message.content or ""
    seen["reasoning"] = getattr(choice.message, "reasoning_content", None) or ""
    calls = choice.message.tool_calls or []
    seen["calls"] = [[call.function.name, arguments(call.function.arguments)] for call in calls]
    seen["usage"] = [answer.usage.prompt_tokens, answer.usage.completion_tokens]


def create(task: Task, seen: Seen) -> None:
    options = options_of(task)
    answer = litellm.completion(**options)
    message(answer, seen)
    said = answer.choices[0].message
    if said.tool_calls and task.get("next"):
        results = [{"role": "tool", "tool_call_id": call.id, "content": RESULT} for call in said.tool_calls]
        then = options_of(task | {"model": task["next"]})
        then["messages"] = [*options["messages"], said.model_dump(), *results]
        seen["after"] = litellm.completion(**then).choices[0].message.content


def stream(task: Task, seen: Seen) -> None:
    chunks = []
    for n, chunk in enumerate(
        litellm.completion(**options_of(task), stream=True, stream_options={"include_usage": True})
    ):
        chunks.append(chunk)
        seen["id"] = chunk.id
        for choice in chunk.choices:
            seen["text"] += choice.delta.content or ""
        if seen["text"] and n >= task.get("leave", 1 << 40):
            return
    message(litellm.stream_chunk_builder(chunks), seen)


def parse(task: Task, seen: Seen) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "Weather", "schema": SCHEMA, "strict": True}}
    answer = litellm.completion(**options_of(task), response_format=wanted)
    seen |= {"parsed": arguments(answer.choices[0].message.content), "ended": True}


def program(task: Task, seen: Seen) -> None:
    """One behaviour in one dialect."""
    globals()[task["do"]](task, seen)


if __name__ == "__main__":
    run(program)
