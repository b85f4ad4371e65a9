"""pydantic-ai over each dialect, as its documentation has it."""

# mypy: disable-error-code="import-not-found, unused-ignore, no-any-return, no-untyped-call, attr-defined"
from __future__ import annotations

import asyncio
from typing import Any

from pydantic import BaseModel
from pydantic_ai import Agent, DeferredToolRequests, ExternalToolset, NativeOutput, ToolDefinition
from pydantic_ai.models.anthropic import AnthropicModel, AnthropicModelSettings
from pydantic_ai.models.openai import (
    OpenAIChatModel,
    OpenAIChatModelSettings,
    OpenAIResponsesModel,
    OpenAIResponsesModelSettings,
)
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from tasks import PLACE, RESULT, TOOLS, Seen, Task, run


class Weather(BaseModel):
    """What is asked for where the answer is to have a structure."""

    city: str
    degrees: int


SETTINGS: dict[str, Any] = {
    "chat": OpenAIChatModelSettings(openai_reasoning_effort="low"),
    "responses": OpenAIResponsesModelSettings(openai_reasoning_effort="low", openai_reasoning_summary="auto"),
    "messages": AnthropicModelSettings(anthropic_thinking={"type": "enabled", "budget_tokens": 1024}, max_tokens=4096),
}


def model_of(task: Task) -> Any:
    if task["dialect"] == "messages":
        # It knows by a model's name what that model can do, and asks others for no structures.
        able = {"profile": {"supports_json_schema_output": True}} if task["do"] == "parse" else {}
        at = AnthropicProvider(base_url=task["url"], api_key=task["key"])
        return AnthropicModel(task["model"], provider=at, **able)
    kind = OpenAIChatModel if task["dialect"] == "chat" else OpenAIResponsesModel
    provider = OpenAIProvider(base_url=f"{task['url']}/v1", api_key=task["key"])
    return kind(task["model"], provider=provider)


def agent_of(task: Task, **more: Any) -> Any:
    settings = SETTINGS[task["dialect"]] if task.get("reasoning") else None
    if task.get("tools"):
        definitions = [ToolDefinition(name=name, parameters_json_schema=PLACE) for name in TOOLS]
        more |= {"toolsets": [ExternalToolset(definitions)], "output_type": [str, DeferredToolRequests]}
    return Agent(model_of(task), model_settings=settings, **more)


def response(answer: Any, seen: Seen) -> None:
    seen |= {"id": answer.provider_response_id, "finish": answer.finish_reason, "model": answer.model_name}
    seen |= {"text": answer.text or "", "reasoning": answer.thinking or "", "ended": True}
    seen["usage"] = [answer.usage.input_tokens, answer.usage.output_tokens]
    seen["calls"] = [[call.tool_name, call.args_as_dict()] for call in answer.tool_calls]


async def create(task: Task, seen: Seen) -> None:
    result = await agent_of(task).run(task["prompt"])
    response(result.response, seen)


async def stream(task: Task, seen: Seen) -> None:
    pieces = 0
    async with agent_of(task).run_stream(task["prompt"]) as result:
        async for answer in result.stream_response(debounce_by=None):
            seen["text"] = answer.text or ""
            pieces += 1
            if seen["text"] and pieces > task.get("leave", 1 << 40):
                seen["id"] = answer.provider_response_id
                return
        response(answer, seen)


async def parse(task: Task, seen: Seen) -> None:
    result = await agent_of(task, output_type=NativeOutput(Weather)).run(task["prompt"])
    seen |= {"parsed": result.output.model_dump(), "ended": True}


async def loop(task: Task, seen: Seen) -> None:
    def look_up(query: str) -> str:
        """Look something up."""
        seen["calls"].append(["look_up", {"query": query}])
        return RESULT

    result = await agent_of(task, tools=[look_up]).run(task["prompt"])
    seen |= {"text": result.output, "ended": True}


def program(task: Task, seen: Seen) -> None:
    """One behaviour in one dialect."""
    asyncio.run(globals()[task["do"]](task, seen))


if __name__ == "__main__":
    run(program)
