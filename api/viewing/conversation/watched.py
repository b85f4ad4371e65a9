"""The conversations that are watched at this node, each with one follower."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.viewing.conversation.follower import ConversationFollower, TurnWatcher
from api.viewing.dialect import ConversationDialect
from api.viewing.hub import Hub
from api.viewing.replay_pages import ReplayPages
from shared.storage.keys import ConversationKeys

CHECKS_PER_HEARTBEAT = 0.25
"""How often an index is looked at by itself: once in some heartbeats, as an idle conversation costs little else."""


class WatchedConversations:
    """Lends out followers; each lives as long as somebody watches its conversation, and a little longer."""

    def __init__(self, hub: Hub, dialect: ConversationDialect) -> None:
        self.hub, self.dialect = hub, dialect
        self.pages = ReplayPages(hub.log, dialect)
        self._watched: dict[tuple[str, str], _Watched] = {}
        self._of: dict[ConversationFollower, _Watched] = {}

    @property
    def followers(self) -> int:
        """Returns how many conversations are followed."""
        return len(self._of)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ends all followers at the end."""
        yield
        for watched in list(self._of.values()):
            self._close(watched)

    def acquire(self, owner: str, conversation: str, watcher: TurnWatcher) -> ConversationFollower:
        """Returns the follower of a conversation, which `watcher` has joined; to be released."""
        key = (owner, conversation)
        watched = self._watched.get(key)
        if watched is None or watched.follower.ended:
            watched = self._watched[key] = self._open(owner, conversation)
        watched.stay()
        watched.follower.join(watcher)
        return watched.follower

    def release(self, follower: ConversationFollower, watcher: TurnWatcher) -> None:
        """Notes that somebody has left; without anybody the follower lingers, or ends."""
        follower.leave(watcher)
        watched = self._of.get(follower)
        if watched is not None and not follower.watchers:
            watched.end = asyncio.get_running_loop().call_later(self.hub.linger_s, self._close, watched)

    def _open(self, owner: str, conversation: str) -> _Watched:
        check = self.hub.settings.heartbeat / CHECKS_PER_HEARTBEAT
        follower = ConversationFollower(self.hub, self.dialect, owner, conversation, check=check)
        watched = self._of[follower] = _Watched((owner, conversation), follower)
        self.hub.subscriber.subscribe(watched.channel, follower)
        return watched

    def _close(self, watched: _Watched) -> None:
        watched.stay()
        watched.run.cancel()
        del self._of[watched.follower]
        self.hub.subscriber.unsubscribe(watched.channel, watched.follower)
        if self._watched.get(watched.key) is watched:
            del self._watched[watched.key]


class _Watched:
    def __init__(self, key: tuple[str, str], follower: ConversationFollower) -> None:
        self.key, self.follower = key, follower
        self.channel = ConversationKeys(*key).channel
        self.run = asyncio.create_task(follower.run())
        self.end: asyncio.TimerHandle | None = None

    def stay(self) -> None:
        """Ends the timer that would close it."""
        if self.end is not None:
            self.end.cancel()
            self.end = None
