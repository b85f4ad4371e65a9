"""The model's searches run beside the other tests: they need a processor for minutes, and nothing else."""

from __future__ import annotations

import pytest

from tests.model import search


@pytest.fixture(scope="package", autouse=True)
def begun(request: pytest.FixtureRequest) -> None:
    """Begin what the chosen tests will ask for, in the one process of the run that has the first of them."""
    if search.SPIN is not None and search.COMPILER is not None:
        items = [item for item in request.session.items if item.path.parent == search.MODEL.parent]
        calls = (getattr(item, "callspec", None) for item in items)
        search.begin(call.params["variant"] for call in calls if call is not None)


def pytest_sessionfinish() -> None:
    """What was not needed, as the session ended early, is not begun."""
    search.stop()
