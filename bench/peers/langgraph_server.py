"""A graph of one node that streams the OpenAI SDK's chunks, for LangGraph's in-memory server (`langgraph dev`)."""

from __future__ import annotations

import os
from typing import Any, TypedDict

from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from openai import AsyncOpenAI

client = AsyncOpenAI(api_key="none", base_url=f"{os.environ['BENCH_SIMULATOR_URL']}/v1", max_retries=0, timeout=900.0)


class State(TypedDict):
    """What is asked, and the answer."""

    model: str
    text: str


async def answer(state: State) -> dict[str, str]:
    """Stream one answer."""
    write = get_stream_writer()
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "stream": True}
    said = []
    async for chunk in await client.chat.completions.create(model=state["model"], **asked):
        if chunk.choices and (text := chunk.choices[0].delta.content):
            said.append(text)
            write({"text": text})
    return {"text": "".join(said)}


builder = StateGraph(State)
builder.add_node("answer", answer)
builder.add_edge(START, "answer")
builder.add_edge("answer", END)
graph = builder.compile()
