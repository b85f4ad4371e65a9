"""API nodes: which of them live, so that a retry knows whether an asker's connection can still be there."""

from collections.abc import Iterable

from redis.asyncio import Redis

from shared.storage.keys import api_node_key


class ApiNodes:
    """The beats of API nodes, on the logs' Redis. Methods raise redis.exceptions.RedisError."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def beat(self, node: str, number: int, seconds: float) -> bool:
        """Says that a node lives, for so many seconds; returns whether its beat before still counted.

        `number` differs from that of the beat before.
        """
        return await self._redis.set(api_node_key(node), number, px=int(seconds * 1000), get=True) is not None

    async def leave(self, node: str) -> None:
        """Says that a node is about to end, and has no connection any more."""
        await self._redis.pexpire(api_node_key(node), 1)

    async def beats(self, nodes: Iterable[str]) -> dict[str, bytes | None]:
        """Returns the last beat of each of these nodes; None for one that has not said in time that it lives."""
        names = list(nodes)
        if not names:
            return {}
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.get(api_node_key(name))
            return dict(zip(names, await pipe.execute(), strict=True))
