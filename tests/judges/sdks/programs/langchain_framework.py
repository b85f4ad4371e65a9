"""LangChain over each dialect, as its documentation has it."""

# mypy: disable-error-code="import-not-found, unused-ignore, no-any-return, no-untyped-call, attr-defined"
from __future__ import annotations

import os
from typing import Any

from pydantic import BaseModel
from tasks import PLACE, RESULT, TOOLS, Seen, Task, run

os.environ["LANGSMITH_TRACING"] = "false"

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import ToolMessage
from langchain_openai import ChatOpenAI


class Weather(BaseModel):
    """What is asked for where the answer is to have a structure."""

    city: str
    degrees: int


ALL_TOOLS: list[Any] = [
    {"type": "function", "function": {"name": name, "description": name, "parameters": PLACE}} for name in TOOLS
]


def model_of(task: Task, **more: Any) -> Any:
    if task["dialect"] == "messages":
        if task.get("reasoning"):
            more |= {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4096}
        model: Any = ChatAnthropic(model=task["model"], base_url=task["url"], api_key=task["key"], **more)
    else:
        if task.get("reasoning"):
            more |= {"reasoning": {"effort": "low", "summary": "auto"}}
            if task["dialect"] == "chat":
                more = {"reasoning_effort": "low"}
        url, responses = f"{task['url']}/v1", task["dialect"] == "responses"
        model = ChatOpenAI(
            model=task["model"],
            base_url=url,
            api_key=task["key"],
            use_responses_api=responses,
            stream_usage=True,
            **more,
        )
    return model.bind_tools(ALL_TOOLS) if task.get("tools") else model


def message(answer: Any, seen: Seen) -> None:
    seen |= {"id": answer.response_metadata.get("id") or answer.id, "text": answer.text}
    blocks = [block for block in answer.content_blocks if block["type"] == "reasoning"]
    seen["reasoning"] = "".join(block.get("reasoning", "") for block in blocks)
    seen["calls"] = [[call["name"], call["args"]] for call in answer.tool_calls]
    facts = answer.response_metadata
    seen["finish"] = facts.get("finish_reason") or facts.get("stop_reason") or facts.get("status")
    seen["model"] = facts.get("model_name")
    seen["ended"] = seen["finish"] is not None
    if answer.usage_metadata:
        seen["usage"] = [answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]]


def create(task: Task, seen: Seen) -> None:
    question = ("user", task["prompt"])
    answer = model_of(task).invoke([question])
    message(answer, seen)
    if task.get("next"):
        results = [ToolMessage(RESULT, tool_call_id=call["id"]) for call in answer.tool_calls]
        then = model_of(task | {"model": task["next"]})
        seen["after"] = then.invoke([question, answer, *(results or [("user", "And then?")])]).text


def stream(task: Task, seen: Seen) -> None:
    whole = None
    for n, chunk in enumerate(model_of(task).stream([("user", task["prompt"])])):
        seen["text"] += chunk.text
        whole = chunk if whole is None else whole + chunk
        if seen["text"] and n >= task.get("leave", 1 << 40):
            seen["id"] = whole.response_metadata.get("id") or whole.id
            return
    message(whole, seen)


def parse(task: Task, seen: Seen) -> None:
    answer = model_of(task).with_structured_output(Weather, method="json_schema").invoke(task["prompt"])
    seen |= {"parsed": answer.model_dump(), "ended": True}


def program(task: Task, seen: Seen) -> None:
    """One behaviour in one dialect."""
    globals()[task["do"]](task, seen)


if __name__ == "__main__":
    run(program)
