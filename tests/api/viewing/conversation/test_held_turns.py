"""Turns that have not ended are held, the first of them, for as long as they run."""

from __future__ import annotations

from api.dialects.native.turns import TurnDialect
from api.viewing.conversation.held_turns import MAX_HELD, HeldTurns, Turn
from tests.api.harness import Api, Producer, until
from tests.api.viewing.conversation.following import ask

DIALECT = TurnDialect()


async def turn(api: Api, number: int) -> Turn:
    """One that waits for a worker."""
    record = (await api.generations.find(await ask(api))).record
    assert record is not None
    return Turn.of(number, record, DIALECT)


async def test_the_first_ones_are_held_until_they_end(api: Api) -> None:
    held = HeldTurns(api.hub, DIALECT)
    turns = [await turn(api, number) for number in range(1, MAX_HELD + 3)]
    for each in turns:
        held.add(each)
    assert [held.held(number) for number in range(1, MAX_HELD + 3)] == [*turns[:MAX_HELD], None, None]
    assert api.hub.tails == MAX_HELD
    producer = await Producer.start(api.log, turns[1].record.id)
    await producer.complete()
    await until(lambda: held.held(2) is None, "the end to be seen")
    assert held.held(MAX_HELD + 1) is turns[MAX_HELD], "the next is held in its place"
    held.clear(4)
    assert [number for number in range(9) if held.held(number)] == [1, 3]
    held.clear()
    assert api.hub.tails == 0


async def test_one_that_has_ended_since_it_was_read_is_not_held(api: Api) -> None:
    held = HeldTurns(api.hub, DIALECT)
    stale = await turn(api, 1)
    producer = await Producer.start(api.log, stale.record.id)
    async with api.view(producer.generation_id) as viewing:
        await viewing.next()
        await producer.complete()
        await until(lambda: api.hub.acquire(producer.generation_id).known.state, "its end to be known")
        held.add(stale)
        assert held.held(1) is None
        held.add(await turn(api, 2))
        assert held.held(2) is not None
    held.clear()


async def test_it_counts_as_a_viewer_until_one_comes(api: Api) -> None:
    held = HeldTurns(api.hub, DIALECT)
    waiting = await turn(api, 1)
    held.add(waiting)
    viewers = api.hub.audience.join(waiting.record.id, None)
    assert viewers.here == 2
    held.entered(1)
    held.entered(2)
    assert viewers.here == 1
    held.clear()
    assert viewers.here == 1
