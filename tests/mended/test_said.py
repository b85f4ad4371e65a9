"""Sentences that no test of one commit can show: they are there, and so is what bears them."""

from __future__ import annotations

import pytest

from tests.mended.said import SENTENCES


@pytest.mark.parametrize("point", SENTENCES)
def test_a_sentence_is_borne(point: str) -> None:
    assert SENTENCES[point].is_borne()


def test_one_that_nothing_bears_is_noticed() -> None:
    sentence = next(iter(SENTENCES.values()))
    assert not sentence._replace(text="It never fails.").is_borne()
    assert not sentence._replace(borne_by=("tests/mended/test_said.py::test_none",)).is_borne()
