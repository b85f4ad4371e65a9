"""Ancestry: the generations that one goes on from, by the `previous` of each, back to the first.

Each record says what its chain adds up to (`shared.record.Chain`), so that a request is accepted without reading one.
"""

from collections.abc import Sequence

from shared.errors import PreviousError
from shared.generations.generations import Existence, Found, Generations
from shared.record import MAX_NEAREST, Chain, Record
from shared.request.limits import MAX_MESSAGES
from shared.storage.keys import GenerationKeys

MAX_ANCESTORS = 1_000
"""Generations that one may go on from, in a row."""


class Ancestry:
    """Finds and measures chains. Methods raise PreviousError and redis.exceptions.RedisError."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations

    async def extended(self, previous: str, owner: str, *, size: int, messages: int, most: int) -> Chain:
        """Returns the chain of a request of so many bytes and messages that goes on from `previous`.

        `most` is how many bytes all requests and answers of it may have together.
        """
        record = _ended(await self._generations.find(previous), previous, owner)
        if not (await self._generations.asked(previous)).stored:
            raise PreviousError("not_stored", previous)
        before = record.chain or Chain(len(await self._generations.request(previous)), 1)
        await self.ids(before.nearest, owner)
        chain = Chain(
            before.size + record.said + size,
            before.messages + (record.said > 0) + messages,
            before.depth + 1,
            (previous, *before.nearest)[:MAX_NEAREST],
        )
        if chain.size > most or chain.messages > MAX_MESSAGES or chain.depth > MAX_ANCESTORS:
            raise PreviousError("too_long", previous)
        return chain

    async def ids(self, nearest: Sequence[str], owner: str) -> list[str]:
        """Returns all ids of a chain, the newest first, given those that a record names; it reads no request."""
        found: list[str] = []
        while nearest:
            async with self._generations.redis.pipeline(transaction=False) as pipe:
                for generation_id in nearest:
                    pipe.hget(GenerationKeys(generation_id).record, "owner")
                pipe.hget(GenerationKeys(nearest[-1]).record, "chain")
                *owners, chain = await pipe.execute()
            for generation_id, its_owner in zip(nearest, owners, strict=True):
                if its_owner != owner.encode():
                    raise PreviousError("gone", generation_id)
            found += nearest
            if len(found) > MAX_ANCESTORS:
                raise PreviousError("too_long", nearest[-1])
            nearest = _nearest(nearest[-1], chain)
        return found


def _nearest(generation_id: str, chain: bytes | None) -> Sequence[str]:
    try:
        return Chain.parse(chain).nearest if chain else ()
    except ValueError:
        raise PreviousError("gone", generation_id) from None


def _ended(found: Found, previous: str, owner: str) -> Record:
    """Returns the record of a generation that this owner may go on from. Raises PreviousError."""
    if found.existence is Existence.NOTHING or found.owner != owner:
        raise PreviousError("unknown", previous)
    if found.record is None:
        raise PreviousError("gone", previous)
    if found.record.seal is None:
        raise PreviousError("not_ended", previous)
    if found.record.state == "failed":
        raise PreviousError("failed", previous)
    return found.record
