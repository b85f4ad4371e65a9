"""The table of the retry policy says what the function does, row by row, and architecture.md has that table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from operator import attrgetter
from typing import get_args

import pytest

from shared.log.events import Failed
from shared.request.generation_request import GenerationRequest
from tests.harness.repository import ROOT
from worker.providers.provider import ErrorCode
from worker.running import retry_policy
from worker.running.retry_policy import AWAY_CODES, DENIED_CODES, FINAL_CODES, Again, Choice, Seal, decide

CODES = sorted({*get_args(ErrorCode), *FINAL_CODES})
ON_INTERRUPT = get_args(GenerationRequest.model_fields["on_interrupt"].annotation)


@dataclass(frozen=True)
class Case:
    """One way in which an attempt may fail: the arguments of `decide`."""

    failure: Failed
    copied: bool
    said: bool
    continued: bool
    over: bool
    can_continue: bool
    fallbacks_left: bool
    on_interrupt: str

    def decided(self) -> Seal | Again:
        return decide(**vars(self))


WORDS: dict[str, Callable[[Case], bool]] = {
    "anything": lambda case: True,
    "final code": lambda case: case.failure.code in FINAL_CODES,
    "unexpected code": lambda case: case.failure.code not in FINAL_CODES | AWAY_CODES | DENIED_CODES,
    "retryable": lambda case: case.failure.retryable,
    "on_interrupt is fail": lambda case: case.on_interrupt == "fail",
    "can continue": lambda case: case.can_continue,
    "fallbacks left": lambda case: case.fallbacks_left,
    **{name: attrgetter(name) for name in ("copied", "said", "continued", "over")},
}
"""What a condition of the table means."""


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    number: int
    when: str
    then: str
    asks: str
    counts: str
    fresh: str

    def holds(self, case: Case) -> bool:
        words = self.when.split(", ")
        return all(not WORDS[word[4:]](case) if word.startswith("not ") else WORDS[word](case) for word in words)

    def decision(self, case: Case) -> Seal | Again:
        if self.then == "seal":
            return Seal()
        fresh = case.over if self.fresh == "if over" else self.fresh == "yes"
        return Again(self.then, Choice(self.asks), counts=self.counts == "yes", fresh=fresh)  # type: ignore[arg-type]


def table(text: str) -> list[Row]:
    found = re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|([^|]*)\|([^|]*)\|([^|]*)\|$", text, re.MULTILINE)
    return [Row(int(row[0]), row[1], row[2], *(cell.strip() for cell in row[3:])) for row in found]


def section() -> str:
    """What architecture.md says of it."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    return page.partition("## After a failed attempt")[2].partition("\n## ")[0]


ROWS = table(retry_policy.__doc__ or "")


def cases() -> Iterator[Case]:
    flags = (False, True)
    for code, retryable, on_interrupt in product(CODES, flags, ON_INTERRUPT):
        failure = Failed(code=code, message="", retryable=retryable)
        for copied, said, continued, over, can_continue, left in product(flags, repeat=6):
            yield Case(failure, copied, said, continued, over, can_continue, left, on_interrupt)


def first_that_holds(case: Case) -> Row:
    return next(row for row in ROWS if row.holds(case))


def test_the_rows_are_numbered() -> None:
    assert [row.number for row in ROWS] == list(range(1, 10))


def test_the_page_has_the_same_table() -> None:
    assert table(section()) == ROWS


def test_the_page_names_the_codes() -> None:
    told = dict(re.findall(r"^\| (final code|unexpected code) \| (.+) \|$", section(), re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", told["final code"])) == FINAL_CODES
    assert set(re.findall(r"`(\w+)`", told["unexpected code"])) == AWAY_CODES | DENIED_CODES


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.number}: {row.when}")
def test_a_row_is_what_is_decided(row: Row) -> None:
    its = [case for case in cases() if first_that_holds(case) is row]
    assert its, "no case comes to this row"
    for case in its:
        assert case.decided() == row.decision(case), case


def test_the_three_sets_of_codes_have_none_in_common() -> None:
    assert len(FINAL_CODES | AWAY_CODES | DENIED_CODES) == len(FINAL_CODES) + len(AWAY_CODES) + len(DENIED_CODES)
