"""A conversation on a terminal: what is typed, and what is told between two lines."""

import sys
from collections.abc import Callable
from contextlib import suppress

from midstream.client.http_client import HttpClient
from midstream.conversing.begun_elsewhere import BegunElsewhere
from midstream.conversing.current_answer import CurrentAnswer
from midstream.conversing.place import words_of
from midstream.conversing.prompt import News, Prompt
from midstream.conversing.slash_command import SlashCommand, help_text, slash_command
from midstream.conversing.turns import Turns
from midstream.errors import ClientError
from midstream.terminal import exact_line
from midstream_client import Turn


class Leaving(BaseException):
    """The user leaves the conversation."""


class Session:
    """Takes one line after the other, as a message or as a command, until the user leaves."""

    def __init__(self, client: HttpClient, turns: Turns, current: CurrentAnswer, others: BegunElsewhere) -> None:
        self._client = client
        self._turns = turns
        self._current = current
        self._others = others
        self._prompt = Prompt(self._has_news)
        self._elsewhere: set[str] = set()
        """Generations of which was told that somebody else began them, and which were not shown."""
        self._ahead: list[str] = []
        """Messages that were typed while an answer ran."""

    def run(self, earlier: list[Turn]) -> None:
        """Holds the conversation, of which these turns are known; the newest is shown first."""
        self._current.note(f"{self._turns.model} answers; /help says what can be typed, Ctrl-D leaves")
        self._prompt.remember(words_of(turn.input) for turn in earlier)
        with suppress(Leaving):
            if earlier:
                self._act(lambda: self._turns.show(earlier[-1], self._meanwhile))
            while True:
                text = self._read()
                self._act(lambda text=text: self._take(text))  # type: ignore[misc]

    def _act(self, act: Callable[[], object]) -> None:
        again = "; the key Up brings back what you typed" if self._prompt.edits else ""
        try:
            act()
        except ClientError as error:
            self._current.note(f"{error}{again}")
        except EOFError:
            raise Leaving from None
        except KeyboardInterrupt:
            self._current.note(f"given up waiting for the server{again if self._current.followed is None else ''}")
        if self._ahead and self._turns.runs:
            self._give_back("\n".join(self._ahead))
            self._ahead.clear()

    def _read(self) -> str:
        """Returns the next line, or pasted lines. Raises Leaving."""
        if self._ahead:
            return self._ahead.pop(0)
        while True:
            self._listen()
            self._tell_news()
            try:
                text = self._prompt.read()
            except News:
                continue
            except KeyboardInterrupt:
                sys.stdout.write("\n")
                self._current.note("Ctrl-D or /quit leaves")
                continue
            except EOFError:
                sys.stdout.write("\n")
                raise Leaving from None
            self._others.pause()
            if not text.strip() or not self._has_news():
                return text
            # It would go on from what nobody here has heard of.
            if not self._prompt.edits:
                self._tell_news()
                return text
            self._prompt.suggest(text)

    def _listen(self) -> None:
        # What may or may not have been accepted is not somebody else's.
        if self._current.followed is None or self._current.id is not None:
            # What is wrong, the next message says.
            with suppress(ClientError):
                self._others.listen()

    def _has_news(self) -> bool:
        return self._others.any or bool(self._current.news)

    def _tell_news(self) -> None:
        self._current.tell_news()
        for generation in self._others.take():
            self._elsewhere.add(generation)
            self._current.note(f"somebody else has asked something here ({generation}): Enter shows it")

    def _take(self, text: str) -> None:
        if (command := slash_command(text)) is not None:
            self._obey(command)
            if command.name == "stop" and self._current.followed is not None:
                self._turns.show_rest(set(), self._meanwhile)
        elif not text.strip():
            elsewhere, self._elsewhere = self._elsewhere, set()
            self._turns.show_rest(elsewhere, self._meanwhile)
        elif not self._turns.ask(text, self._meanwhile):
            self._give_back(text)

    def _give_back(self, text: str) -> None:
        if self._prompt.edits:
            self._prompt.suggest(text)
        else:
            self._current.note("what you typed was not sent; type it again")

    def _meanwhile(self, line: str) -> None:
        """Takes a line that was typed while an answer is written: a message waits for its end."""
        try:
            if (command := slash_command(line)) is not None:
                self._obey(command)
            elif line.strip():
                self._ahead.append(line)
                self._current.note("it is sent when this answer has ended")
        except ClientError as error:
            self._current.note(str(error))

    def _obey(self, command: SlashCommand) -> None:
        match command.name:
            case "model" if command.argument:
                self._turns.model = command.argument
                self._current.note(f"{command.argument} answers from now on")
            case "model":
                names = [str(model.get("id")) for model in self._client.models()]
                for name in names if self._turns.model in names else [*names, self._turns.model]:
                    self._current.note(f"{'*' if name == self._turns.model else ' '} {exact_line(name)}", exact=True)
            case "stop":
                self._turns.stop()
            case "share":
                self._turns.share()
            case "help":
                for line in help_text().splitlines():
                    self._current.note(line, exact=True)
            case "quit":
                raise Leaving
