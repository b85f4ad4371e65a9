"""For how long a provider is waited for: each wait has an end."""

from __future__ import annotations

from worker.providers.call_times import CALL_TIMES, CallTimes


def test_each_wait_has_an_end() -> None:
    assert all(seconds is not None and seconds <= 900 for seconds in CALL_TIMES.timeout.as_dict().values())
    assert 0 < CALL_TIMES.after_finish_s <= 60


def test_only_the_wait_for_the_answer_is_what_it_is_given() -> None:
    times = CallTimes(begin_s=0.05)
    assert times.timeout.as_dict() == CALL_TIMES.timeout.as_dict() | {"read": 0.05}
