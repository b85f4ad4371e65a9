"""Nobody listens by default."""

from __future__ import annotations

import inspect

from api.observer import Observer


def test_each_call_is_answered_with_nothing_and_none_can_be_waited_for() -> None:
    observer = Observer()
    observer.answered("/livez", "GET", 200)
    observer.limited("queue_full", "local")
    observer.opened(resumed=True)
    observer.cut("stalled")
    methods = [value for _, value in inspect.getmembers(Observer, inspect.isfunction)]
    assert len(methods) == 4
    assert not any(map(inspect.iscoroutinefunction, methods))
