"""Who calls, as a request's scope remembers it."""

from __future__ import annotations

from typing import Any

import pytest

from api.access.caller import Caller, grant_of


@pytest.mark.parametrize(
    ("scope", "grant"),
    [
        ({}, ""),
        ({"state": {}}, ""),
        ({"state": {"caller": Caller("ann")}}, ""),
        ({"state": {"caller": Caller("ann", grant="key:a")}}, "key:a"),
    ],
)
def test_a_grant_is_that_of_who_asked(scope: dict[str, Any], grant: str) -> None:
    assert grant_of(scope) == grant
