"""The turns of a conversation: asked, shown, stopped and shared."""

import sys
from collections.abc import Callable, Set

import msgspec

from midstream.client.http_client import HttpClient
from midstream.conversing.begun_elsewhere import BegunElsewhere
from midstream.conversing.bell import Bell
from midstream.conversing.current_answer import CurrentAnswer
from midstream.conversing.followed_answer import FollowedAnswer, Question
from midstream.conversing.place import Newest, Place, words_of
from midstream.terminal import dimmed, printable
from midstream_client import TERMINAL_TYPES, Follower, Turn

Typed = Callable[[str], None]
"""Takes a line that is typed while an answer is written."""


class Turns:
    """What can be done in a conversation. All methods raise ClientError, and what `typed` raises.

    `connect` makes a client: each thread has its own. `system` are instructions, said in the first turn.
    """

    def __init__(
        self,
        client: HttpClient,
        connect: Callable[[], HttpClient],
        place: Place,
        others: BegunElsewhere,
        current: CurrentAnswer,
        bell: Bell,
        *,
        model: str,
        system: str | None = None,
    ) -> None:
        self.model = model
        self._client = client
        self._connect = connect
        self._place = place
        self._others = others
        self._current = current
        self._bell = bell
        self._system = system
        self._instructed = False
        """Whether a turn says the instructions that has not failed."""

    @property
    def any(self) -> bool:
        """Says whether there is one, or may be."""
        return self._place.newest is not None or self._current.followed is not None

    @property
    def runs(self) -> bool:
        """Says whether the newest answer has not ended, or was not shown to its end."""
        return self._current.followed is not None or self._place.runs

    def ask(self, text: str, typed: Typed) -> bool:
        """Asks this behind the newest turn, and shows the answer.

        Nothing goes on from an answer that runs, so it is shown to its end first. Returns False, and asks nothing,
        where the user turned away from it, or where meanwhile somebody else has asked.
        """
        if self.runs:
            self.show_rest(set(), typed)
            if not self.runs:
                self._others.listen()
                self._others.pause()
        if self.runs or self._others.any:
            return False
        previous = self._place.previous
        # A failed turn is not gone on from, so what it said was not said.
        instructs = self._system is not None and (previous is None or not self._instructed)
        messages = [*self._place.opening(), *([{"role": "system", "content": self._system}] if instructs else [])]
        messages.append({"role": "user", "content": text})
        asked = {"model": self.model, "conversation": self._place.conversation.id, "messages": messages}
        body = msgspec.json.encode(asked if previous is None else asked | {"previous": previous})
        self._follow(lambda client: client.create(body), Question(previous, self.model, instructs), typed)
        return True

    def show_rest(self, elsewhere: Set[str], typed: Typed) -> None:
        """Shows the rest of the answer from which the user turned away, or else what others asked, and what runs."""
        if self._current.followed is not None:
            self._settled(self._current.followed, lambda: self._current.watch(typed))
            return
        self._place.look()
        turns = self._place.conversation.turns
        for turn in [one for one in turns if one.id in elsewhere] or (turns[-1:] if self._place.runs else []):
            if not self.show(turn, typed):
                break

    def show(self, turn: Turn, typed: Typed) -> bool:
        """Shows what was asked, and its answer from the beginning; returns False where the user turned away from it."""
        for line in words_of(turn.input).splitlines():
            sys.stdout.write(dimmed(f"> {printable(line)}", sys.stdout) + "\n")
        return self._follow(lambda client: client.follow(turn.id), Question(turn.previous, turn.model), typed)

    def stop(self) -> None:
        """Ends the answer that runs, for all who watch it."""
        followed = self._current.followed
        if not self.runs:
            self._current.note("no answer runs")
        elif followed is None and self._place.newest is not None:
            self._cancel(self._place.newest.id)
        elif self._current.id is not None:
            self._cancel(self._current.id)
        elif followed is not None and followed.left:
            self._current.drop()
            self._current.note("given up: whether the message was accepted is not known")
        else:
            self._current.note("the server has not accepted it yet; try again in a moment")

    def share(self) -> None:
        """Makes a link to the newest answer."""
        newest = self._current.id or (self._place.newest.id if self._place.newest else None)
        if newest is None:
            self._current.note("there is no answer yet")
        else:
            self._current.note(self._client.share(newest), exact=True)

    def _cancel(self, generation: str) -> None:
        state = self._client.cancel(generation).get("state")
        if state in TERMINAL_TYPES and state != "cancelled":
            self._current.note(f"it had ended already: {state}")

    def _follow(self, begin: Callable[[HttpClient], Follower], question: Question, typed: Typed) -> bool:
        client = self._connect()
        answer = FollowedAnswer(client, begin(client), self._bell, question)
        return self._settled(answer, lambda: self._current.show(answer, typed))

    def _settled(self, answer: FollowedAnswer, watch: Callable[[], bool]) -> bool:
        """Watches an answer, and notes how it was left."""
        follower = answer.follower
        try:
            whole = watch()
        finally:
            if follower.id is not None:
                if answer.question.instructs:
                    self._instructed = follower.state != "failed"
                self._place.heard(Newest(follower.id, answer.question.previous, answer.question.model, follower.state))
                self._place.said(follower.id, follower.answer)
            if self._current.followed is None:
                # Whatever has happened since: the next prompt begins with a look.
                self._others.forget()
        if whole and follower.state == "failed":
            self._current.note("your next message goes on from the answer before this one")
        return whole
