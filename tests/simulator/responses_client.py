"""Background responses through the official SDK: begun, read, taken up again, and waited for."""

import asyncio
import time
from typing import Any

import openai

USER = "Say something of forty characters, please"


async def begin(client: openai.AsyncOpenAI, model: str, **options: Any) -> Any:
    return await client.responses.create(model=model, input=USER, background=True, **options)


async def read(stream: Any) -> list[Any]:
    """The events until the stream ends or breaks."""
    events: list[Any] = []
    try:
        async for event in stream:
            events.append(event)
    except (openai.APIError, ValueError):
        pass
    return events


async def retrieved(client: openai.AsyncOpenAI, id: str, after: int | None = None) -> list[Any]:
    options: dict[str, Any] = {} if after is None else {"starting_after": after}
    return await read(await client.responses.retrieve(id, stream=True, **options))


def numbers(events: list[Any]) -> list[int]:
    return [event.sequence_number for event in events]


async def until(client: openai.AsyncOpenAI, id: str, *statuses: str) -> Any:
    deadline = time.monotonic() + 10
    while (response := await client.responses.retrieve(id)).status not in statuses:
        assert time.monotonic() < deadline, response.status
        await asyncio.sleep(0.005)
    return response
