"""Which generations of a conversation are watched or ended."""

from __future__ import annotations

from api.exchange.conversation_turns import LOOKED_AT, newest_turn, running_turns
from tests.api.harness import BODY, Api, Producer


async def test_the_newest_that_runs(api: Api) -> None:
    use = api.app.state.services
    ids = [await api.post(BODY | {"conversation": "c"}) for _ in range(3)]
    assert [record.id for record in await running_turns(use, "local", "c")] == ids[::-1]
    await (await Producer.start(api.log, ids[2])).complete()
    newest, last = await newest_turn(use, "local", "c"), await newest_turn(use, "local", "c", ended=True)
    assert newest is not None
    assert last is not None
    assert (newest.id, last.id) == (ids[1], ids[2])
    assert [record.id for record in await running_turns(use, "local", "c")] == [ids[1], ids[0]]


async def test_a_conversation_that_is_not_there(api: Api) -> None:
    use = api.app.state.services
    await api.post(BODY | {"conversation": "c"})
    for owner, name in (("local", "d"), ("bob", "c"), ("local", ""), ("local", "x" * 129), ("local", "a\nb")):
        assert await newest_turn(use, owner, name, ended=True) is None
        assert await running_turns(use, owner, name) == []


async def test_a_bounded_number_is_looked_at(api: Api) -> None:
    use = api.app.state.services
    for _ in range(LOOKED_AT + 1):
        await api.post(BODY | {"conversation": "c"})
    assert len(await running_turns(use, "local", "c")) == LOOKED_AT
