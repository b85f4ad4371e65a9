"""The checker is tested by hand-made histories: one in which all is well, and one for each way to break a rule."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest

from tests.chaos.checker import Checker
from tests.chaos.evidence import Evidence
from tests.chaos.history import (
    AnyLine,
    Appended,
    Cancel,
    Claimed,
    Delete,
    Fault,
    History,
    Post,
    Reported,
    Seen,
    Setup,
    Stored,
    View,
    read,
)

T = 1_000_000
"""Token of the first attempt; the second one's is T + 5,000. Tokens are times in ms."""
START = T / 1000


class Story:
    """A generation whose first worker is killed after three events, and which the second completes."""

    def __init__(self) -> None:
        self.setup = Setup(at=START - 10, seed=1, lease=2.0, workers=["w1", "w2"], apis=["a1", "a2"])
        self.post = Post(at=START, sent=START - 0.1, key="k", api="a1", text="text", status=202, id="g")
        first = [("attempt", "h0"), ("part", "h1"), ("delta", "h2")]
        second = [("attempt", "h3"), ("delta", "h4"), ("completed", "h5")]
        at = START + 5
        self.events = [Seen(f"{T}-{n}", *event, START + 0.1 * n) for n, event in enumerate(first)]
        self.events += [Seen(f"{T + 5000}-{n}", *event, at + 0.1 * n) for n, event in enumerate(second)]
        self.kill = Fault(at=START + 1, until=START + 3, what="worker_kill", target="w1")
        self.claims = [
            Claimed(at=START, id="g", start="CLAIMED", token=T, number=1, last="0-0", worker="w1"),
            Claimed(at=at, id="g", start="CLAIMED", token=T + 5000, number=2, last=f"{T}-2", worker="w2"),
        ]
        self.appends = [
            self.append(T, f"{T}-0", 1, first[1:], START + 0.2, "w1"),
            self.append(T + 5000, f"{T + 5000}-0", 1, second[1:], at + 0.2, "w2"),
        ]
        self.stored = Stored(
            at=at + 60, id="g", state="completed", seal=f"{T + 5000}-2", text="text",
            events=[event._replace(at=0.0) for event in self.events],
        )  # fmt: skip
        self.reported = Reported(
            at=at + 60, id="g", api="a1", status=200, state="completed", last=self.stored.seal
        )  # fmt: skip
        # It leaves after two events, resumes elsewhere, is cut, and resumes to the end.
        self.views = [
            self.view(1, "", self.events[:2], "left"),
            self.view(2, f"{T}-1", self.events[2:4], "cut"),
            self.view(3, f"{T + 5000}-0", self.events[4:], "end"),
        ]
        self.more: list[AnyLine] = []

    def append(
        self, token: int, previous: str, first: int, events: list[tuple[str, str]], at: float, worker: str
    ) -> Appended:
        return Appended(
            at=at + 0.01, sent=at, id="g", token=token, previous=previous, first=first, events=events, outcome="OK",
            last="0-0", worker=worker,
        )  # fmt: skip

    def view(self, connection: int, cursor: str, events: list[Seen], how: str, status: int = 200) -> View:
        times = [event.at for event in events] or [START + 50]
        return View(
            at=times[-1] + 0.1, viewer="v", connection=connection, id="g", api="a1", cursor=cursor,
            sent=times[0] - 0.1, status=status, how=how, events=list(events),
        )  # fmt: skip

    @property
    def lines(self) -> list[AnyLine]:
        return [
            self.setup, self.post, self.kill, *self.claims, *self.appends, self.stored, self.reported, *self.views,
            *self.more,
        ]  # fmt: skip

    def rules(self) -> set[str]:
        """The rules that the checker finds broken."""
        return {violation.rule for violation in Checker(Evidence(deepcopy(self.lines))).check()}

    def redis_killed(self, at: float) -> None:
        self.more.append(Fault(at=at, until=at + 1, what="redis_kill", target="redis"))

    def jumped(self, at: float, offset: int = 600, target: str = "redis") -> None:
        self.more.append(Fault(at=at, until=at, what="redis_clock", target=target, offset=offset))

    def ahead(self, seconds: int) -> None:
        """Let the second attempt's token be of a clock that is so far ahead."""
        old, new = str(T + 5000), str(T + 5000 + seconds * 1000)
        for event_list in (self.events, self.stored.events, *(view.events for view in self.views)):
            event_list[:] = [event._replace(id=event.id.replace(old, new)) for event in event_list]
        for view in self.views:
            view.cursor = view.cursor.replace(old, new)
        self.claims[1].token = self.appends[1].token = int(new)
        self.appends[1].previous = self.appends[1].previous.replace(old, new)
        self.stored.seal = self.stored.seal.replace(old, new)
        self.reported.last = self.stored.seal


def test_a_history_without_fault_is_found_without_fault(tmp_path: Path) -> None:
    story = Story()
    assert story.rules() == set()
    # And the same after it was written and read.
    history = History(tmp_path)
    for line in story.lines:
        if not isinstance(line, Claimed | Appended):
            history.add(line)
    history.close()
    checker = Checker(Evidence(read(tmp_path)))
    assert checker.check() == []
    assert checker.counts["reconnects"] == 2
    assert checker.counts["completed"] == 1


def gap(story: Story) -> None:
    del story.views[2].events[0]


def duplicate(story: Story) -> None:
    story.views[1].events.insert(0, story.events[1])


def going_back(story: Story) -> None:
    # Its first connection began in the middle, so that what comes later is news, but of the past.
    story.views[0].events = story.events[:1]
    story.views[1] = story.view(2, f"{T}-0", [story.events[1], story.events[3]], "cut")
    story.views[2] = story.view(3, f"{T + 5000}-0", [story.events[2]], "cut")


def beginning_in_the_middle(story: Story) -> None:
    story.views = [story.view(1, "", story.events[3:], "end")]


def nothing_more_too_early(story: Story) -> None:
    story.views[2] = story.view(3, f"{T + 5000}-0", [], "refused", status=204)


def never_ending_viewer(story: Story) -> None:
    story.views[2] = story.view(3, f"{T + 5000}-0", story.events[4:5], "hung")


def after_the_end(story: Story) -> None:
    story.views[2].events.append(Seen(f"{T + 5000}-3", "delta", "h6", START + 6))


def other_bytes_for_a_viewer(story: Story) -> None:
    story.views[0].events[1] = story.events[1]._replace(hash="other")


def other_bytes_in_a_journal(story: Story) -> None:
    story.appends[0].events[1] = ("delta", "other")


def hole_in_the_log(story: Story) -> None:
    del story.stored.events[4]
    story.views, story.appends = [], []


def attempt_without_a_beginning(story: Story) -> None:
    story.stored.events[3] = Seen(f"{T + 5000}-0", "delta", "h3")
    story.views, story.appends = [], []


def two_terminal_events(story: Story) -> None:
    story.stored.events[2] = Seen(f"{T}-2", "failed", "h2")
    story.views, story.appends = [], []


def event_after_the_terminal_one(story: Story) -> None:
    story.stored.events.append(Seen(f"{T + 5000}-3", "usage", "h6"))
    story.views = []
    story.reported.state, story.reported.last = "usage", f"{T + 5000}-3"
    story.post.id = None


def sealed_elsewhere(story: Story) -> None:
    story.stored.seal = f"{T + 5000}-1"


def end_without_a_seal(story: Story) -> None:
    story.stored.seal, story.stored.state = "", "running"


def never_ended(story: Story) -> None:
    del story.stored.events[5]
    story.stored.seal, story.stored.state = "", "running"
    story.views, story.appends, story.more = [], [], []
    story.reported.state, story.reported.last = "delta", f"{T + 5000}-1"


def accepted_and_forgotten(story: Story) -> None:
    story.stored = Stored(at=START + 60, id="g")
    story.views, story.appends, story.reported = [], [], Reported(at=START, id="g", api="a1", status=404)


def said_something_else(story: Story) -> None:
    story.stored.text = "another"


def zombie_append(story: Story) -> None:
    story.appends.append(story.append(T, f"{T}-2", 3, [("delta", "h9")], START + 5.5, "w1"))
    story.stored.events.insert(3, Seen(f"{T}-3", "delta", "h9"))
    story.claims[1].last = f"{T}-3"
    story.views = []


def written_between_claim_and_first_event(story: Story) -> None:
    story.stored.events.insert(3, Seen(f"{T}-3", "delta", "h9"))
    story.views = []


def token_given_twice(story: Story) -> None:
    twin = deepcopy(story.claims[1])
    twin.worker = "w1"
    story.claims.append(twin)


def acknowledged_and_lost(story: Story) -> None:
    story.appends.append(story.append(T, f"{T}-2", 3, [("delta", "h9")], START + 0.5, "w1"))


def api_says_another_end(story: Story) -> None:
    story.reported.state = "cancelled"


def api_knows_an_older_log(story: Story) -> None:
    story.reported.last = f"{T + 5000}-1"


def api_has_lost_it(story: Story) -> None:
    story.reported = Reported(at=START + 60, id="g", api="a1", status=404)


def cancel_told_another_end(story: Story) -> None:
    story.more.append(Cancel(at=START + 7, sent=START + 6, id="g", api="a1", status=200, state="cancelled"))


def cancelled_by_nobody(story: Story) -> None:
    for events in (story.events, story.stored.events):
        events[-1] = events[-1]._replace(type="cancelled")
    story.appends[-1].events[-1] = ("cancelled", story.appends[-1].events[-1][1])
    story.views[-1].events[-1] = story.views[-1].events[-1]._replace(type="cancelled")
    story.reported.state = story.stored.state = "cancelled"


def deleted_and_still_there(story: Story) -> None:
    story.more.append(Delete(at=START + 7, sent=START + 6, id="g", api="a1", status=204))


def sealed_log_grew(story: Story) -> None:
    earlier = deepcopy(story.stored)
    earlier.at -= 30
    del earlier.events[5:]
    earlier.seal = f"{T + 5000}-1"
    story.more.append(earlier)


def one_key_two_generations(story: Story) -> None:
    other = deepcopy(story.stored)
    other.id = "g2"
    story.more += [deepcopy(story.post), other]
    story.more[0].id = "g2"  # type: ignore[union-attr]


def server_error_to_a_viewer(story: Story) -> None:
    story.views.insert(1, story.view(2, f"{T}-1", [], "refused", status=500))


def not_found_to_a_viewer(story: Story) -> None:
    story.views.append(story.view(4, "", [], "refused", status=404))


def server_error_to_a_post(story: Story) -> None:
    story.more.append(Post(at=START, sent=START - 1, key="k", api="a1", text="text", status=500))


def refusal_without_retry_after(story: Story) -> None:
    story.more.append(Post(at=START, sent=START - 1, key="k", api="a1", text="text", status=503))


def reset_without_need(story: Story) -> None:
    reset = Seen("", "reset", "r", START + 5)
    story.views[2] = story.view(3, f"{T + 5000}-0", [reset, *story.events], "end")


def running_and_never_answered(story: Story) -> None:
    story.more.append(Stored(at=START + 60, id="g3", state="running"))


def taken_from_a_living_worker_after_a_jump(story: Story) -> None:
    story.kill.target = "w3"
    story.jumped(START + 4)


def held_up_by_a_frozen_queue(story: Story) -> None:
    story.appends.append(story.append(T, f"{T}-1", 2, [("delta", "h2")], START + 4.5, "w1"))
    story.appends[0].events = [("part", "h1")]
    story.kill.target = "w3"
    story.more.append(Fault(at=START + 0.5, until=START + 4.5, what="queue_pause", target="queue"))


def stuck_after_a_fail_over(story: Story) -> None:
    story.events[3:] = []
    story.claims[1:], story.views = [], []
    story.appends = [
        story.append(T, f"{T}-0", 1, [("part", "h1")], START + 0.2, "w1"),
        story.append(T, f"{T}-1", 2, [("delta", "h2"), ("completed", "h3")], START + 9, "w1"),
    ]
    story.stored.events = [*story.events, Seen(f"{T}-3", "completed", "h3")]
    story.stored.seal = story.reported.last = f"{T}-3"
    story.kill.target = "w3"
    story.more.append(Fault(at=START + 0.5, until=START + 1, what="redis_failover", target="redis"))


def refused_for_ever(story: Story) -> None:
    story.more.append(
        Post(at=START + 30, sent=START + 29, key="k2", api="a1", text="text", status=503, retry_after=True)
    )


BROKEN: list[tuple[Callable[[Story], None], set[str]]] = [
    (gap, {"lost", "complete"}),
    (duplicate, {"duplicated", "complete"}),
    (going_back, {"reordered", "complete"}),
    (beginning_in_the_middle, {"complete"}),
    (nothing_more_too_early, {"complete"}),
    (never_ending_viewer, {"hung"}),
    (after_the_end, {"terminal", "complete"}),
    (other_bytes_for_a_viewer, {"content", "complete"}),
    (other_bytes_in_a_journal, {"content"}),
    (hole_in_the_log, {"dense"}),
    (attempt_without_a_beginning, {"dense"}),
    (two_terminal_events, {"terminal"}),
    (event_after_the_terminal_one, {"terminal"}),
    (sealed_elsewhere, {"terminal"}),
    (end_without_a_seal, {"terminal"}),
    (never_ended, {"ended"}),
    (accepted_and_forgotten, {"ended"}),
    (said_something_else, {"text"}),
    (zombie_append, {"superseded"}),
    (written_between_claim_and_first_event, {"superseded"}),
    (token_given_twice, {"token"}),
    (acknowledged_and_lost, {"kept"}),
    (api_says_another_end, {"report"}),
    (api_knows_an_older_log, {"report"}),
    (api_has_lost_it, {"report"}),
    (cancel_told_another_end, {"cancel"}),
    (cancelled_by_nobody, {"cancel"}),
    (deleted_and_still_there, {"deleted"}),
    (sealed_log_grew, {"rewritten"}),
    (one_key_two_generations, {"key"}),
    (server_error_to_a_viewer, {"status"}),
    (not_found_to_a_viewer, {"status"}),
    (server_error_to_a_post, {"status"}),
    (refusal_without_retry_after, {"status"}),
    (reset_without_need, {"reset"}),
    (running_and_never_answered, {"ended"}),
    (taken_from_a_living_worker_after_a_jump, {"clock"}),
    (held_up_by_a_frozen_queue, {"flow"}),
    (stuck_after_a_fail_over, {"flow"}),
    (refused_for_ever, {"refused"}),
]


@pytest.mark.parametrize(("break_it", "rules"), BROKEN, ids=[break_it.__name__ for break_it, _ in BROKEN])
def test_a_broken_promise_is_found(break_it: Callable[[Story], None], rules: set[str]) -> None:
    story = Story()
    break_it(story)
    assert story.rules() == rules


def test_a_question_in_a_dialect_is_taken_with_its_answer() -> None:
    story = Story()
    story.more.append(Post(at=START + 40, sent=START + 29, key="k2", api="a1", text="text", status=200, waits=True))
    assert "refused" not in story.rules()


def test_what_has_expired_was_there_before() -> None:
    story = Story()
    story.more.append(Stored(at=START + 100, id="g"))
    story.reported = Reported(at=START + 100, id="g", api="a1", status=410)
    assert story.rules() == set()


def completed_and_done_again(story: Story) -> None:
    """The viewers were told an end which Redis forgot, and another attempt made another end."""
    story.events[2] = story.events[2]._replace(type="completed")
    story.appends[0].events[1] = ("completed", "h2")
    story.views = [story.view(1, "", story.events[:3], "end")]
    story.stored.events = story.stored.events[:2] + story.stored.events[3:]
    story.claims[1].last = f"{T}-1"


def test_an_end_that_was_told_is_excused_only_where_its_writer_was_struck_too() -> None:
    story = Story()
    completed_and_done_again(story)
    story.redis_killed(START + 0.4)
    assert story.rules() == set()  # the worker was killed at START + 1
    story.kill.target = "w2"
    assert story.rules() == {"complete"}


@pytest.mark.parametrize(
    ("break_it", "killed_at"),
    [(acknowledged_and_lost, START + 1.0), (zombie_append, START + 5.2), (reset_without_need, START + 4.0)],
)
def test_a_kill_of_redis_excuses_what_it_may_have_lost(break_it: Callable[[Story], None], killed_at: float) -> None:
    story = Story()
    break_it(story)
    story.redis_killed(killed_at)
    assert story.rules() == set()


@pytest.mark.parametrize(
    ("break_it", "killed_at"),
    [
        # Long before or after, and what no crash can do.
        (acknowledged_and_lost, START + 4.0),
        (zombie_append, START - 5.0),
        (reset_without_need, START + 30.0),
        (other_bytes_for_a_viewer, START + 1.0),
        (two_terminal_events, START + 1.0),
        (never_ended, START + 5.2),
    ],
)
def test_a_kill_of_redis_excuses_nothing_else(break_it: Callable[[Story], None], killed_at: float) -> None:
    story = Story()
    break_it(story)
    story.redis_killed(killed_at)
    assert story.rules() != set()


@pytest.mark.parametrize("disturbed_by", ["redis_kill", "queue_pause"])
def test_a_jump_is_not_blamed_for_what_another_fault_did(disturbed_by: str) -> None:
    story = Story()
    taken_from_a_living_worker_after_a_jump(story)
    story.more.append(Fault(at=START + 2, until=START + 4.5, what=disturbed_by, target=disturbed_by.partition("_")[0]))
    assert "clock" not in story.rules()


def test_a_jump_long_before_an_attempt_did_not_cause_it() -> None:
    story = Story()
    story.kill.target = "w3"
    story.jumped(START - 5)
    assert story.rules() == set()


@pytest.mark.parametrize("broken", ["w1", "w1 simulator", "simulator"])
def test_a_frozen_queue_is_not_blamed_for_what_another_fault_did(broken: str) -> None:
    story = Story()
    held_up_by_a_frozen_queue(story)
    story.more.append(Fault(at=START + 2, until=START + 3, what="way_cut", target=broken))
    assert "flow" not in story.rules()


@pytest.mark.parametrize(("at", "until"), [(START - 3, START - 2), (START + 0.1, START + 4)])
def test_a_silence_long_after_a_fault_or_hardly_after_it_is_not_blamed_on_it(at: float, until: float) -> None:
    story = Story()
    stuck_after_a_fail_over(story)
    story.more[-1].at, story.more[-1].until = at, until  # type: ignore[union-attr]
    assert story.rules() == set()


def test_what_broke_after_it_should_have_gone_on_is_no_excuse() -> None:
    story = Story()
    stuck_after_a_fail_over(story)
    story.more.append(Fault(at=START + 8.5, until=START + 8.9, what="redis_failover", target="redis"))
    assert story.rules() == {"flow"}
    story.more[-1].at = START + 3
    assert story.rules() == set()


def test_a_provider_that_said_nothing_before_its_end_is_no_fault_of_a_frozen_queue() -> None:
    story = Story()
    held_up_by_a_frozen_queue(story)
    story.appends[-1].events = [("usage", "h2")]
    assert "flow" not in story.rules()


def test_a_fail_over_excuses_nothing() -> None:
    for break_it in (acknowledged_and_lost, reset_without_need):
        story = Story()
        break_it(story)
        story.more.append(Fault(at=START + 1, until=START + 1.5, what="redis_failover", target="redis"))
        assert story.rules() != set()


def test_what_an_outage_of_a_minute_lost_is_excused_as_long_as_it_lasts() -> None:
    """The viewer hears of it, and is told 404, a minute after the kill."""
    story = Story()
    story.views.append(story.view(4, "", [], "refused", status=404))
    story.views[-1].at = START + 75
    assert story.rules() == {"status"}
    story.more.append(Fault(at=START - 5, until=START + 67, what="redis_outage", target="redis"))
    assert story.rules() == set()


def test_a_token_of_a_clock_that_jumped_is_of_the_time_in_which_it_was_given() -> None:
    story = Story()
    story.ahead(600)
    story.claims[1].at = START + 5.1  # written down a little later
    story.jumped(START + 4, 600)
    assert story.rules() == set()
    evidence = Evidence(deepcopy(story.lines))
    assert evidence.claimed(evidence.claims["g"][1]) == pytest.approx(START + 5, abs=0.01)
    # What a kill of Redis may have lost is found by the same time: here, a claim that fenced nobody.
    zombie = story.append(T, f"{T}-2", 3, [("delta", "h9")], START + 5.5, "w1")
    story.appends.append(zombie)
    assert "superseded" in story.rules()
    story.redis_killed(START + 5.2)
    assert "superseded" not in story.rules()


def test_a_token_that_counts_on_after_a_clock_was_set_back_is_as_old_as_its_claim() -> None:
    story = Story()
    story.jumped(START - 100, 600)
    story.jumped(START + 4, 0)
    # The first attempt was given T + 600,000, and the second the number after it.
    evidence = Evidence(deepcopy(story.lines))
    claim = evidence.claims["g"][1]
    claim.token, claim.at = T + 600_001, START + 25
    assert evidence.claimed(claim) == START + 25


def test_what_only_the_queue_forgot_is_never_excused() -> None:
    """Accepted, in the log's Redis, and in no queue: there it has to be found."""
    story = Story()
    story.claims, story.appends, story.views = [], [], []
    story.stored = Stored(at=START + 60, id="g", state="queued")
    story.reported = Reported(at=START + 60, id="g", api="a1", status=200, state="queued")
    story.more.append(Fault(at=START + 1, until=START + 2, what="queue_kill", target="queue"))
    story.more.append(Fault(at=START + 3, until=START + 4, what="api_kill", target="a1"))
    assert story.rules() == {"ended"}


def test_an_acceptance_that_redis_forgot_is_excused_only_where_its_node_was_struck_too() -> None:
    story = Story()
    accepted_and_forgotten(story)
    story.claims = []
    story.redis_killed(START + 0.1)
    assert story.rules() == {"ended"}
    story.more.append(Fault(at=START + 0.2, until=START + 1, what="api_kill", target="a1"))
    assert story.rules() == set()


def test_what_redis_lost_may_be_shown_again_before_a_reset() -> None:
    """By an API node that has had it before, long after, as nobody has written since."""
    story = Story()
    lost = Seen(f"{T}-3", "delta", "h9", START + 0.3)
    end = story.events[-1].at + 40
    again = [event._replace(at=end) for event in [*story.events[2:3], lost, Seen("", "reset", "", 0.0)]]
    story.views = [
        story.view(1, "", [*story.events[:3], lost], "left"),
        story.view(2, f"{T}-1", [*again, *(event._replace(at=end) for event in story.events)], "end"),
    ]
    assert "reset" in story.rules()
    story.redis_killed(START + 0.5)
    assert story.rules() == set()
    story.views[0].events[3:] = []
    assert story.rules() == {"reset"}


@pytest.mark.parametrize("struck", ["w1", "w1 redis", "simulator"])
def test_an_attempt_that_broke_off_before_a_fault_did_not_wait_for_it(struck: str) -> None:
    story = Story()
    stuck_after_a_fail_over(story)
    story.appends[1] = story.append(T + 5000, f"{T}-1", 2, [("delta", "h2"), ("completed", "h3")], START + 29, "w2")
    (fault,) = story.more
    fault.at, fault.until = START + 20, START + 20.5  # type: ignore[union-attr]
    assert "flow" in story.rules()
    story.more.append(Fault(at=START + 2, until=START + 3, what="worker_kill", target=struck))
    assert "flow" not in story.rules()


def test_half_a_line_at_the_end_of_a_journal_is_no_line(tmp_path: Path) -> None:
    History(tmp_path).close()
    (tmp_path / "w1-appends.jsonl").write_bytes(
        b'{"kind":"claim","at":1.0,"id":"g","start":"CLAIMED","token":1,"number":1,"last":"0-0"}\n{"kind":"cl'
    )
    (line,) = read(tmp_path)
    assert isinstance(line, Claimed)
    assert line.worker == "w1"
