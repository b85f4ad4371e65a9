"""What somebody else begins in the conversation while a prompt waits here."""

import threading
from collections import deque
from collections.abc import Callable, Set
from contextlib import closing, suppress
from typing import Any

from midstream.client.http_client import HttpClient
from midstream.conversing.place import Newest, Place
from midstream.errors import ClientError
from midstream_client import Conversation


class BegunElsewhere:
    """Generations of a conversation that nobody here has asked for. `connect` makes a client for a thread."""

    def __init__(self, connect: Callable[[], HttpClient], place: Place) -> None:
        self._connect = connect
        self._place = place
        self._missed: list[str] = []
        """What was begun while nobody listened."""
        self._heard: deque[Newest] = deque()
        self._listener: Listener | None = None

    @property
    def any(self) -> bool:
        """Says whether there are some that were not taken."""
        return bool(self._missed or self._heard)

    def take(self) -> list[str]:
        """Returns the ids of those that were not taken yet; the place is behind them."""
        taken, self._missed = self._missed, []
        while self._heard:
            newest = self._heard.popleft()
            self._place.heard(newest)
            taken.append(newest.id)
        return taken

    def listen(self) -> None:
        """Hears from now on what begins; what has begun since the last time is there, too. Raises ClientError."""
        if self._listener is not None and self._listener.resume():
            return
        self._listener = None
        self._missed += [turn.id for turn in self._place.look() if turn.id not in {one.id for one in self._heard}]
        if (cursor := self._place.conversation.cursor) is not None:
            client = self._connect()
            conversation = client.conversation(self._place.conversation.id, cursor)
            self._listener = Listener(client, conversation, self._heard, self._place.known)

    def pause(self) -> None:
        """Hears nothing any more: what begins now may have been asked here."""
        if self._listener is not None:
            self._listener.pause()

    def forget(self) -> None:
        """Looks anew the next time: something has happened in the conversation that was not heard."""
        self.pause()
        self._listener = None


class Listener:
    """Follows a conversation in a thread, until something happens in it while it is paused.

    What is asked here is followed by itself, so that nothing comes twice over the network.
    """

    def __init__(self, client: HttpClient, conversation: Conversation, heard: deque[Newest], known: Set[str]) -> None:
        self._client = client
        self._conversation = conversation
        self._heard = heard
        self._known = set(known)
        self._lock = threading.Lock()
        self._paused = self._left = False
        threading.Thread(target=self._follow, name="conversation", daemon=True).start()

    def pause(self) -> None:
        """Leaves at whatever happens next."""
        with self._lock:
            self._paused = True

    def resume(self) -> bool:
        """Goes on, if nothing was missed; else returns False."""
        with self._lock:
            self._paused = self._left
            return not self._left

    def _follow(self) -> None:
        # An error that stays, as where it was deleted or the key withdrawn, is told of the next message.
        with suppress(ClientError), self._client, closing(self._client.events(self._conversation)) as events:
            for event in events:
                with self._lock:
                    if self._paused:
                        break
                    if event.type in ("begun", "generation") and event.data["generation"] not in self._known:
                        self._hear(event.data)
        with self._lock:
            self._left = True

    def _hear(self, data: dict[str, Any]) -> None:
        newest = Newest(data["generation"], data.get("previous"), data.get("model"), "running")
        self._known.add(newest.id)
        self._heard.append(newest)
