"""The plain proxy, with sse-starlette's response in the place of StreamingResponse.

BENCH_SIMULATOR_URL=… uvicorn bench.peers.sse_starlette_proxy:app
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Body, FastAPI
from openai import AsyncOpenAI
from sse_starlette.sse import EventSourceResponse

app = FastAPI()
client = AsyncOpenAI(api_key="none", base_url=f"{os.environ['BENCH_SIMULATOR_URL']}/v1", max_retries=0, timeout=900.0)


@app.post("/chat")
async def chat(model: Annotated[str, Body(embed=True)]) -> EventSourceResponse:
    """Answer as it comes."""
    return EventSourceResponse(said(model))


async def said(model: str) -> AsyncIterator[dict[str, str]]:
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "stream": True}
    async for chunk in await client.chat.completions.create(model=model, **asked):
        if chunk.choices and (text := chunk.choices[0].delta.content):
            yield {"data": json.dumps({"text": text})}
    yield {"data": "[DONE]"}
