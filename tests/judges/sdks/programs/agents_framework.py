"""OpenAI's Agents SDK over Responses and Chat, as its documentation has it."""

# mypy: disable-error-code="import-not-found, unused-ignore, no-any-return, no-untyped-call, attr-defined"
# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import asyncio
import json
from typing import Any

from agents import (
    Agent,
    FunctionTool,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from openai.types.shared import Reasoning
from pydantic import BaseModel
from tasks import PLACE, RESULT, TOOLS, Seen, Task, run

set_tracing_disabled(True)


class Weather(BaseModel):
    """What is asked for where the answer is to have a structure."""

    city: str
    degrees: int


def agent_of(task: Task, seen: Seen, **more: Any) -> Any:
    client = AsyncOpenAI(base_url=f"{task['url']}/v1", api_key=task["key"])
    kind = OpenAIResponsesModel if task["dialect"] == "responses" else OpenAIChatCompletionsModel
    settings = ModelSettings(include_usage=True if task["dialect"] == "chat" else None)
    if task.get("reasoning"):
        settings.reasoning = Reasoning(effort="low", summary="auto")
    if task.get("tools"):
        more |= {"tools": [tool(name, seen) for name in TOOLS], "tool_use_behavior": "stop_on_first_tool"}
    return Agent(name="Agent", model=kind(model=task["model"], openai_client=client), model_settings=settings, **more)


def tool(name: str, seen: Seen) -> Any:
    async def invoke(_: Any, arguments: str) -> str:
        seen["calls"].append([name, json.loads(arguments)])
        return RESULT

    return FunctionTool(name=name, description=name, params_json_schema=PLACE, on_invoke_tool=invoke)


def ended(result: Any, seen: Seen) -> None:
    answer = result.raw_responses[0]
    said: list[str] = []
    thought: list[str] = []
    for item in answer.output:
        if item.type == "message":
            said += [part.text for part in item.content if part.type == "output_text"]
        elif item.type == "reasoning":
            thought += [part.text for part in [*item.summary, *(getattr(item, "content", None) or [])]]
    seen |= {"id": answer.response_id, "text": "".join(said), "reasoning": "".join(thought), "ended": True}
    seen["usage"] = [answer.usage.input_tokens, answer.usage.output_tokens]
    seen["calls"].sort(key=lambda call: TOOLS.index(call[0]))


async def create(task: Task, seen: Seen) -> None:
    ended(await Runner.run(agent_of(task, seen), task["prompt"]), seen)


async def stream(task: Task, seen: Seen) -> None:
    result = Runner.run_streamed(agent_of(task, seen), task["prompt"])
    n = 0
    async for event in result.stream_events():
        if event.type != "raw_response_event":
            continue
        n += 1
        if event.data.type == "response.created":
            seen["id"] = event.data.response.id
        if event.data.type == "response.output_text.delta":
            seen["text"] += event.data.delta
            if n >= task.get("leave", 1 << 40):
                result.cancel()
                return
    ended(result, seen)


async def parse(task: Task, seen: Seen) -> None:
    result = await Runner.run(agent_of(task, seen, output_type=Weather), task["prompt"])
    seen |= {"parsed": result.final_output.model_dump(), "ended": True}


async def loop(task: Task, seen: Seen) -> None:
    @function_tool
    def look_up(query: str) -> str:
        """Look something up."""
        seen["calls"].append(["look_up", {"query": query}])
        return RESULT

    result = await Runner.run(agent_of(task, seen, tools=[look_up]), task["prompt"])
    seen |= {"text": result.final_output, "ended": True}


def program(task: Task, seen: Seen) -> None:
    """One behaviour in one dialect."""
    asyncio.run(globals()[task["do"]](task, seen))


if __name__ == "__main__":
    run(program)
