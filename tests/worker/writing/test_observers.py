"""Several observers hear all of it, each once and in order."""

from __future__ import annotations

from typing import Any

import pytest

from tests.worker.writing.test_observer import CALLS
from worker.writing.observer import Observer
from worker.writing.observers import Observers, together


class Ear(Observer):
    """Notes what it hears."""

    def __init__(self, name: str, heard: list[tuple[str, str, tuple[Any, ...]]]) -> None:
        def noting(method: str) -> Any:
            return lambda *arguments: heard.append((name, method, arguments))

        for method in CALLS:
            setattr(self, method, noting(method))


@pytest.mark.parametrize("method", CALLS)
def test_each_of_them_hears_each_thing(method: str) -> None:
    heard: list[tuple[str, str, tuple[Any, ...]]] = []
    getattr(Observers(Ear("a", heard), Ear("b", heard)), method)(*CALLS[method])
    assert heard == [("a", method, CALLS[method]), ("b", method, CALLS[method])]


def test_one_alone_is_not_wrapped() -> None:
    one, other = Observer(), Observer()
    assert together(one, None) is one
    assert isinstance(together(one, other), Observers)
    assert isinstance(together(None, None), Observer)
