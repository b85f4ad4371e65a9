"""How a conversation on a terminal begins, and what is said at its end."""

import math
import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from uuid import uuid4

from midstream.address import url_option
from midstream.client.http_client import HttpClient
from midstream.conversing.begun_elsewhere import BegunElsewhere
from midstream.conversing.bell import Bell
from midstream.conversing.current_answer import CurrentAnswer
from midstream.conversing.place import Place
from midstream.conversing.session import Session
from midstream.conversing.turns import Turns
from midstream.output.answer import AnswerWriter
from midstream.program import typed
from midstream.terminal import one_line
from midstream_client import RetryBudget


class Wishes(NamedTuple):
    """What the options of the command say."""

    conversation: str | None
    model: str | None
    system: str | None
    reasoning: bool
    final: bool


def converse(client: HttpClient, key: str | None, wishes: Wishes) -> None:
    """Holds a conversation on the terminal. Raises ClientError where it cannot begin."""
    place = Place(client, wishes.conversation or str(uuid4()))
    earlier = place.look() if wishes.conversation else []
    model = wishes.model or (place.newest and place.newest.model) or client.default_model()
    with Bell() as bell:
        current = CurrentAnswer(bell, partial(_writer, client.url, wishes))
        if wishes.conversation:
            current.note(_greeting(place))
        connect = partial(HttpClient, client.url, key)
        for_ever = partial(HttpClient, client.url, key, budget=partial(RetryBudget, total=math.inf))
        others = BegunElsewhere(for_ever, place)
        turns = Turns(client, connect, place, others, current, bell, model=model, system=wishes.system)
        Session(client, turns, current, others).run(earlier)
        if turns.any:
            _say_goodbye(place.conversation.id, client.url, current, runs=turns.runs)


def _greeting(place: Place) -> str:
    title = place.conversation.about.get("title")
    name = place.conversation.id
    if place.newest is None:
        return f"conversation {name} has no turn yet: your first message begins it"
    return f"conversation {name} goes on" + (f": {one_line(str(title))}" if title else "")


def _say_goodbye(name: str, url: str, current: CurrentAnswer, *, runs: bool) -> None:
    how = "the answer goes on. " if runs else ""
    if current.unaccepted:
        how = "whether the server has accepted your last message is not known. "
    current.note(f"{how}Go on with this conversation:")
    sys.stderr.write(f"  {typed('chat', '--conversation', name, *url_option(url))}\n")


def _writer(url: str, wishes: Wishes, generation: Callable[[], str]) -> AnswerWriter:
    return AnswerWriter(
        sys.stdout,
        sys.stderr,
        reasoning=wishes.reasoning,
        final=wishes.final,
        saving=lambda: typed("show", generation(), "--files", ".", *url_option(url)),
    )
