"""One question in each protocol, through its SDK, and what came in one shape."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import quote

import anthropic
import openai
from google import genai
from google.genai.types import GenerateContentConfig

PROTOCOLS = ("chat", "responses", "messages", "gemini")
PROMPT = "Why is the sky blue?"
FAST = "demo?rate=0"


class Said(NamedTuple):
    """An answer, whatever the protocol: texts in their pieces, and calls as name and arguments."""

    reasoning: list[str]
    text: list[str]
    calls: list[tuple[str, Any]]
    finish: str | None

    @property
    def whole(self) -> tuple[str, str, list[tuple[str, Any]]]:
        return "".join(self.reasoning), "".join(self.text), self.calls


class Asked(NamedTuple):
    prompt: str = PROMPT
    tools: tuple[str, ...] = ()
    choice: str | None = None
    """`none`, `required` or the name of a tool."""
    result: bool = False
    """The tool was called, and its result is the last message."""
    model: str = FAST
    stream: bool = True


Ask = Callable[[Asked], Awaitable[Said]]
NAME, ARGUMENTS = "get_weather", '{"city": "Berlin"}'


async def over_chat(client: openai.AsyncOpenAI, asked: Asked) -> Said:
    history: list[Any] = [{"role": "user", "content": asked.prompt}]
    if asked.result:
        function = {"name": NAME, "arguments": ARGUMENTS}
        history.append({"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": function}]})
        history.append({"role": "tool", "tool_call_id": "c", "content": "sunny"})
    options: dict[str, Any] = {"model": asked.model, "messages": history}
    if asked.tools:
        options["tools"] = [{"type": "function", "function": {"name": name}} for name in asked.tools]
    if asked.choice is not None:
        named = {"type": "function", "function": {"name": asked.choice}}
        options["tool_choice"] = asked.choice if asked.choice in ("none", "required") else named
    if not asked.stream:
        (choice,) = (await client.chat.completions.create(**options)).choices
        message: Any = choice.message
        calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()]
        return Said([message.reasoning_content], [message.content or ""], calls, choice.finish_reason)
    chunks = [chunk async for chunk in await client.chat.completions.create(**options, stream=True)]
    deltas: list[Any] = [chunk.choices[0].delta for chunk in chunks]
    pieces = [call for delta in deltas for call in delta.tool_calls or ()]
    arguments = "".join(piece.function.arguments or "" for piece in pieces)
    return Said(
        [thought for delta in deltas if (thought := getattr(delta, "reasoning_content", None)) is not None],
        [delta.content for delta in deltas[1:] if delta.content is not None],
        [(piece.function.name, json.loads(arguments)) for piece in pieces if piece.id],
        chunks[-1].choices[0].finish_reason,
    )


async def over_responses(client: openai.AsyncOpenAI, asked: Asked) -> Said:
    history: list[Any] = [{"role": "user", "content": asked.prompt}]
    if asked.result:
        history.append({"type": "function_call", "call_id": "c", "name": NAME, "arguments": ARGUMENTS})
        history.append({"type": "function_call_output", "call_id": "c", "output": "sunny"})
    options: dict[str, Any] = {"model": asked.model, "input": history}
    if asked.tools:
        options["tools"] = [{"type": "function", "name": name} for name in asked.tools]
    if asked.choice is not None:
        named = {"type": "function", "name": asked.choice}
        options["tool_choice"] = asked.choice if asked.choice in ("none", "required") else named
    events: list[Any] = []
    if asked.stream:
        events = [event async for event in await client.responses.create(**options, stream=True)]
        response = events[-1].response
    else:
        response = await client.responses.create(**options)
    made = [item for item in response.output if item.type == "function_call"]
    calls = [(item.name, json.loads(item.arguments)) for item in made]
    if not asked.stream:
        thoughts = [part.text for item in response.output if item.type == "reasoning" for part in item.summary]
        return Said(thoughts, [response.output_text], calls, response.status)
    kinds = ("reasoning_summary_text", "output_text")
    reasoning, text = ([e.delta for e in events if e.type == f"response.{kind}.delta"] for kind in kinds)
    return Said(reasoning, text, calls, response.status)


async def over_messages(client: anthropic.AsyncAnthropic, asked: Asked) -> Said:
    history: list[Any] = [{"role": "user", "content": asked.prompt}]
    if asked.result:
        use = {"type": "tool_use", "id": "c", "name": NAME, "input": json.loads(ARGUMENTS)}
        history.append({"role": "assistant", "content": [use]})
        result = {"type": "tool_result", "tool_use_id": "c", "content": "sunny"}
        history.append({"role": "user", "content": [result]})
    options: dict[str, Any] = {"model": asked.model, "messages": history, "max_tokens": 4096}
    if asked.tools:
        options["tools"] = [{"name": name, "input_schema": {"type": "object"}} for name in asked.tools]
    if asked.choice is not None:
        words = {"none": {"type": "none"}, "required": {"type": "any"}}
        options["tool_choice"] = words.get(asked.choice, {"type": "tool", "name": asked.choice})
    reasoning: list[str] = []
    text: list[str] = []
    if asked.stream:
        async with client.messages.stream(**options) as stream:
            async for event in stream:
                if event.type == "content_block_delta" and event.delta.type == "thinking_delta":
                    reasoning.append(event.delta.thinking)
                elif event.type == "content_block_delta" and event.delta.type == "text_delta":
                    text.append(event.delta.text)
            message: Any = await stream.get_final_message()
    else:
        message = await client.messages.create(**options)
        reasoning = [block.thinking for block in message.content if block.type == "thinking"]
        text = [block.text for block in message.content if block.type == "text"]
    calls = [(block.name, block.input) for block in message.content if block.type == "tool_use"]
    return Said(reasoning, text, calls, message.stop_reason)


async def over_gemini(client: genai.Client, asked: Asked) -> Said:
    history: list[Any] = [{"role": "user", "parts": [{"text": asked.prompt}]}]
    if asked.result:
        call = {"function_call": {"id": "c", "name": NAME, "args": json.loads(ARGUMENTS)}}
        history.append({"role": "model", "parts": [call]})
        result = {"function_response": {"id": "c", "name": NAME, "response": {"output": "sunny"}}}
        history.append({"role": "user", "parts": [result]})
    config: dict[str, Any] = {}
    if asked.tools:
        config["tools"] = [{"function_declarations": [{"name": name} for name in asked.tools]}]
    if asked.choice is not None:
        modes = {"none": {"mode": "NONE"}, "required": {"mode": "ANY"}}
        calling = modes.get(asked.choice, {"mode": "ANY", "allowed_function_names": [asked.choice]})
        config["tool_config"] = {"function_calling_config": calling}
    options: dict[str, Any] = {
        "model": quote(asked.model, safe=""),
        "contents": history,
        "config": GenerateContentConfig.model_validate(config),
    }
    if asked.stream:
        answers = [chunk async for chunk in await client.aio.models.generate_content_stream(**options)]
    else:
        answers = [await client.aio.models.generate_content(**options)]
    candidates: list[Any] = [answer.candidates[0] for answer in answers if answer.candidates]
    parts = [part for candidate in candidates for part in candidate.content.parts]
    calls = [(part.function_call.name, part.function_call.args) for part in parts if part.function_call]
    if asked.stream:
        # The last chunk has an empty text, to carry the finish reason.
        assert parts.pop().text == ""
    return Said(
        [part.text for part in parts if part.thought],
        [part.text for part in parts if part.text is not None and not part.thought],
        calls,
        candidates[-1].finish_reason.value,
    )
