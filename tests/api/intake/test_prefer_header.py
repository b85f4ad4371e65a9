"""How long a client waits (RFC 7240)."""

from __future__ import annotations

import pytest

from api.intake.prefer_header import read_wait


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([], None),
        (["respond-async"], None),
        (["wait=10"], 10),
        (['respond-async, wait="10"'], 10),
        (["Wait = 3; x=y", "wait=9"], 3),
        (["handling=lenient", "wait=0"], 0),
        (["wait"], None),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait=9999999"], None),
    ],
)
def test_the_first_number_counts(lines: list[str], seconds: int | None) -> None:
    assert read_wait(lines) == seconds
