"""The conversations that are watched: one follower for each, which outlives a reload and ends after that."""

from __future__ import annotations

from redis import Redis

from api.viewing.conversation.watched import WatchedConversations
from shared.storage.keys import ConversationKeys
from tests.api.harness import Api, MakeApi, until
from tests.api.viewing.conversation.following import CHAT, ended
from tests.api.viewing.conversation.test_follower import Watcher


async def test_all_who_watch_share_one_follower(api: Api) -> None:
    await ended(api)
    watched: WatchedConversations = api.app.state.services.watched
    one, other, stranger = Watcher(), Watcher(), Watcher()
    follower = watched.acquire("local", CHAT, one)
    assert watched.acquire("local", CHAT, other) is follower
    assert watched.acquire("somebody", CHAT, stranger) is not follower
    assert watched.followers == 2
    watched.release(follower, one)
    assert follower.watchers == {other}


async def test_it_lingers_for_who_comes_back_and_then_ends(api: Api, redis_url: str) -> None:
    await ended(api)
    api.hub.linger_s = 0.2
    watched: WatchedConversations = api.app.state.services.watched
    watcher = Watcher()
    follower = watched.acquire("local", CHAT, watcher)
    await follower.ready.wait()
    watched.release(follower, watcher)
    assert watched.acquire("local", CHAT, watcher) is follower, "it came back in time"
    watched.release(follower, watcher)
    channel = ConversationKeys("local", CHAT).channel
    with Redis.from_url(redis_url) as redis:
        assert redis.pubsub_numsub(channel)[0][1] == 1
        await until(lambda: not watched.followers, "it to end")
        await until(lambda: not redis.pubsub_numsub(channel)[0][1], "the end of its subscription")
    assert watched.acquire("local", CHAT, watcher) is not follower


async def test_one_that_has_ended_is_replaced(api: Api) -> None:
    await ended(api)
    watched: WatchedConversations = api.app.state.services.watched
    old, new = Watcher(), Watcher()
    follower = watched.acquire("local", CHAT, old)
    await follower.ready.wait()
    assert (await api.client.delete("/v1/conversations/a%20chat%2F1")).status_code == 204
    await until(lambda: follower.ended, "its end")
    await ended(api)
    again = watched.acquire("local", CHAT, new)
    assert again is not follower
    await again.ready.wait()
    assert again.turns.newest == 1
    api.hub.linger_s = 0.0
    watched.release(follower, old)
    await until(lambda: watched.followers == 1, "the old one to be forgotten")
    assert watched.acquire("local", CHAT, old) is again


async def test_none_outlives_the_node(make_api: MakeApi, redis_url: str) -> None:
    api = await make_api(redis_url)
    await ended(api)
    watched: WatchedConversations = api.app.state.services.watched
    async with watched.running():
        watched.acquire("local", CHAT, Watcher())
    assert watched.followers == 0
