"""Ends a generation, or removes it: the same for every dialect that asks."""

import asyncio
from contextlib import suppress

from redis.exceptions import RedisError

from api.problems.problem import conversation_not_found, gone, not_found, unavailable
from api.services import ApiServices
from api.unsynced import ConversationEnding, Ending
from api.viewing.resume import refusal
from shared.backoff import Backoff
from shared.generations import conversation_removal
from shared.generations.generations import Existence
from shared.record import State

FIRST_LOOK_S = 0.005
"""Seconds after which it reads the record for the first time, which has some hundred bytes."""


async def cancel(use: ApiServices, id: str, owner: str) -> State:
    """Asks for the end, and returns how it stands soon after. Raises ProblemError 404, 410 or 503."""
    await use.record(id, owner)
    state = await use.generations.cancel(id)
    if state is None:
        raise gone()
    use.unsynced.remember(Ending("cancel", id, owner))
    if state in ("queued", "running"):
        state = await _end(use, id) or state
    return state


async def _end(use: ApiServices, id: str) -> State | None:
    """Returns how it ends within `cancel_wait_s`, None where not; by its record, as logs may be long."""
    loop = asyncio.get_running_loop()
    until = loop.time() + use.cancel_wait_s
    backoff = Backoff(first=FIRST_LOOK_S, cap=use.cancel_wait_s / 10)
    while loop.time() < until:
        await backoff.wait()
        with suppress(RedisError):  # a Redis that is away is waited for
            found = await use.generations.find(id)
            if found.existence is Existence.TOMBSTONE:
                raise gone()
            if found.record is not None and found.record.seal is not None:
                return found.record.state
    return None


async def delete(use: ApiServices, id: str, owner: str) -> None:
    """Removes the content at once; viewers are ended and the worker stops. Raises ProblemError 404 or 503."""
    if refusal(await use.generations.find(id), owner) == "not_found":
        await _check_lost(use)
        raise not_found()
    await use.generations.delete(owner, id)
    use.unsynced.remember(Ending("delete", id, owner))


async def _check_lost(use: ApiServices) -> None:
    """Raises ProblemError 503 where what Redis lacks may be written again: who hears 404 takes it for deleted."""
    if await use.just_restarted(sure=True):
        raise unavailable()


async def delete_conversation(use: ApiServices, name: str, owner: str) -> None:
    """Removes a conversation and the content of all its generations. Raises ProblemError 404 or 503."""
    conversations = use.generations.conversations
    if await conversations.find(owner, name) is None and not await conversations.ended(owner, name):
        await _check_lost(use)
        raise conversation_not_found()
    buried, ids = await conversation_removal.remove(use.generations, owner, name)
    for generation_id in ids:
        use.unsynced.remember(Ending("delete", generation_id, owner))
    if buried is not None:
        use.unsynced.remember(ConversationEnding(name, owner, buried))
