"""What is said beside an answer: each thing once, and what changes with every token at the end."""

from __future__ import annotations

from typing import Any

import pytest

from worker.providers.openai_chat.asides import About, Pieces


def test_about_an_answer_the_first_values_and_the_last_are_told() -> None:
    about = About()
    told = [about.read({"timings": n, "provider": "a" if n < 3 else "b"}) for n in range(9)]
    assert [fields for fields in told if fields] == [{"timings": 0, "provider": "a"}, {"timings": 1}, {"provider": "b"}]
    assert about.rest() == {"timings": 8}


LONG = "y" * 99


@pytest.mark.parametrize(
    ("values", "told", "rest"),
    [
        pytest.param([{"n": n, "unit": "ms"} for n in range(9)], [0, 1], 8, id="numbers and a label"),
        pytest.param([{"n": n, "text": LONG} for n in range(4)], [0, 1, 2, 3], None, id="numbers and a text"),
        pytest.param([{"n": 5, "text": str(n)} for n in range(4)], [0, 1, 2, 3], None, id="texts"),
        pytest.param([{"n": [n, n + 1]} for n in range(9)], [0, 1], 8, id="a list of numbers"),
        pytest.param([{"so": "a" * (n + 1)} for n in range(9)], [0], 8, id="grows"),
    ],
)
def test_what_changes_about_an_answer(values: list[Any], told: list[int], rest: int | None) -> None:
    """Texts are told each time that they change: what `max_log` bounds is there."""
    about = About()
    found = [fields["x"] for value in values for fields in [about.read({"x": value})] if fields]
    assert (found, about.rest()) == ([values[n] for n in told], {} if rest is None else {"x": values[rest]})


@pytest.mark.parametrize(
    ("values", "told", "rest"),
    [
        pytest.param(range(9), [0, 1], 8, id="numbers"),
        pytest.param(["a", "b", "c"], ["a", "b", "c"], None, id="pieces"),
        pytest.param(["ha", "ha", "ho"], ["ha", "ha", "ho"], None, id="equal pieces"),
        pytest.param(["x"] * 9, ["x"], None, id="a stamp"),
        pytest.param(["x"] * 9 + ["y"], ["x", "y"], None, id="a stamp that changes"),
        pytest.param(["a", "ab", "abc"], ["a"], "abc", id="a text so far"),
        pytest.param([[1], [1, 2], [1, 2, 3]], [[1]], [1, 2, 3], id="a list so far"),
        pytest.param(["a", "ab", "c"], ["a", "ab", "c"], None, id="pieces that looked like one"),
        pytest.param([{"n": 1}, {"n": 2}], [{"n": 1}, {"n": 2}], None, id="objects"),
        pytest.param([1, True], [1, True], None, id="types"),
    ],
)
def test_fields_of_a_message(values: Any, told: list[Any], rest: Any) -> None:
    pieces = Pieces()
    found = [fields["x"] for value in values for fields in pieces.read({"x": value})]
    assert (found, pieces.rest()) == (told, {} if rest is None else {"x": rest})
