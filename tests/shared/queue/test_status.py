"""The status: when an owner is held back by what it may."""

from __future__ import annotations

import pytest

from shared.queue.status import LineStatus


@pytest.mark.parametrize(("running", "most", "held"), [(0, None, False), (9, None, False), (1, 2, False), (2, 2, True)])
def test_who_runs_as_many_as_it_may_is_held_back(running: int, most: int | None, held: bool) -> None:
    line = LineStatus(owner="ann", waiting=3, running=running, oldest_wait_ms=5, most_running=most)
    assert line.is_held_back is held
