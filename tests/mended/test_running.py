"""The tools of these tests: a program that starts, a provider that answers as its script says."""

from __future__ import annotations

from tests.mended.conftest import Serve, Start
from tests.mended.upstream import answer


def test_an_answer_of_a_scripted_provider_is_seen_and_the_worker_can_be_killed(start: Start, serve: Serve) -> None:
    upstream = serve({"m": answer("Hello there")})
    running = start(upstream)
    generation = running.ask("openai/m")
    assert running.end(generation)["text"] == "Hello there"
    assert [event.event for event in running.events(generation)][-1] == "completed"
    assert upstream.sent["m"][0].body["messages"] == [{"role": "user", "content": "hi"}]
    assert b"Hello there" in running.cli("show", generation).stdout
    workers = running.children("worker")
    running.kill_worker()
    assert running.end(running.ask("openai/m"))["state"] == "completed"
    assert running.children("worker") != workers
    assert running.stop() == 0
