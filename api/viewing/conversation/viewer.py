"""A viewer of a conversation: it follows the tail of one generation after the other, and needs no task meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence

from api.viewing.connection import Connection
from api.viewing.conversation.cursor import ConversationStart
from api.viewing.conversation.follower import ConversationFollower
from api.viewing.conversation.held_turns import Turn
from api.viewing.conversation.watched import WatchedConversations
from api.viewing.dialect import ConversationDialect, ResetReason, Subject
from api.viewing.replay_pages import ReplayPages
from api.viewing.resume import ResumePoint
from api.viewing.tail import Tail
from api.viewing.viewer import Viewer
from shared.conversations.conversations import Numbered
from shared.log.events import ORIGIN, EventId

CatchUp = Callable[["ConversationViewer", ConversationFollower], Coroutine[None, None, None]]
"""What tells a viewer of the turns that have ended (`catch_up`)."""


class ConversationViewer(Viewer):
    """Writes the turns of a conversation to one connection.

    It is in one of three states: told of what has ended by a task (`catch_up`), following the tail of a turn, or
    waiting for the next one. The last two cost no task.
    """

    __slots__ = (
        "_catch_up_task", "_catching_up", "_conversation", "_conversations", "_counts", "_gone", "_replaying", "_turn",
        "_voided_log", "_words", "announced", "brief", "place", "start", "voided",
    )  # fmt: skip

    def __init__(
        self,
        connection: Connection,
        conversations: WatchedConversations,
        catch_up: CatchUp,
        start: ConversationStart,
        grant: str,
        *,
        counts: bool = False,
    ) -> None:
        super().__init__(connection, conversations.hub, conversations.dialect, grant=grant)
        self.start = start
        """Where it begins; of no interest once it has begun."""
        self.place = 0
        self.announced = 0
        """Number of the last turn of which it was told that it begins, in its turn or early."""
        self.brief = start.cursor is None
        """Whether of a turn that has ended it is told the beginning and the end only."""
        self.voided = False
        """Whether it is to start over, as what it was told is no longer so."""
        self._counts = counts
        """Whether it is told how many watch the generation that it follows."""
        self._conversations = conversations
        self._catch_up_task = catch_up
        self._words: ConversationDialect = conversations.dialect
        self._conversation: ConversationFollower | None = None
        self._catching_up = False
        self._turn = ""
        """Id of the generation that it has come to."""
        self._replaying = False
        self._voided_log = False
        """Whether the log that it follows turned out to be another."""
        self._gone: frozenset[int] = frozenset()
        """Numbers of the turns of which it was told that they are gone."""

    @property
    def pages(self) -> ReplayPages:
        """Returns the pages of logs in the words of conversations."""
        return self._conversations.pages

    def watch(self, owner: str, conversation: str) -> None:
        """Begins to follow a conversation."""
        self._conversation = self._conversations.acquire(owner, conversation, self)
        self._begin_to_catch_up()

    def _begin_to_catch_up(self) -> None:
        assert self._conversation is not None
        self._catching_up = True
        self._conversations.hub.run(self._catch_up_task(self, self._conversation))

    def news(self, turns: Sequence[Turn]) -> None:
        if self._catching_up or self.over:
            return
        if self._tail is None:
            self._go_on()
        else:
            for turn in turns:
                self.announce(turn)

    def announce(self, turn: Turn) -> None:
        """Says early that a turn has begun, once."""
        if turn.number > self.announced:
            self.announced = turn.number
            self.say(turn.early)

    def removed(self, turn: Numbered) -> None:
        # Whoever tells of the turn that it has come to says so behind the last event of that.
        told_of = turn.number == self.place and (self._tail is not None or self._replaying)
        if turn.number <= max(self.place, self.announced) and not told_of:
            self.say(self.gone(turn))

    def gone(self, turn: Numbered) -> bytes:
        """Returns what it is told of a turn that is not there any more: nothing where it was told before."""
        if turn.number in self._gone:
            return b""
        self._gone |= {turn.number}
        return self._words.gone(turn.id)

    def void(self) -> None:
        self.voided = True
        if not self._catching_up:
            self._let_go()
            self._begin_to_catch_up()

    def begin_again(self, reason: ResetReason = "unknown_cursor") -> None:
        """Says that all it was told is superseded, and begins with the first turn."""
        self.voided = False
        self.place = self.announced = 0
        self._gone = frozenset()
        self.brief = True
        self.say(self._words.reset(reason))

    def wait(self) -> None:
        """Waits for the next turn: it was told of all."""
        self._catching_up = False
        self.brief = False

    def enter(self, turn: Turn, cursor: EventId = ORIGIN, *, told: bool = False, later: Sequence[Turn] = ()) -> None:
        """Follows a turn that has not ended, after an event of it; it may have been `told` that this begins.

        Of those that are `later` it is told early that they have begun.
        """
        assert self._conversation is not None
        self._catching_up = self.brief = False
        self.place, self.announced = turn.number, max(self.announced, turn.number)
        self._turn = turn.record.id
        self._voided_log, self._queued = False, b""
        hub = self._conversations.hub
        self.counted = hub.audience.join(turn.record.id, turn.record.unwatched_ms)
        self._conversation.held.entered(turn.number)
        tail = hub.acquire(turn.record.id, self._words, Subject(turn.record.id))
        if not told:
            self._due += turn.frame
        for waiting in later:
            if waiting.number > self.announced:
                self.announced = waiting.number
                self._due += waiting.early
        counted = self.counted
        self.follow(tail, ResumePoint(cursor))
        # That may have ended already, or this viewer.
        if self._counts and counted is not None and counted is self.counted and not self.over:
            hub.audience.ask(counted, self)

    def offer(self, frame: bytes) -> bool:
        """Sends how many watch in its own words: `frame` does not say which generation."""
        assert self.counted is not None
        return super().offer(self._words.turn_viewers(self.counted.generation_id, self.counted.total))

    def begin_replay(self, turn: Numbered) -> None:
        """Notes that it is being told of this turn, which has ended, up to `end_replay`."""
        self.place, self._turn = turn.number, turn.id
        self._replaying = True

    def end_replay(self) -> None:
        """Notes that it was told of that turn."""
        self._replaying = False

    def say_reset(self, reason: ResetReason) -> None:
        """Says that the beginning of the log is missing: all else starts over with the whole conversation."""
        assert reason == "trimmed"
        self.say(self._words.trimmed(self._turn))

    def _go_on(self) -> None:
        """Goes on to the turn after this one, or waits for it."""
        assert self._conversation is not None
        following = self._conversation.turns.after(self.place, 1)
        if not following:
            self.wait()
        elif (turn := self._conversation.held.held(following[0].number)) is not None:
            self.enter(turn)
        else:
            self._begin_to_catch_up()

    def _let_go(self) -> None:
        """Leaves the tail that it follows."""
        tail, self._tail = self._tail, None
        if tail is None:
            return
        hub = self._conversations.hub
        if self._catch_up is not None:
            self._catch_up.cancel()
            self._catch_up = None
        self.stop_backlog()
        self._current = self.rewound = False
        self.position = None
        tail.broadcast.followers.discard(self)
        counted, self.counted = self.counted, None
        if counted is not None:
            hub.audience.leave(counted, self)
        hub.release(tail)

    def _lose(self, tail: Tail) -> None:
        if tail.failed:
            super()._lose(tail)
            return
        self._let_go()
        self.say(self.gone(Numbered(self.place, self._turn)))
        self._go_on()

    def _start_over(self, reason: ResetReason) -> None:
        if reason == "trimmed" and not self._voided_log and self.resume_point.cursor == ORIGIN:
            self.say_reset(reason)
            return
        self.void()

    def _end_of_log(self) -> None:
        self._let_go()
        self._go_on()

    def rewind(self) -> None:
        self._voided_log = True
        super().rewind()

    def _close(self, *, whole: bool = False) -> None:
        super()._close(whole=whole)
        conversation, self._conversation = self._conversation, None
        if conversation is not None:
            self._conversations.release(conversation, self)
