"""Wakes all that follow a log, over one subscription for each log however many follow it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from shared.storage.keys import GenerationKeys
from shared.storage.subscriber import Subscriber


class _Channel:
    """Receives the publications of one log for all that follow it."""

    def __init__(self) -> None:
        self.followers: set[asyncio.Event] = set()

    def subscribed(self) -> None:
        for follower in self.followers:
            follower.set()

    def published(self, message: bytes) -> None:
        self.subscribed()  # the log is the truth, and is read


class LogNotifier:
    """Notifies followers that a log has grown or was deleted, never of what it holds."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber
        self._channels: dict[str, _Channel] = {}

    @contextmanager
    def of(self, generation_id: str) -> Iterator[asyncio.Event]:
        """Yields an event that is set at each publication, and whenever some may have been missed.

        Whoever waits for it clears it first.
        """
        name = GenerationKeys(generation_id).channel
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = _Channel()
            self._subscriber.subscribe(name, channel)
        event = asyncio.Event()
        channel.followers.add(event)
        try:
            yield event
        finally:
            channel.followers.discard(event)
            if not channel.followers:
                del self._channels[name]
                self._subscriber.unsubscribe(name, channel)
