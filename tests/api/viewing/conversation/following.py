"""A conversation as tests make and follow it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from tests.api.harness import BODY, Api, Message, Producer, Viewing, whole

CHAT = "a chat/1"
ADDRESS = "/v1/conversations/a%20chat%2F1/events"


async def ask(api: Api, conversation: str = CHAT, **fields: Any) -> str:
    """A new generation of the conversation."""
    return await api.post(BODY | {"conversation": conversation} | fields)


async def begin(api: Api, generation_id: str | None = None) -> Producer:
    """One that a worker has begun."""
    return await Producer.start(api.log, generation_id or await ask(api))


async def ended(api: Api, words: int = 2, generation_id: str | None = None) -> str:
    """One that has completed."""
    producer = await begin(api, generation_id)
    await producer.say(*(f"word{number} " for number in range(words)))
    await producer.complete()
    return producer.generation_id


@contextlib.asynccontextmanager
async def follow(api: Api, cursor: str | None = None, address: str = ADDRESS) -> AsyncIterator[Viewing]:
    """Follow it; leaving the block cuts the connection."""
    headers = {"Last-Event-ID": cursor} if cursor is not None else {}
    async with api.client.stream("GET", address, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield Viewing(response)


def at(generation_id: str, event_id: object = "0-0") -> str:
    """The cursor behind an event of a generation."""
    return f"{generation_id.removeprefix('gen_')}.{event_id}"


async def told(api: Api, generation_id: str, *, whole_log: bool = True) -> list[Message]:
    """A turn as a viewer must see it: its beginning, and its log or that's last event."""
    record = (await api.generations.find(generation_id)).record
    assert record is not None
    number = api.generations.conversations.generations("local", record.conversation or "")
    numbers = {turn.id: turn.number for turn in await number}
    data = {
        "generation": generation_id,
        "number": numbers[generation_id],
        "previous": record.previous,
        "model": record.model,
        "created": (await api.client.get(f"/v1/generations/{generation_id}")).json()["created"],
    }
    beginning = Message(at(generation_id), "generation", json.dumps(data, separators=(",", ":")).encode())
    log = [message._replace(id=at(generation_id, message.id)) for message in await whole(api.log, generation_id)]
    return [beginning, *(log if whole_log else log[-1:])]


async def all_told(api: Api, ids: Sequence[str], *, whole_logs: bool = True) -> list[Message]:
    """The same of several turns, in their order."""
    return [message for each in ids for message in await told(api, each, whole_log=whole_logs)]


def named(message: Message) -> tuple[str, Any]:
    """What an event without an id is called, and the generation that it names."""
    assert message.id is None
    return message.event, json.loads(message.data).get("generation")
