"""The answer that is shown, or from which the user has turned away."""

import sys
from collections.abc import Callable

from midstream.conversing.bell import Bell
from midstream.conversing.followed_answer import FollowedAnswer
from midstream.conversing.prompt import typed_meanwhile
from midstream.errors import ClientError
from midstream.output.answer import AnswerWriter

GOES_ON = "the answer goes on: Enter shows the rest, /stop ends it"
NOT_ACCEPTED = "the server has not accepted it yet, and it is sent until it has: Enter waits for that"


class CurrentAnswer:
    """Writes one answer after the other, and whatever else is said on the terminal between their lines.

    `new_writer` makes what writes the answer of the generation that it is told.
    """

    def __init__(self, bell: Bell, new_writer: Callable[[Callable[[], str]], AnswerWriter]) -> None:
        self.followed: FollowedAnswer | None = None
        """None where there is none, or it was shown to its end."""
        self._bell = bell
        self._new_writer = new_writer
        self._writer = new_writer(str)
        self._told_end = True

    @property
    def id(self) -> str | None:
        """The generation; None also before the server has accepted it."""
        return None if self.followed is None else self.followed.follower.id

    @property
    def unaccepted(self) -> bool:
        """Says whether there is one of which it is not known that the server has accepted it."""
        return self.followed is not None and self.id is None

    @property
    def news(self) -> str:
        """What is to tell of an answer from which the user has turned away; empty where nothing is."""
        if self.followed is None or self._told_end or not self.followed.left:
            return ""
        error = self.followed.error
        return "the answer has ended: Enter shows the rest" if error is None else what_to_do(error)

    def tell_news(self) -> None:
        """Says once that there is more to see, or why there is not."""
        if news := self.news:
            self._told_end = True
            self.note(news)

    def note(self, text: str, *, exact: bool = False) -> None:
        """Writes a sentence, or with `exact` a value, on a line of its own."""
        self._writer.note(text, exact=exact)

    def show(self, answer: FollowedAnswer, typed: Callable[[str], None]) -> bool:
        """Writes a new answer, as `watch` does."""
        with self._bell.at_ctrl_c() as pressed:
            self.followed, self._writer = answer, self._new_writer(lambda: str(answer.follower.id))
            answer.begin()
            return self._watch(answer, typed, pressed)

    def watch(self, typed: Callable[[str], None]) -> bool:
        """Writes the answer to its end, and gives each line that is typed meanwhile to `typed`.

        Returns False where the user turned away from it, or the connection was given up. Raises ClientError where the
        server says no, and EOFError.
        """
        answer = self.followed
        if answer is None:
            return True
        with self._bell.at_ctrl_c() as pressed:
            if answer.error is not None and answer.error.retryable:
                answer.begin()
            return self._watch(answer, typed, pressed)

    def drop(self) -> None:
        """Forgets the answer."""
        self.followed = None

    def _watch(self, answer: FollowedAnswer, typed: Callable[[str], None], pressed: Callable[[], bool]) -> bool:
        while not pressed() and not answer.shown:
            if self._bell.wait(sys.stdin.fileno()):
                for line in typed_meanwhile():
                    typed(line)
            for item in answer.take():
                if isinstance(item, str):
                    self.note(item)
                else:
                    self._writer.write(item)
                if pressed():
                    break
        self._told_end = answer.shown
        if not answer.shown:
            self.note(NOT_ACCEPTED if self.unaccepted else GOES_ON)
            return False
        if answer.error is not None and answer.error.retryable:
            self.note(what_to_do(answer.error))
            return False
        self.followed = None
        if answer.error is not None:
            raise answer.error
        return True


def what_to_do(error: ClientError) -> str:
    """Returns an error, with what to do about it here."""
    return f"{error}; Enter tries again, and /stop gives it up" if error.retryable else str(error)
