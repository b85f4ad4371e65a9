"""The simulator, asked in any protocol for an answer with quirks."""

import httpx2
import pytest

from tests.simulator.quirks.asked import Asker


@pytest.fixture
def ask(http: httpx2.AsyncClient) -> Asker:
    """Asks the simulator that the session shares."""
    return Asker(http)
