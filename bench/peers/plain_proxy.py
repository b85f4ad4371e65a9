"""The proxy that tutorials teach: FastAPI's StreamingResponse around a loop over the OpenAI SDK. Nothing survives.

BENCH_SIMULATOR_URL=… uvicorn bench.peers.plain_proxy:app
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Body, FastAPI
from fastapi.responses import StreamingResponse
from openai import AsyncOpenAI

app = FastAPI()
client = AsyncOpenAI(api_key="none", base_url=f"{os.environ['BENCH_SIMULATOR_URL']}/v1", max_retries=0, timeout=900.0)


@app.post("/chat")
async def chat(model: Annotated[str, Body(embed=True)]) -> StreamingResponse:
    """Answer as it comes."""
    return StreamingResponse(said(model), media_type="text/event-stream")


async def said(model: str) -> AsyncIterator[str]:
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "stream": True}
    async for chunk in await client.chat.completions.create(model=model, **asked):
        # Only the text, as the shorter tutorials do: the whole chunk as JSON would cost more.
        if chunk.choices and (text := chunk.choices[0].delta.content):
            yield f"data: {json.dumps({'text': text})}\n\n"
    yield "data: [DONE]\n\n"
