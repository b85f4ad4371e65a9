"""What one may go on from, and what that adds up to, without reading it."""

from __future__ import annotations

import msgspec
import pytest
from redis.asyncio import Redis

from shared.errors import PreviousError
from shared.generations.ancestry import MAX_ANCESTORS, Ancestry
from shared.generations.generations import Generations
from shared.log.events import Cancelled, Event, Failed
from shared.log.guarded_log import Log
from shared.record import MAX_NEAREST, Acceptance, Asked, Chain
from shared.request.limits import MAX_MESSAGES
from shared.storage.keys import GenerationKeys
from tests.contract.accepting import REQUEST, batch, claim, completed

MOST = 100_000
FAILED = Failed(code="provider_error", message="", retryable=False)


@pytest.fixture
def ancestry(generations: Generations) -> Ancestry:
    return Ancestry(generations)


async def accept(
    generations: Generations, generation_id: str, chain: Chain | None = None, asked: bytes = b"", owner: str = "me"
) -> str:
    await generations.accept(
        Acceptance(
            id=generation_id, owner=owner, model="p/m", request=REQUEST, asked=asked, on_interrupt="restart",
            ttl_ms=60_000, chain=chain,
        )
    )  # fmt: skip
    return generation_id


async def end(log: Log, generation_id: str, event: Event | None = None, said: int = 0) -> None:
    attempt = await claim(log, generation_id)
    sealing = batch(generation_id, attempt, 1, [event or completed()])
    await log.append(sealing._replace(said=said))


async def spoken(generations: Generations, log: Log, generation_id: str, chain: Chain, said: int = 10) -> str:
    await accept(generations, generation_id, chain)
    await end(log, generation_id, said=said)
    return generation_id


async def refused(ancestry: Ancestry, previous: str, *, size: int = 1, messages: int = 1) -> tuple[str, str]:
    with pytest.raises(PreviousError) as caught:
        await ancestry.extended(previous, "me", size=size, messages=messages, most=MOST)
    return caught.value.reason, caught.value.id


async def test_it_adds_up(ancestry: Ancestry, generations: Generations, log: Log) -> None:
    await spoken(generations, log, "gen_a", Chain(100, 2), said=30)
    second = await ancestry.extended("gen_a", "me", size=7, messages=1, most=MOST)
    assert second == Chain(137, 4, 1, ("gen_a",))
    await spoken(generations, log, "gen_b", second, said=0)
    third = await ancestry.extended("gen_b", "me", size=5, messages=2, most=MOST)
    assert third == Chain(142, 6, 2, ("gen_b", "gen_a"))


async def test_of_one_that_an_older_version_accepted_the_request_is_measured(
    ancestry: Ancestry, generations: Generations, log: Log
) -> None:
    await accept(generations, "gen_a")
    await end(log, "gen_a")
    assert await ancestry.extended("gen_a", "me", size=5, messages=1, most=MOST) == Chain(
        len(REQUEST) + 5, 2, 1, ("gen_a",)
    )


async def test_what_is_unknown_and_what_is_anothers_look_alike(
    ancestry: Ancestry, generations: Generations, log: Log
) -> None:
    await accept(generations, "gen_a", owner="you")
    await end(log, "gen_a")
    assert await refused(ancestry, "gen_a") == ("unknown", "gen_a")
    assert await refused(ancestry, "gen_none") == ("unknown", "gen_none")
    await generations.delete("you", "gen_a")
    assert await refused(ancestry, "gen_a") == ("unknown", "gen_a")


async def test_it_must_have_ended(ancestry: Ancestry, generations: Generations, log: Log) -> None:
    await accept(generations, "gen_a")
    assert await refused(ancestry, "gen_a") == ("not_ended", "gen_a")
    attempt = await claim(log, "gen_a")
    assert await refused(ancestry, "gen_a") == ("not_ended", "gen_a")
    await log.append(batch("gen_a", attempt, 1, [Cancelled()]))
    assert (await ancestry.extended("gen_a", "me", size=1, messages=1, most=MOST)).depth == 1
    await accept(generations, "gen_b")
    await end(log, "gen_b", FAILED)
    assert await refused(ancestry, "gen_b") == ("failed", "gen_b")


async def test_what_was_not_to_be_stored_is_not_gone_on_from(
    ancestry: Ancestry, generations: Generations, log: Log
) -> None:
    asked = msgspec.json.encode(Asked("openai-responses", "m", {"store": False}))
    await accept(generations, "gen_a", asked=asked)
    await end(log, "gen_a")
    assert await refused(ancestry, "gen_a") == ("not_stored", "gen_a")


async def test_what_is_deleted_is_gone_however_far_it_is(
    ancestry: Ancestry, generations: Generations, log: Log
) -> None:
    ids = await line(generations, log, MAX_NEAREST + 3)
    await generations.delete("me", ids[0])
    assert await refused(ancestry, ids[-1]) == ("gone", ids[0])
    await generations.delete("me", ids[-1])
    assert await refused(ancestry, ids[-1]) == ("gone", ids[-1])


async def test_anothers_in_the_line_is_as_good_as_gone(
    ancestry: Ancestry, generations: Generations, log: Log, redis: Redis
) -> None:
    ids = await line(generations, log, 3)
    await redis.hset(GenerationKeys(ids[0]).record, "owner", "you")  # type: ignore[misc]
    assert await refused(ancestry, ids[-1]) == ("gone", ids[0])


async def line(generations: Generations, log: Log, count: int) -> list[str]:
    """So many generations, each of which goes on from the one before it; the first is the oldest."""
    ids: list[str] = []
    for number in range(count):
        nearest = tuple(reversed(ids))[:MAX_NEAREST]
        ids.append(await spoken(generations, log, f"gen_{number}", Chain(1, 1, number, nearest)))
    return ids


@pytest.mark.parametrize("count", [1, 2, MAX_NEAREST, MAX_NEAREST + 1, MAX_NEAREST + 2, 2 * MAX_NEAREST + 5])
async def test_all_of_a_line_are_found_newest_first(
    ancestry: Ancestry, generations: Generations, log: Log, count: int
) -> None:
    ids = await line(generations, log, count)
    chain = await ancestry.extended(ids[-1], "me", size=1, messages=1, most=MOST)
    assert len(chain.nearest) == min(count, MAX_NEAREST)
    assert await ancestry.ids(chain.nearest, "me") == ids[::-1]


@pytest.mark.parametrize(
    ("before", "size", "messages"),
    [
        (Chain(MOST - 10, 1), 1, 1),
        (Chain(1, 1), MOST - 10, 1),
        (Chain(1, MAX_MESSAGES - 1), 1, 1),
        (Chain(1, 1), 1, MAX_MESSAGES - 1),
        (Chain(1, 1, MAX_ANCESTORS), 1, 1),
    ],
)
async def test_it_has_bounds(
    ancestry: Ancestry, generations: Generations, log: Log, before: Chain, size: int, messages: int
) -> None:
    await spoken(generations, log, "gen_a", before, said=10)
    assert await refused(ancestry, "gen_a", size=size, messages=messages) == ("too_long", "gen_a")


@pytest.mark.parametrize(
    ("before", "size", "messages"),
    [
        (Chain(MOST - 11, 1), 1, 1),
        (Chain(1, MAX_MESSAGES - 2), 1, 1),
        (Chain(1, 1, MAX_ANCESTORS - 1), 1, 1),
    ],
)
async def test_it_may_have_as_much(
    ancestry: Ancestry, generations: Generations, log: Log, before: Chain, size: int, messages: int
) -> None:
    await spoken(generations, log, "gen_a", before, said=10)
    await ancestry.extended("gen_a", "me", size=size, messages=messages, most=MOST)


async def test_a_line_that_bites_its_tail_ends(ancestry: Ancestry, generations: Generations, log: Log) -> None:
    """An id that a key makes is free again once its tombstone has expired."""
    await spoken(generations, log, "gen_a", Chain(1, 1, 1, ("gen_b",)))
    await spoken(generations, log, "gen_b", Chain(1, 1, 1, ("gen_a",)))
    assert (await refused(ancestry, "gen_a"))[0] == "too_long"


async def test_a_damaged_record_is_as_good_as_gone(
    ancestry: Ancestry, generations: Generations, log: Log, redis: Redis
) -> None:
    ids = await line(generations, log, 2)
    await redis.hset(GenerationKeys(ids[0]).record, "chain", "x")  # type: ignore[misc]
    assert await refused(ancestry, ids[-1]) == ("gone", ids[0])
