"""An answer with quirks on its way: what is due when, and what stays the good writer's."""

import json
from collections.abc import Iterator

from simulator.answer import compose
from simulator.openai_chat import ChatWriter, OpenAIChat
from simulator.quirks.event import Event
from simulator.quirks.quirk import CHAT, Change, Quirk
from simulator.quirks.quirked_writer import QuirkedWriter
from simulator.script import parse_script
from tests.simulator.in_memory import request
from tests.simulator.quirks.asked import same

DELTAS = 5


def good() -> ChatWriter:
    asked = request("lorem", include_usage=True)
    return OpenAIChat().write(asked, compose(parse_script(f"lorem?deltas={DELTAS}"), asked, interleave=True))


def quirked(*changes: Change) -> QuirkedWriter:
    return QuirkedWriter(good(), tuple(Quirk("a", "", {CHAT: change}) for change in changes), CHAT, DELTAS)


def held_back(events: Iterator[Event]) -> Iterator[Event]:
    """Each event twice, and the first delta only after the third."""
    held = None
    for event in events:
        if event.due == 0:
            held = event
            continue
        yield event
        if event.due == 2 and held is not None:
            yield held


def test_without_a_change_nothing_changes() -> None:
    writer = good()
    plain = QuirkedWriter(writer, (), CHAT, DELTAS)
    again = good()
    pieces = [(plain.opening(), again.opening())]
    pieces += [(plain.deltas(n, n + 1), again.deltas(n, n + 1)) for n in range(DELTAS)]
    pieces += [(plain.closing(), again.closing())]
    for mine, theirs in pieces:
        assert same(mine) == same(theirs) != b""
    assert plain.headers == writer.headers


def test_what_is_held_back_comes_with_the_event_before_it() -> None:
    writer = quirked(held_back)
    writer.opening()
    assert writer.deltas(0, 1) == b""
    assert writer.deltas(1, 2).count(b"data: ") == 1
    assert writer.deltas(2, 3).count(b"data: ") == 2
    assert writer.deltas(3, 5).count(b"data: ") == 2
    assert writer.closing().count(b"data: ") == 3


def test_changes_are_applied_one_after_the_other() -> None:
    def said(mark: str) -> Change:
        def change(events: Iterator[Event]) -> Iterator[Event]:
            for event in events:
                yield event.after(f"{event.data}{mark}" if isinstance(event.data, str) else mark)

        return change

    assert quirked(said("a"), said("b")).opening() == b"data: ab\n\n"


def test_faults_and_documents_are_the_good_writers() -> None:
    writer, theirs = quirked(held_back), good()
    assert (writer.error(), writer.keepalive()) == (theirs.error(), theirs.keepalive())
    assert writer.broken().endswith(b'"content":"\n\n')
    whole = json.loads(writer.whole())
    assert whole["object"] == "chat.completion"
    listed = QuirkedWriter(good(), (Quirk("a", "", documents={CHAT: lambda whole: [whole["object"]]}),), CHAT, DELTAS)
    assert listed.whole() == b'["chat.completion"]'
