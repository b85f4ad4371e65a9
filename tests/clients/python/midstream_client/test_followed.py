"""What both clients' followers show is what their core has."""

from __future__ import annotations

from midstream_client import AsyncClient, AsyncConversation, AsyncFollower, Client, Conversation, Follower
from tests.clients.python.midstream_client.test_following import LOG, STREAM, block


def test_a_follower_shows_its_answer() -> None:
    with Client("http://midstream.test") as client:
        for follower in (client.follow("gen_x"), AsyncClient("http://midstream.test").follow("gen_x")):
            assert isinstance(follower, Follower | AsyncFollower)
            assert (follower.id, follower.cursor, follower.state, follower.reached) == ("gen_x", None, "queued", False)
            core = follower.following
            core.opened(200, STREAM)
            assert len([event for sent in LOG for event in core.received(block(sent))]) == len(LOG)
            assert (follower.cursor, follower.state, follower.reached) == ("7-11", "completed", True)
            assert follower.ended
            assert (follower.text, follower.parts) == ("wörld 🌍\u2028", follower.answer.parts)
            told: list[str] = []
            follower.on_outage(told.append)
            core.on_outage("why")
            assert told == ["why"]


def test_a_conversation_shows_its_page() -> None:
    with Client("http://midstream.test") as client:
        for turns in (client.conversation("chat"), AsyncClient("http://midstream.test").conversation("chat")):
            assert isinstance(turns, Conversation | AsyncConversation)
            assert (turns.id, turns.about, turns.turns) == ("chat", {}, [])
            assert turns.path == "/v1/conversations/chat"
            turns.following.load({"title": "T", "count": 0, "generations": [], "cursor": "a.1-1", "next": None})
            assert (turns.about, turns.cursor) == ({"title": "T", "count": 0}, "a.1-1")
