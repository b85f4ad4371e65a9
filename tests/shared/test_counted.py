"""One is one."""

from __future__ import annotations

import pytest

from shared.counted import counted


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 generations wait"), (1, "1 generation waits"), (2, "2 generations wait")]
)
def test_a_number_and_what_is_counted(number: int, text: str) -> None:
    assert counted(number, "generation waits", "generations wait") == text
