"""An answer that is followed whether somebody looks at it or not."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from midstream.client.http_client import HttpClient
from midstream.conversing.bell import Bell
from midstream.errors import ClientError
from midstream_client import Event, Follower

ACCEPTANCE_S = 120.0
"""Seconds for which a server that does not answer is asked to accept a message."""
AGAIN_S = 1.0
"""Seconds between two such tries at least."""


class Question(NamedTuple):
    """What an answer is to."""

    previous: str | None
    model: str | None
    instructs: bool = False
    """Whether it says the instructions of the user here."""


class FollowedAnswer:
    """A thread of its own reads the answer through lost connections; its events wait here until they are shown.

    Whoever turns away from it loses nothing, and goes on where they were. The client is for this answer alone.
    """

    def __init__(self, client: HttpClient, follower: Follower, bell: Bell, question: Question) -> None:
        self.follower = follower
        self.question = question
        self.error: ClientError | None = None
        """Why it is followed no more, where that is not its end."""
        self._client = client
        self._bell = bell
        self._items: deque[Event | str] = deque()
        self._fault: Exception | None = None
        self._left = True
        follower.on_outage(self._outage)

    @property
    def left(self) -> bool:
        """Says whether nothing more comes: it has ended, or `error` says why else."""
        return self._left

    def begin(self) -> None:
        """Follows it from where it was left."""
        self.error, self._left = None, False
        threading.Thread(target=self._follow, name="answer", daemon=True).start()

    def take(self) -> Iterator[Event | str]:
        """Yields what has come since the last time: events, and sentences about a connection that is lost."""
        while self._items:
            yield self._items.popleft()
        if self._left and self._fault:
            raise self._fault

    @property
    def shown(self) -> bool:
        """Says whether all of it was taken."""
        return self._left and not self._items

    def _follow(self) -> None:
        try:
            for event in self._events():
                self._items.append(event)
                self._bell.ring()
        except ClientError as error:
            self.error = error
        except Exception as fault:
            self._fault = fault
        finally:
            if self.error is None or not self.error.retryable:
                self._client.close()
            self._left = True
            self._bell.ring()

    def _events(self) -> Iterator[Event]:
        """Yields the events. A message is sent again, with the same key, until it is accepted."""
        until, told = time.monotonic() + ACCEPTANCE_S, False
        while True:
            try:
                yield from self._client.events(self.follower)
                return
            except ClientError as error:
                pause = max(AGAIN_S, error.retry_after or 0.0)
                if not error.retryable or self.follower.id is not None or time.monotonic() + pause > until:
                    raise
                if not told:
                    self._outage(str(error))
                told = True
            time.sleep(pause)

    def _outage(self, reason: str) -> None:
        self._items.append(f"{reason}; trying again")
        self._bell.ring()
