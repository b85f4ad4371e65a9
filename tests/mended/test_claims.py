"""What README says of a killed worker, and of who waits."""

from __future__ import annotations

import pytest

from tests.mended.conftest import Serve, Start
from tests.mended.running import until
from tests.mended.upstream import Script, answer, chunk


@pytest.mark.parametrize(("choice", "asked", "state"), [("restart", 2, "completed"), ("fail", 1, "failed")])
def test_who_is_asked_again_when_a_worker_is_killed(
    start: Start, serve: Serve, choice: str, asked: int, state: str
) -> None:
    upstream = serve({"m": [Script([chunk({"content": "Half of it"}), 30.0]), answer("All of it")]})
    running = start(upstream, env={"MIDSTREAM_LEASE": "1"})
    generation = running.ask("openai/m", on_interrupt=choice)
    until(lambda: running.snapshot(generation)["text"] == "Half of it", running=running)
    running.kill_worker()
    assert running.end(generation)["state"] == state
    assert len(upstream.sent["m"]) == asked
