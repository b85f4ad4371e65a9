"""The response that is a stream of a conversation's events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from api.access.caller import Caller
from api.viewing.connection import Connection
from api.viewing.conversation.catch_up import catch_up
from api.viewing.conversation.cursor import ConversationStart
from api.viewing.conversation.viewer import ConversationViewer
from api.viewing.conversation.watched import WatchedConversations
from api.viewing.event_stream import EventStream
from api.viewing.resume import Refusal, ResumePoint
from api.viewing.viewer import Viewer
from shared.log.events import ORIGIN


class ConversationStream(EventStream):
    """Replays the turns of a conversation from the requested start, and follows it for as long as there is one.

    `admitted`, `asking` and `counts`: see EventStream; the counts are those of the generation that it is following.
    """

    def __init__(
        self,
        conversations: WatchedConversations,
        conversation: str,
        owner: str,
        start: ConversationStart,
        *,
        admitted: bool = True,
        counts: bool = False,
        asking: Callable[[], Awaitable[Caller]] | None = None,
    ) -> None:
        cursor = ORIGIN if start.cursor is None else start.cursor.event_id
        super().__init__(
            conversations.hub,
            conversation,
            owner,
            ResumePoint(cursor, start.reset),
            admitted=admitted,
            counts=counts,
            asking=asking,
        )
        self._conversations, self._from = conversations, start

    def _made(self, connection: Connection, grant: str) -> Viewer:
        telling = partial(catch_up, self._conversations)
        return ConversationViewer(connection, self._conversations, telling, self._from, grant, counts=self.counts)

    def _begin(self, viewer: Viewer, start: ResumePoint) -> None:
        assert isinstance(viewer, ConversationViewer)
        if not viewer.over:
            viewer.watch(self.owner, self.id)

    async def _decide(self) -> ResumePoint | Refusal:
        refusal = await admit(self._conversations, self.owner, self.id)
        return self.start if refusal is None else refusal


async def admit(conversations: WatchedConversations, owner: str, conversation: str) -> Refusal | None:
    """Returns why this owner cannot follow a conversation; None where it can. Raises redis.exceptions.RedisError."""
    known = conversations.hub.generations.conversations
    if await known.find(owner, conversation) is not None:
        return None
    return "gone" if await known.ended(owner, conversation) else "not_found"
