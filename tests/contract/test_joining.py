"""Retries do not pay twice: which generation a retry joins, on one node, on another, and after a node has died."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from api.intake.joining import LOOK_S, MORE_THAN_LIFE_S
from shared.generations.askers import Askers
from shared.generations.generations import Generations
from shared.record import DialectName
from tests.contract.asking import BODY, Node, two_nodes


@pytest.fixture
async def nodes(generations: Generations) -> AsyncIterator[tuple[Node, Node]]:
    async with two_nodes(generations) as both:
        yield both


@pytest.fixture
def here(nodes: tuple[Node, Node]) -> Node:
    return nodes[0]


@pytest.fixture
def there(nodes: tuple[Node, Node]) -> Node:
    return nodes[1]


@pytest.mark.parametrize("first", [None, 0])
async def test_a_retry_joins_what_lost_its_asker(here: Node, there: Node, first: int | None) -> None:
    generation_id, asker = await here.ask(first)
    await here.broke(asker)
    assert (await there.begin(1)).joined == generation_id
    assert here.time.slept == 0, "nothing had to be waited for"


async def test_an_answer_of_605_s_is_paid_once(here: Node, there: Node) -> None:
    """The SDK gives up after 600 s, while the provider still thinks; what it then gets is what it has asked for."""
    generation_id, asker = await here.ask(0)
    await here.time.pass_by(600)
    await here.broke(asker)
    joined, retry = await there.ask(1)
    await here.time.pass_by(5)
    await here.ended(generation_id, 0)
    await there.answered(retry)
    assert joined == generation_id
    assert await here.generations.queue.redis.zcard("midstream:pending") == 1


async def test_two_askers_with_the_same_body_are_two_generations_also_when_one_retries(here: Node, there: Node) -> None:
    first, asker = await here.ask(0)
    second, other = await there.ask(0)
    assert first != second
    await there.broke(other)
    assert (await here.begin(1)).joined == second
    assert (await here.begin(1)).joined is None, "the first asker is connected"
    await here.broke(asker)
    assert (await there.begin(1)).joined == first


async def test_the_newest_is_joined(here: Node) -> None:
    asked = [await here.ask(0) for _ in range(3)]
    for _, asker in asked:
        await here.broke(asker)
    assert [(await here.begin(1)).joined for _ in range(4)] == [asked[2][0], asked[1][0], asked[0][0], None]


async def test_who_had_its_answer_is_never_joined(here: Node, there: Node) -> None:
    generation_id, asker = await here.ask(0)
    await here.ended(generation_id, 0)
    await here.answered(asker)
    asker.broke()  # as its connection is closed in the end
    await here.noted()
    assert (await there.begin(1)).joined is None
    here.kill()
    assert (await there.begin(1)).joined is None, "also when its node is gone"
    assert here.time.slept == 0, "whatever its node does"


async def test_who_is_connected_is_never_joined(here: Node, there: Node) -> None:
    await here.ask(0)
    for node in (here, there):
        node.time.slept = 0.0
        assert (await node.begin(1)).joined is None
        assert 0 < node.time.slept < 1.5, "until the node's next beat"
    await here.time.pass_by(3600)
    assert (await there.begin(1)).joined is None


async def test_each_count_joins_once(here: Node, there: Node) -> None:
    generation_id, asker = await here.ask(0)
    await here.broke(asker)
    first, again = await asyncio.gather(here.begin(1), there.begin(1))
    assert sorted([first.joined, again.joined], key=str) == [None, generation_id]
    retry = first if first.joined else again
    node = here if first.joined else there
    assert (await there.begin(2)).joined is None, "the first retry is connected"
    await node.broke(retry)
    assert (await here.begin(1)).joined is None
    second = await here.begin(2)
    assert second.joined == generation_id
    await here.answered(second)
    assert (await there.begin(3)).joined is None


async def test_many_retries_at_once_are_one_each(here: Node, there: Node) -> None:
    asked = [await here.ask(0) for _ in range(4)]
    for _, asker in asked:
        await here.broke(asker)
    retries = await asyncio.gather(*((here, there)[n % 2].begin(1) for n in range(8)))
    joined = [retry.joined for retry in retries if retry.joined]
    assert sorted(joined) == sorted(generation_id for generation_id, _ in asked)


async def test_what_a_retry_began_is_not_joined(here: Node) -> None:
    _, asker = await here.ask(1)
    await here.broke(asker)
    assert (await here.begin(2)).joined is None


@pytest.mark.parametrize(
    ("owner", "dialect", "body", "client"),
    [
        ("another", "openai-chat", BODY, "OpenAI/Python 3.57.0"),
        ("local", "openai-responses", BODY, "OpenAI/Python 3.57.0"),
        ("local", "openai-chat", BODY + b" ", "OpenAI/Python 3.57.0"),
        ("local", "openai-chat", BODY, "OpenAI/Python 2.54.0"),
    ],
)
async def test_only_a_retry_of_the_same_joins(
    here: Node, owner: str, dialect: DialectName, body: bytes, client: str
) -> None:
    generation_id, asker = await here.ask(0)
    await here.broke(asker)
    other = await here.begin(1, owner=owner, dialect=dialect, body=body, client=client)
    assert other.joined is None
    assert (await here.begin(1)).joined == generation_id


@pytest.mark.parametrize("state", ["completed", "failed", "cancelled"])
async def test_an_end_is_joined_for_ten_minutes(here: Node, state: str) -> None:
    """Whatever it is: a failure that nobody was told of is the answer that was paid for."""
    old, first = await here.ask(0)
    new, second = await here.ask(0)
    for asker in (first, second):
        await here.broke(asker)
    await here.ended(new, 602, state)
    await here.ended(old, 598, state)
    assert (await here.begin(1)).joined == old
    assert (await here.begin(1)).joined is None


async def test_what_was_deleted_or_never_accepted_is_not_joined(here: Node) -> None:
    generation_id, asker = await here.ask(0)
    await here.broke(asker)
    await here.generations.delete("local", generation_id)
    never = await here.begin(0)
    await never.accepted("gen_never")
    await here.broke(never)
    assert (await here.begin(1)).joined is None


async def test_the_asker_of_a_node_that_died_is_joined(here: Node, there: Node) -> None:
    generation_id, _ = await here.ask(0)
    here.kill()
    retry = await there.begin(1)
    assert retry.joined == generation_id
    assert 0 < here.time.slept <= 3
    await there.broke(retry)
    assert (await there.begin(2)).joined == generation_id


async def test_the_retry_of_a_node_that_died_is_joined_by_the_next(here: Node, there: Node) -> None:
    generation_id, asker = await there.ask(0)
    await there.broke(asker)
    assert (await here.begin(1)).joined == generation_id
    here.kill()
    assert (await there.begin(2)).joined == generation_id


async def test_a_break_that_is_heard_of_late_is_waited_for(here: Node, there: Node) -> None:
    generation_id, asker = await here.ask(0)
    here.time.then = [lambda: here.broke(asker)]
    assert (await there.begin(1)).joined == generation_id


async def test_an_older_one_is_joined_where_the_newest_is_connected(here: Node, there: Node) -> None:
    older, asker = await here.ask(0)
    await here.ask(0)
    await here.broke(asker)
    assert (await there.begin(1)).joined == older


async def test_who_does_not_know_whether_a_node_died_joins_nothing(here: Node, there: Node) -> None:
    """Redis froze: the beats of all nodes are over, also of those that live."""
    older, asker = await here.ask(0)
    await here.broke(asker)
    connected, _ = await here.ask(0)
    here.alive = there.alive = False
    await here.time.pass_by(10)
    assert not there.retries.heartbeat.steady
    retry = await there.begin(1)
    assert retry.joined == older != connected
    longest = there.retries.heartbeat.life_s + MORE_THAN_LIFE_S
    assert longest - LOOK_S < here.time.slept < longest + 2 * LOOK_S, "until another node could have said something"


async def test_a_redis_that_forgot_the_beats_of_all_has_not_seen_one_die(here: Node, there: Node) -> None:
    """Its clock was set: each node says again that it lives, one a little before the other."""
    await here.ask(0)
    await here.time.pass_by(0.5)
    there.beaten -= 0.5
    redis = here.generations.redis

    async def forgets() -> None:
        await redis.delete(*await redis.keys("midstream:api:*"))

    here.time.then = [forgets]
    assert (await there.begin(1)).joined is None
    await here.time.pass_by(5)
    await forgets()
    assert (await there.begin(1)).joined is None, "nor where it forgot them before"


async def test_redis_lost_who_asked(here: Node, there: Node) -> None:
    generation_id, asker = await here.ask(0)
    await here.generations.redis.delete(*await here.generations.redis.keys("midstream:askers:*"))
    assert (await there.begin(1)).joined is None
    await here.broke(asker)
    assert (await there.begin(1)).joined == generation_id, "its node remembers"


async def test_a_retry_that_is_cut_off_while_it_joins_leaves_it_to_the_next(
    here: Node, there: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation_id, asker = await here.ask(0)
    await here.broke(asker)
    join = Askers.join

    async def joined_and_cut(*args: object) -> bool:
        await join(*args)  # type: ignore[arg-type]
        raise asyncio.CancelledError

    monkeypatch.setattr(Askers, "join", joined_and_cut)
    with pytest.raises(asyncio.CancelledError):
        await there.begin(1)
    monkeypatch.undo()
    await there.noted()
    assert (await here.begin(1)).joined is None
    assert (await here.begin(2)).joined == generation_id
