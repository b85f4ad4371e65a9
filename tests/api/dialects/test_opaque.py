"""What only a provider can read comes back as it was, with whose it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.dialects.opaque import unwrap, wrap


@given(st.from_regex(r"[A-Za-z0-9._-]{1,40}", fullmatch=True), st.text())
def test_a_value_comes_back_with_its_provider(provider: str, value: str) -> None:
    assert unwrap(wrap(provider, value)) == (provider, value)


@pytest.mark.parametrize("text", ["", "EqQBCkYIBBgC", "ms1:", "ms1::x", "ms2:p:x", "xms1:p:x"])
def test_what_was_not_wrapped_here_is_nobodys(text: str) -> None:
    assert unwrap(text) == (None, text)
