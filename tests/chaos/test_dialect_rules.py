"""The rules of dialects, by hand-made histories: one in which all is well, and one for each way to break a promise."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy

import pytest

from tests.chaos.dialect_rules import tries_paid
from tests.chaos.evidence import Evidence
from tests.chaos.history import AnyLine, Delete, DialectView, Fault, Framed, Post, Whole
from tests.chaos.spoken import CHAT, MESSAGES, RESPONSES, Spoken
from tests.chaos.test_checker import START, Story

VOID, NAME = "chatcmpl-g", "chatcmpl-g-2"


class Told:
    """The generation of Story, which starts over, as it is told in Chat and in Responses, and to who waits for all."""

    def __init__(self) -> None:
        self.story = Story()
        self.void = [Framed(f"v{n}", name=VOID) for n in range(3)]
        self.events = [Framed(f"c{n}", name=NAME) for n in range(5)]
        # Cut as it starts over, refused, and then cut once more.
        self.views = [
            self.view(1, self.void, "cut", name=""),
            self.view(2, [], "refused", after=2, status=410, code="superseded"),
            self.view(3, self.events[:2], "cut"),
            self.view(4, self.events[2:], "end", name=NAME, after=1, marks=1),
        ]
        self.numbered = [Framed(f"r{n}", n, "resp_g" if n == 0 else "") for n in range(4)]
        self.responses = [
            self.view(1, self.numbered[:2], "left", name="resp_g", dialect="openai-responses", viewer="r"),
            self.view(
                2, self.numbered[2:], "end", name="resp_g", dialect="openai-responses", viewer="r", after=1, marks=1
            ),
        ]
        self.wholes = [
            self.whole("openai-chat", NAME, self.events),
            self.whole("openai-responses", "resp_g", self.numbered),
        ]
        self.answer = Post(
            at=START + 6, sent=START, key="d", api="a1", text="text", status=200, id="g", dialect="openai-chat",
            waits=True, said="text", name=NAME,
        )  # fmt: skip
        self.more: list[AnyLine] = []

    def view(
        self,
        connection: int,
        events: list[Framed],
        how: str,
        *,
        name: str = VOID,
        dialect: str = "openai-chat",
        viewer: str = "c",
        after: int | None = None,
        status: int = 200,
        code: str = "",
        marks: int = 0,
    ) -> DialectView:
        at = START + connection
        return DialectView(
            at=at + 0.5, sent=at, viewer=viewer, connection=connection, id="g", dialect=dialect, api="a1", name=name,
            after=after, status=status, code=code, how=how, marks=marks, events=list(events),
        )  # fmt: skip

    def whole(self, dialect: str, name: str, events: list[Framed]) -> Whole:
        return Whole(
            at=START + 70, id="g", dialect=dialect, api="a1", status=200, marks=1, name=name, text="text",
            events=list(events),
        )  # fmt: skip

    def rules(self) -> set[str]:
        """The rules that are found broken."""
        self.story.more += [*self.views, *self.responses, *self.wholes, self.answer, *self.more]
        return self.story.rules()


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    told = Told()
    assert told.rules() == set()
    assert tries_paid(Evidence(deepcopy(told.story.lines))) == (1, 0)


def clean_end(told: Told) -> None:
    told.views[0].how = "end"


def other_bytes(told: Told) -> None:
    told.views[2].events[1] = Framed("other", name=NAME)


def other_bytes_long_after(told: Told) -> None:
    again = told.whole("openai-chat", NAME, told.events)
    again.events[3] = Framed("other", name=NAME)
    told.wholes.append(again)


def lost(told: Told) -> None:
    # Not where anybody can see it: what comes later is what belongs there.
    told.responses[1].events = told.numbered[3:]


def missing_at_the_end(told: Told) -> None:
    told.views[3].events = told.events[2:4]


def twice(told: Told) -> None:
    told.responses[1].events = [told.numbered[1], *told.numbered[2:]]


def after_the_end(told: Told) -> None:
    told.views[3].beyond = 1


def two_ends(told: Told) -> None:
    told.views[3].marks = 2


def two_epochs_in_a_stream(told: Told) -> None:
    told.views[0].events = [*told.void, *told.events]
    told.views[0].marks = 1


def another_epoch_than_was_asked_for(told: Told) -> None:
    told.views[1] = told.view(2, told.events[3:], "cut", after=2)


def void_and_whole(told: Told) -> None:
    told.views = [told.view(1, told.void, "end", marks=1)]


def void_for_long(told: Told) -> None:
    told.views[1] = told.view(2, [Framed("v3", name=VOID)], "cut", after=2)
    told.views[1].sent += 60
    told.responses = []
    other = told.view(1, told.events[:1], "cut", viewer="o", name=NAME)
    told.more.append(other)


def refused_what_stands(told: Told) -> None:
    told.views.insert(3, told.view(4, [], "refused", name=NAME, after=1, status=410, code="superseded"))
    told.views[4].connection = 5


def refused_for_nothing(told: Told) -> None:
    told.views[1].code = "gone"


def refused_by_a_fault(told: Told) -> None:
    told.views[1].status, told.views[1].code = 500, "internal_error"


def ping_before_the_message(told: Told) -> None:
    told.views[0].early = 1


def never_told_the_rest(told: Told) -> None:
    told.views[3].how, told.views[3].marks = "hung", 0


def another_text(told: Told) -> None:
    told.wholes[1].text = "other"


def no_end_long_after(told: Told) -> None:
    told.wholes[0].marks = 0


def gone_long_after(told: Told) -> None:
    told.wholes[0] = Whole(at=START + 70, id="g", dialect="openai-chat", api="a1", status=404)


def another_answer(told: Told) -> None:
    told.answer.said = "other"


def answer_of_a_void_epoch(told: Told) -> None:
    told.answer.name = VOID


def failure_of_what_is_completed(told: Told) -> None:
    told.answer.status, told.answer.said, told.answer.name = 502, "", ""


def never_answered(told: Told) -> None:
    told.answer.status, told.answer.id = -1, None


@pytest.mark.parametrize(
    ("break_it", "rule"),
    [
        (clean_end, "unfinished"),
        (other_bytes, "content"),
        (other_bytes_long_after, "content"),
        (lost, "dense"),
        (missing_at_the_end, "complete"),
        (twice, "dense"),
        (after_the_end, "terminal"),
        (two_ends, "terminal"),
        (two_epochs_in_a_stream, "mixed"),
        (another_epoch_than_was_asked_for, "mixed"),
        (void_and_whole, "superseded"),
        (void_for_long, "superseded"),
        (refused_what_stands, "superseded"),
        (refused_for_nothing, "status"),
        (refused_by_a_fault, "status"),
        (ping_before_the_message, "early"),
        (never_told_the_rest, "hung"),
        (another_text, "text"),
        (no_end_long_after, "terminal"),
        (gone_long_after, "status"),
        (another_answer, "answer"),
        (answer_of_a_void_epoch, "answer"),
        (failure_of_what_is_completed, "answer"),
        (never_answered, "hung"),
    ],
)
def test_each_broken_promise_is_found(break_it: Callable[[Told], None], rule: str) -> None:
    told = Told()
    break_it(told)
    assert rule in told.rules()


def test_who_cannot_hear_redis_goes_on_with_what_it_has() -> None:
    told = Told()
    void_for_long(told)
    told.more.append(Fault(at=START + 30, what="way_black_hole", target="a1 redis", until=START + 65))
    assert "superseded" not in told.rules()


def test_the_epoch_of_one_dialect_voids_nothing_of_another() -> None:
    told = Told()
    void_for_long(told)
    other = told.more[-1]
    assert isinstance(other, DialectView)
    del told.views[2:]
    assert "superseded" in deepcopy(told).rules()
    other.dialect, other.events = "anthropic", [Framed("a1", name="msg_g-2")]
    assert "superseded" not in told.rules()


def test_what_a_killed_redis_forgot_for_good_changes_numbers() -> None:
    """Where its worker was struck as well; the kill alone is no reason."""
    told = Told()
    other_bytes(told)
    told.story.redis_killed(START + 0.3)
    assert told.rules() == set()
    told = Told()
    other_bytes(told)
    told.story.redis_killed(START + 40)
    assert "content" in told.rules()


def test_what_a_killed_redis_forgot_for_good_is_answered_by_a_later_epoch() -> None:
    for killed, rules in ((START + 0.3, set()), (START + 40, {"answer"})):
        told = Told()
        answer_of_a_void_epoch(told)
        told.story.redis_killed(killed)
        assert told.rules() == rules


def test_who_has_had_more_than_there_is_is_never_told_that_it_is_all() -> None:
    told = Told()
    told.story.redis_killed(START + 0.3)
    told.views[3].events = []
    told.wholes[0].events = told.events[:1]
    assert told.rules() == {"unfinished"}


def test_a_deleted_one_may_be_gone() -> None:
    told = Told()
    told.views[3] = told.view(4, [], "refused", name=NAME, after=1, status=410, code="gone")
    told.wholes = told.wholes[1:]
    told.more.append(Delete(at=START + 4, id="g", api="a1", sent=START + 3, status=204))
    assert not {"status", "complete"} & told.rules()


def test_a_question_that_was_paid_twice_is_counted() -> None:
    told = Told()
    again = deepcopy(told.answer)
    again.id = "other"
    told.story.more = [told.answer, again]
    assert tries_paid(Evidence(told.story.lines)) == (1, 1)


@pytest.mark.parametrize("spoken", [CHAT, RESPONSES, MESSAGES], ids=lambda spoken: spoken.name)
def test_a_block_is_taken_apart(spoken: Spoken) -> None:
    said = {
        "openai-chat": {"id": "x-2", "choices": [{"delta": {"content": "a"}}]},
        "openai-responses": {"type": "response.created", "response": {"id": "x-2"}, "sequence_number": 7},
        "anthropic": {"type": "message_start", "message": {"id": "x-2"}},
    }[spoken.name]
    block = spoken.read(b": \n: \ndata: " + json.dumps(said).encode())
    assert block.framed is not None
    assert (block.framed.name, block.framed.number) == ("x-2", 7 if spoken is RESPONSES else -1)
    assert block.framed == spoken.read(b"data: " + json.dumps(said).encode()).framed, "comments are no part of it"
    assert not block.ends
    assert spoken.read(b"").framed is spoken.read(b": \n").framed is None


def test_each_dialect_says_that_it_is_whole() -> None:
    for spoken in (CHAT, RESPONSES):
        assert spoken.read(b"data: [DONE]").ends
    for name in (b"message_stop", b"error"):
        assert MESSAGES.read(b'event: %b\ndata: {"type": "%b"}' % (name, name)).ends
    ping = MESSAGES.read(b'event: ping\ndata: {"type": "ping"}')
    assert ping.ping
    assert ping.framed is None
