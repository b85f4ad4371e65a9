"""One tail names a generation in each dialect; epochs after the first are said."""

from __future__ import annotations

import pytest

from api.dialects.names import PREFIXES, Named, name_of, read_name

ID = "gen_" + "a2" * 16


@pytest.mark.parametrize("prefix", PREFIXES.values())
@pytest.mark.parametrize("epoch", [1, 2, 17])
def test_a_name_is_read_as_it_was_made(prefix: str, epoch: int) -> None:
    name = name_of(prefix, ID, epoch)
    assert name.startswith(prefix)
    assert name.endswith("a2" * 16 if epoch == 1 else f"-{epoch}")
    assert read_name(name) == Named(ID, None if epoch == 1 else epoch)


@pytest.mark.parametrize(
    "text", ["", "gen_", "gen_" + "a" * 31, "gen_" + "a" * 33, "gen_" + "1" * 32, ID.upper(), ID + "-0", ID + "-x",
        ID + "-01", ID + "\n", "x" + ID, "cmpl-" + "a" * 32],
)  # fmt: skip
def test_anything_else_is_no_name(text: str) -> None:
    assert read_name(text) is None
