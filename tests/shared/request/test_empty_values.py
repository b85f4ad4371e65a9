"""What empty lists and texts stand for."""

from __future__ import annotations

from typing import Any

import pytest

from shared.request.empty_values import or_empty, or_none


@pytest.mark.parametrize(
    ("value", "none", "empty"), [([], None, ""), ("", None, ""), ([1], [1], [1]), ("x", "x", "x"), (None, None, None)]
)
def test_empty_ones(value: Any, none: Any, empty: Any) -> None:
    assert (or_none(value), or_empty(value)) == (none, empty)
