"""What a setting may be, in words: as a line that refuses a value has it, and as its field does."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from shared.config.allowed_values import (
    allowed,
    bounds,
    flawless,
    is_number,
    misplaced,
    own_table,
    refuse_other_kinds,
    table_depth,
    table_entry,
)
from shared.config.variables import Text


class Entry(BaseModel):
    url: str = ""


class Model(BaseModel):
    word: str = ""
    secret: SecretStr | None = None
    switch: bool = True
    choice: Literal["one", "two", "three"] | None = None
    only: Literal["one"] = "one"
    count: int = Field(default=1, ge=1, le=65_535)
    size: int | None = Field(default=None, ge=0, le=8, description="Bytes of it.")
    wait: float = Field(default=1.0, ge=0.05, le=300, description="Seconds until then.")
    above: float = Field(default=1.0, gt=0, le=2)
    least: float = Field(default=1.0, ge=0.5)
    more: float = Field(default=1.0, gt=0)
    price: Decimal | None = Field(default=None, ge=0, le=1_000_000, decimal_places=12, description="USD of it.")
    each: Annotated[float, Field(ge=1, le=9)] | None = None
    place: Path = Path()
    names: dict[str, str] = {}
    entries: dict[str, Entry] = {}


FIELDS = Model.model_fields


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("word", "text"),
        ("secret", "text"),
        ("switch", "true or false"),
        ("choice", "`one`, `two` or `three`"),
        ("only", "`one`"),
        ("count", "a whole number from 1 to 65,535"),
        ("size", "a whole number of bytes from 0 to 8"),
        ("wait", "a number of seconds from 0.05 to 300"),
        ("above", "a number above 0, 2 at most"),
        ("least", "a number of 0.5 at least"),
        ("more", "a number above 0"),
        ("price", "a number of USD from 0 to 1,000,000, of 12 decimals at most"),
        ("each", "a number from 1 to 9"),
        ("place", "a path"),
        ("names", "a table, in a variable a JSON object"),
        ("entries", "a table, in a variable a JSON object"),
    ],
)
def test_each_kind_is_told_with_its_unit_and_its_bounds(name: str, words: str) -> None:
    assert allowed(FIELDS[name]) == words


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("count", (1, 65_535, False)),
        ("above", (0, 2, True)),
        ("least", (0.5, None, False)),
        ("each", (1, 9, False)),
        ("word", (None, None, False)),
    ],
)
def test_bounds_are_found_wherever_they_are_said(name: str, expected: tuple[Any, Any, bool]) -> None:
    assert bounds(FIELDS[name]) == expected


def test_numbers_are_told_from_what_only_counts() -> None:
    assert [name for name, field in FIELDS.items() if is_number(field)] == [
        "count", "size", "wait", "above", "least", "more", "price", "each",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("count", 5, True),
        ("count", 5.0, False),
        ("count", True, False),
        ("count", "5", False),
        ("count", Text("5"), True),
        ("size", None, True),
        ("wait", 5, True),
        ("wait", 0.5, True),
        ("wait", False, False),
        ("wait", "0.5", False),
        ("price", "0.5", True),
        ("price", Decimal("0.5"), True),
        ("price", True, False),
        ("switch", True, True),
        ("switch", 1, False),
        ("switch", "yes", False),
        ("switch", Text("true"), True),
        # Pydantic itself takes no number for text.
        ("word", 5, True),
    ],
)
def test_a_value_of_another_kind_is_refused_although_it_could_be_read_as_one(name: str, value: Any, fits: bool) -> None:
    if fits:
        assert refuse_other_kinds(FIELDS[name], value) is value
    else:
        with pytest.raises(PydanticCustomError, match="of another kind"):
            refuse_other_kinds(FIELDS[name], value)


def test_a_flaw_is_raised_in_its_own_words() -> None:
    assert flawless("x", lambda _: None) == "x"
    with pytest.raises(ValueError, match=r"^is no host$"):
        flawless("x", lambda _: "is no host")


def test_what_is_wrong_between_two_names_the_one_to_correct() -> None:
    error = misplaced(["providers", "a"], "{needs} a {key}")
    assert error.message() == "{needs} a {key}"
    assert error.context is not None
    assert error.context["place"] == ["providers", "a"]


def test_a_table_says_how_deep_it_is_and_of_what() -> None:
    assert [table_depth(FIELDS[name]) for name in ("word", "names", "entries")] == [0, 1, 2]
    assert [table_entry(FIELDS[name]) for name in ("word", "names", "entries")] == [None, None, Entry]
    assert table_entry(None) is None


def test_a_table_with_names_of_its_own() -> None:
    field = FieldInfo(annotation=Entry)
    assert (own_table(field), table_depth(field), allowed(field)) == (Entry, 1, "a table, in a variable a JSON object")
    assert own_table(FIELDS["entries"]) is own_table(None) is None
