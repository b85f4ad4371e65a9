"""The variables of the client commands."""

from __future__ import annotations

import pytest

from shared.settings import load


def test_the_programs_tolerate_them(monkeypatch: pytest.MonkeyPatch) -> None:
    # Somebody who has exported them must still be able to run `midstream up`.
    monkeypatch.setenv("MIDSTREAM_URL", "http://127.0.0.1:8000")
    monkeypatch.setenv("MIDSTREAM_KEY", "sk-x")
    assert load().port == 8000
