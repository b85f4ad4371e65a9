"""The renewal of a conversation: as long as it goes on, all of it is kept.

Its own keys are renewed with each turn. Its generations may be a thousand, and are kept a part of the time longer than
they must be (`Conversations.slack_ms`): so they are renewed once in that time at most, and none is gone too early.
"""

from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from shared.conversations.conversations import Conversations
from shared.storage.keys import ConversationKeys, GenerationKeys
from shared.storage.lua_script import LuaScript

AT_ONCE = 100
"""Generations that are renewed in one round trip."""


class Renewal:
    """Renews conversations. Methods raise redis.exceptions.RedisError."""

    _renew = LuaScript("shared/conversations/renew.lua")
    _extend = LuaScript("shared/conversations/extend.lua")

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations
        self._redis: Redis = conversations.redis

    async def renew(self, owner: str, conversation: str) -> int:
        """Keeps a conversation for as long as after a turn; returns how many of its generations were renewed too.

        Where it breaks off, they are renewed with the next turn.
        """
        ended = await self._ended(owner, conversation)
        began = await self._step(owner, conversation, ended)
        if began == 0:
            return 0
        places = await self._conversations.generations(owner, conversation)
        renewed = 0
        for start in range(0, len(places), AT_ONCE):
            renewed += await self._extend_all([place.id for place in places[start : start + AT_ONCE]])
        await self._step(owner, conversation, ended, renewed=began)
        return renewed

    async def _ended(self, owner: str, conversation: str) -> int | None:
        """Returns the number up to which all turns have ended; None where a turn never runs for longer than it is kept.

        Of a conversation that is kept for a shorter time than a turn may run, the end of one is not that of another.
        """
        if self._conversations.running_ms <= self._conversations.kept_ms:
            return None
        keys = ConversationKeys(owner, conversation)
        async with self._redis.pipeline(transaction=True) as pipe:  # they belong to one moment
            pipe.hget(keys.about, "last")
            pipe.zrange(keys.generations, 0, -1)
            last, ids = await pipe.execute()
        for start in range(0, len(ids), AT_ONCE):
            async with self._redis.pipeline(transaction=False) as pipe:
                for generation_id in ids[start : start + AT_ONCE]:
                    pipe.hmget(GenerationKeys(generation_id.decode()).record, ["state", "seal"])
                if any(state is not None and seal is None for state, seal in await pipe.execute()):
                    return 0
        return int(last or 0)

    async def _step(self, owner: str, conversation: str, ended: int | None, renewed: int = 0) -> int:
        """Renews the conversation's own keys; returns the time (ms) where its generations are to be renewed, else 0."""
        keys, conversations = ConversationKeys(owner, conversation), self._conversations
        kept_ms = conversations.kept_ms
        answer = await self._renew(
            self._redis,
            [keys.about, keys.generations, keys.tombstone],
            [
                *(kept_ms, conversations.running_ms, "" if ended is None else ended),
                *(conversations.tombstone_ms, conversations.slack_ms, renewed or ""),
            ],
        )
        if not await conversations.index.renew(owner, conversation):
            # Who noted it may have died between, or Redis lost that alone.
            await conversations.list_again(owner, conversation)
        return max(0, int(answer))

    async def _extend_all(self, generation_ids: Sequence[str]) -> int:
        try:
            return await self._extended(generation_ids)
        except NoScriptError:
            await self._extend.load(self._redis)
            return await self._extended(generation_ids)

    async def _extended(self, generation_ids: Sequence[str]) -> int:
        async with self._redis.pipeline(transaction=False) as pipe:
            for keys in map(GenerationKeys, generation_ids):
                self._extend.queue(pipe, [keys.record, keys.log, keys.tombstone], [self._conversations.kept_ms])
            return sum(await pipe.execute())
