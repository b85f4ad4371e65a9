"""The model's searches run beside the other tests: they need a processor for minutes, and nothing else."""

from __future__ import annotations

import pytest

from tests.model import search


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin what the chosen tests will ask for."""
    if search.SPIN is not None and search.COMPILER is not None and not session.config.option.collectonly:
        calls = (getattr(item, "callspec", None) for item in session.items if item.path.parent == search.MODEL.parent)
        search.begin(call.params["variant"] for call in calls if call is not None)


def pytest_sessionfinish() -> None:
    """What was not needed, as the session ended early, is not begun."""
    search.stop()
