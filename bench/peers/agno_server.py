"""agno's AgentOS with one agent, whose runs are resumable: `background=true&stream=true`, runs kept in memory.

BENCH_SIMULATOR_URL=… uvicorn bench.peers.agno_server:app
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

from agno.agent import Agent
from agno.db.in_memory import InMemoryDb
from agno.models.openai import OpenAIChat
from agno.os import AgentOS
from openai import AsyncOpenAI

client = AsyncOpenAI(api_key="none", base_url=f"{os.environ['BENCH_SIMULATOR_URL']}/v1", max_retries=0, timeout=900.0)


class Asked(OpenAIChat):  # type: ignore[misc]
    """The model that the message names: an agent's own is the same for all its runs."""

    async def ainvoke_stream(self, messages: list[Any], *args: Any, **named: Any) -> AsyncIterator[Any]:
        """Stream as the named model's."""
        model = OpenAIChat(id=messages[-1].content, async_client=client)
        async for delta in model.ainvoke_stream(messages, *args, **named):
            yield delta


agent = Agent(id="bench", model=Asked(id="clock", async_client=client), db=InMemoryDb(), telemetry=False)
app = AgentOS(agents=[agent], telemetry=False).get_app()
