"""Chat Completions and Responses with OpenAI's SDK for Python, as its README has it."""

# mypy: disable-error-code="union-attr, import-not-found, unused-ignore, no-any-return, no-untyped-call, attr-defined"
from __future__ import annotations

import json
from typing import Any

from openai import OpenAI
from pydantic import BaseModel
from tasks import PLACE, RESULT, TOOLS, Seen, Task, arguments, cancel, resume, run


class Weather(BaseModel):
    """What is asked for where the answer is to have a structure."""

    city: str
    degrees: int


CHAT_TOOLS: list[Any] = [{"type": "function", "function": {"name": name, "parameters": PLACE}} for name in TOOLS]
RESPONSES_TOOLS: list[Any] = [{"type": "function", "name": name, "parameters": PLACE, "strict": True} for name in TOOLS]


def chat_options(task: Task) -> dict[str, Any]:
    messages: list[Any] = [{"role": "user", "content": task["prompt"]}] if task["prompt"] else []
    options: dict[str, Any] = {"model": task["model"], "messages": messages}
    if task.get("tools"):
        options |= {"tools": CHAT_TOOLS}
    if task.get("reasoning"):
        options |= {"reasoning_effort": "low"}
    return options | task.get("options", {})


def chat_message(message: Any, seen: Seen) -> None:
    seen["text"] = message.content or ""
    seen["reasoning"] = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None) or ""
    seen["calls"] = [[call.function.name, arguments(call.function.arguments)] for call in message.tool_calls or []]


def chat_usage(usage: Any, seen: Seen) -> None:
    if usage is not None:
        seen["usage"] = [usage.prompt_tokens, usage.completion_tokens]


def chat_create(client: OpenAI, task: Task, seen: Seen) -> None:
    options = chat_options(task)
    answer = client.chat.completions.create(**options)
    choice = answer.choices[0]
    seen |= {"id": answer.id, "model": answer.model, "finish": choice.finish_reason, "ended": True}
    chat_message(choice.message, seen)
    chat_usage(answer.usage, seen)
    if choice.message.tool_calls and task.get("next"):
        results = [{"role": "tool", "tool_call_id": c.id, "content": RESULT} for c in choice.message.tool_calls]
        options |= {"model": task["next"], "messages": [*options["messages"], choice.message, *results]}
        seen["after"] = client.chat.completions.create(**options).choices[0].message.content


def chat_stream(client: OpenAI, task: Task, seen: Seen) -> None:
    calls: dict[int, list[str]] = {}
    stream = client.chat.completions.create(**chat_options(task), stream=True, stream_options={"include_usage": True})
    for n, chunk in enumerate(stream):
        seen |= {"id": chunk.id, "model": chunk.model, "last": n}
        chat_usage(chunk.usage, seen)
        for choice in chunk.choices:
            delta = choice.delta
            seen["text"] += delta.content or ""
            seen["reasoning"] += getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None) or ""
            for part in delta.tool_calls or []:
                call = calls.setdefault(part.index, ["", ""])
                call[0] += (part.function and part.function.name) or ""
                call[1] += (part.function and part.function.arguments) or ""
            if choice.finish_reason:
                seen |= {"finish": choice.finish_reason, "ended": True}
        if task.get("cancel") and seen["text"] and "cancelled" not in seen:
            seen["cancelled"] = cancel(task, seen["id"])
        if seen["text"] and n >= task.get("leave", 1 << 40):
            stream.close()
            return
    seen["calls"] = [[name, arguments(text)] for _, (name, text) in sorted(calls.items())]


def chat_helper(client: OpenAI, task: Task, seen: Seen) -> None:
    if not hasattr(client.chat.completions, "stream"):
        chat_stream(client, task, seen)
        return
    with client.chat.completions.stream(**chat_options(task), stream_options={"include_usage": True}) as stream:
        seen["kinds"] = sorted({event.type for event in stream})
        answer = stream.get_final_completion()
    seen |= {"id": answer.id, "finish": answer.choices[0].finish_reason, "ended": True}
    chat_message(answer.choices[0].message, seen)
    chat_usage(answer.usage, seen)


def chat_parse(client: OpenAI, task: Task, seen: Seen) -> None:
    answer = client.chat.completions.parse(**chat_options(task), response_format=Weather)
    seen |= {"parsed": answer.choices[0].message.parsed.model_dump(), "ended": True}


def chat_resume(client: OpenAI, task: Task, seen: Seen) -> None:
    chat_stream(client, task, seen)
    for data in resume(task, f"/v1/chat/completions/{seen['id']}", seen["last"]):
        chunk = json.loads(data)
        for choice in chunk["choices"]:
            seen["text"] += choice["delta"].get("content") or ""
            if choice["finish_reason"]:
                seen |= {"finish": choice["finish_reason"], "ended": True}
        if chunk.get("usage"):
            seen["usage"] = [chunk["usage"]["prompt_tokens"], chunk["usage"]["completion_tokens"]]


def responses_options(task: Task) -> dict[str, Any]:
    items: list[Any] = [{"role": "user", "content": task["prompt"]}] if task["prompt"] else []
    options: dict[str, Any] = {"model": task["model"], "input": items}
    if task.get("tools"):
        options |= {"tools": RESPONSES_TOOLS}
    if task.get("reasoning"):
        options |= {"reasoning": {"effort": "low", "summary": "auto"}}
    return options | task.get("options", {})


def response(answer: Any, seen: Seen) -> None:
    seen |= {"id": answer.id, "model": answer.model, "finish": answer.status, "ended": answer.status == "completed"}
    seen |= {"text": answer.output_text, "calls": [], "reasoning": ""}
    for item in answer.output:
        if item.type == "function_call":
            seen["calls"].append([item.name, arguments(item.arguments)])
        if item.type == "reasoning":
            seen["reasoning"] += "".join(part.text for part in [*item.summary, *(getattr(item, "content", None) or [])])
    if answer.usage is not None:
        seen["usage"] = [answer.usage.input_tokens, answer.usage.output_tokens]


def responses_create(client: OpenAI, task: Task, seen: Seen) -> None:
    options = responses_options(task)
    answer = client.responses.create(**options)
    response(answer, seen)
    calls = [item for item in answer.output if item.type == "function_call"]
    if calls and task.get("next"):
        results = [{"type": "function_call_output", "call_id": call.call_id, "output": RESULT} for call in calls]
        options |= {"model": task["next"], "input": [*options["input"], *answer.output, *results]}
        seen["after"] = client.responses.create(**options).output_text


def responses_events(client: OpenAI, stream: Any, task: Task, seen: Seen) -> None:
    calls = {}
    for event in stream:
        seen["last"] = event.sequence_number
        if event.type == "response.created":
            seen |= {"id": event.response.id, "model": event.response.model}
        elif event.type == "response.output_text.delta":
            seen["text"] += event.delta
        elif event.type in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
            seen["reasoning"] += event.delta
        elif event.type == "response.output_item.done" and event.item.type == "function_call":
            calls[event.output_index] = [event.item.name, arguments(event.item.arguments)]
        elif event.type in ("response.completed", "response.incomplete", "response.failed", "response.cancelled"):
            final: Seen = {}
            response(event.response, final)
            seen |= {name: final[name] for name in ("finish", "ended", "usage") if name in final}
            seen["agrees"] = final["text"] == seen["text"]
        if task.get("cancel") and seen["text"] and "cancelled" not in seen:
            seen["cancelled"] = client.responses.cancel(seen["id"]).status
        if seen["text"] and seen["last"] >= task.get("leave", 1 << 40):
            stream.close()
            return
    seen["calls"] = [call for _, call in sorted(calls.items())]


def responses_stream(client: OpenAI, task: Task, seen: Seen) -> None:
    stream = client.responses.create(**responses_options(task), stream=True)
    responses_events(client, stream, task, seen)


def responses_helper(client: OpenAI, task: Task, seen: Seen) -> None:
    with client.responses.stream(**responses_options(task)) as stream:
        seen["kinds"] = sorted({event.type for event in stream})
        response(stream.get_final_response(), seen)


def responses_parse(client: OpenAI, task: Task, seen: Seen) -> None:
    answer = client.responses.parse(**responses_options(task), text_format=Weather)
    seen |= {"parsed": answer.output_parsed.model_dump(), "ended": True}


def responses_resume(client: OpenAI, task: Task, seen: Seen) -> None:
    responses_stream(client, task, seen)
    for data in resume(task, f"/v1/responses/{seen['id']}", seen["last"]):
        event = json.loads(data)
        if event["type"] == "response.output_text.delta":
            seen["text"] += event["delta"]
        elif event["type"] == "response.completed":
            usage = event["response"]["usage"]
            seen |= {"finish": event["response"]["status"], "ended": True}
            seen |= {"usage": [usage["input_tokens"], usage["output_tokens"]]}


def responses_retrieve(client: OpenAI, task: Task, seen: Seen) -> None:
    """The SDK's own way to resume."""
    responses_stream(client, task, seen)
    stream = client.responses.retrieve(seen["id"], stream=True, starting_after=seen["last"])
    responses_events(client, stream, task | {"leave": 1 << 40}, seen)


def program(task: Task, seen: Seen) -> None:
    """One behaviour in one dialect."""
    client = OpenAI(base_url=f"{task['url']}/v1", api_key=task["key"])
    globals()[f"{task['dialect']}_{task['do']}"](client, task, seen)


if __name__ == "__main__":
    run(program)
