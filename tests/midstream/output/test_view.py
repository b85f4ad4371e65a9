"""Whoever leaves, even by Ctrl-C at the worst moment, gets exactly the rest."""

from __future__ import annotations

import contextlib
import io
import os
import signal

import pytest

from midstream.client.http_client import HttpClient
from midstream.output.answer import AnswerWriter
from midstream.output.view import View, view
from midstream.standard_streams import CannotWriteError, StandardStream
from midstream_client import Event
from tests.midstream.scripted_api import ScriptedApi


class Interrupted(AnswerWriter):
    """Gets Ctrl-C, `times` times, when the text is out and the event is not yet done with."""

    def __init__(self, at: str, times: int) -> None:
        super().__init__(io.StringIO(), io.StringIO())
        self.at, self.times = at, times
        self.notes: list[str] = []

    def write(self, event: Event) -> None:
        super().write(event)
        if event.data.get("delta") == self.at:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)

    def note(self, text: str, *, exact: bool = False) -> None:
        self.notes.append(text)


@pytest.mark.parametrize(("times", "rejoins_at"), [(1, 3), (2, 2)])
def test_the_event_in_hand_is_finished(
    scripted_api: ScriptedApi, capfd: pytest.CaptureFixture[str], times: int, rejoins_at: int
) -> None:
    scripted_api.says("a", "b", "c")
    output = Interrupted("b", times)
    before = signal.getsignal(signal.SIGINT)
    with HttpClient(scripted_api.url) as client:
        code = View(client, client.follow("gen_x"), output, []).run(announce=False)
    assert code == 130
    assert isinstance(output.out, io.StringIO)
    assert output.out.getvalue() == "ab"
    assert output.notes == ["detached; the generation goes on. Rejoin it with:"]
    # A second Ctrl-C does not wait: the event that was being written is written again on rejoining.
    assert f"tail gen_x --after {scripted_api.log[rejoins_at][0]} " in capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


def test_wherever_it_is_cut_the_parts_make_the_whole(
    scripted_api: ScriptedApi, capfd: pytest.CaptureFixture[str]
) -> None:
    scripted_api.says(end="")
    scripted_api.says("half a wo", end="")
    scripted_api.says("line\n", end="")
    scripted_api.says("wh", "", "ole 🌍")

    def viewed(after: str | None) -> str:
        with HttpClient(scripted_api.url) as client:
            assert view(client, client.follow("gen_x", after), reasoning=False, final=False, json=False) == 0
        return capfd.readouterr().out

    uncut = viewed(None)
    assert uncut == "half a wo\nline\nwhole 🌍\n"
    written = io.StringIO()
    answer = AnswerWriter(written, io.StringIO())
    for event_id, type, data in scripted_api.log[:-1]:
        answer.write(Event(event_id, type, data))
        assert written.getvalue() + viewed(event_id) == uncut, f"cut behind {event_id}"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_an_output_that_is_full_says_where_to_go_on(scripted_api: ScriptedApi) -> None:
    scripted_api.says("a")
    output = Interrupted("", 0)
    full = io.TextIOWrapper(StandardStream(os.open("/dev/full", os.O_WRONLY), forgiving=False))
    output.out = full
    with HttpClient(scripted_api.url) as client, pytest.raises(CannotWriteError, match="No space") as raised:
        View(client, client.follow("gen_x"), output, []).run(announce=False)
    assert f"tail gen_x --after {scripted_api.log[1][0]} " in raised.value.hint
    with contextlib.suppress(CannotWriteError):
        full.close()
