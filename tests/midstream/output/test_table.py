"""Whatever the width, every value is there, whole."""

from __future__ import annotations

import pytest

from midstream.output.table import Cell, columns_of, lines

HEADINGS = ("ID", "STATE", "INPUT")
ROWS = [
    [Cell("gen_" + "a" * 32), Cell("running", 36), Cell("7")],
    [Cell("界" * 10), Cell("failed"), Cell("123456")],
    [Cell(""), Cell(""), Cell("")],
]


def told(width: int | None) -> list[str]:
    return list(lines(HEADINGS, ROWS, right=frozenset({"INPUT"}), width=width))


@pytest.mark.parametrize("width", [None, 53, 80])
def test_a_table_where_it_fits(width: int | None) -> None:
    assert told(width) == [
        "ID" + " " * 34 + "  STATE     INPUT",
        f"gen_{'a' * 32}  running       7",
        f"{'界' * 10}{' ' * 16}  failed   123456",
        "",
    ]


@pytest.mark.parametrize("width", [1, 20, 40, 52])
def test_lines_for_each_row_where_it_does_not(width: int) -> None:
    shown = told(width)
    for row in ROWS:
        for cell in row:
            assert any(cell.text in line for line in shown), cell
    assert all(columns_of(line) <= width or "  " not in line.strip() for line in shown), shown
    assert sum("input" in line for line in shown) == len(ROWS)


def test_as_many_values_in_a_line_as_fit() -> None:
    assert told(40)[:2] == ["gen_" + "a" * 32, "  state running  input 7"]
    assert told(20)[:3] == ["gen_" + "a" * 32, "  state running", "  input 7"]


def test_no_rows() -> None:
    assert list(lines(HEADINGS, [], right=frozenset(), width=80)) == ["ID  STATE  INPUT"]
