"""Scopes as text."""

from __future__ import annotations

import pytest

from shared.access.scopes import EVERYTHING, USUAL, Scope, read, written


def test_what_is_written_is_read() -> None:
    for scopes in (USUAL, EVERYTHING, frozenset({Scope.READ})):
        assert read(written(scopes)) == scopes
    assert written(EVERYTHING) == "generate,read,admin"
    assert read(" read , generate ") == USUAL


@pytest.mark.parametrize("text", ["", "write", "read,", "READ", "generate read"])
def test_what_is_no_scope_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Scope"):
        read(text)
