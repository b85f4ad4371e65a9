"""The command that tells what was used: `usage`."""

import json as json_text
import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from midstream.address import DEFAULT_URL, Key, Url
from midstream.output.table import Cell, print_table
from midstream.terminal import exact_line
from shared.one_line import json_escaped

NUMBER_COLUMNS = ("COMPLETED", "FAILED", "CANCELLED", "DELETED", "INPUT", "CACHED", "OUTPUT", "REASONING", "COST")
BOLD_CODE = 1


class By(StrEnum):
    """What to tell apart."""

    DAY = "day"
    MODEL = "model"


def usage(
    since: Annotated[
        str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="First day, in UTC. [29 days before --to]")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="Last day, included. [today]")] = None,
    by: Annotated[By, typer.Option(help="What to tell apart.")] = By.MODEL,
    json: Annotated[bool, typer.Option("--json", help="Write the answer as JSON.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Show what your generations have used: how many ended how, tokens, and cost.

    A plus sign behind a cost: attempts whose price is unknown come on top.
    """
    from midstream.client.http_client import HttpClient

    with HttpClient(url, key) as client:
        totals = client.usage(by.value, since, until)
    if json:
        written = json_text.dumps(totals, ensure_ascii=False).encode("utf-8", "replace")
        sys.stdout.buffer.write(json_escaped(written) + b"\n")
        sys.stdout.buffer.flush()
    else:
        _print(totals, by)


def _print(totals: dict[str, Any], by: By) -> None:
    data = totals.get("data")
    lines = [line for line in data if isinstance(line, dict)] if isinstance(data, list) else []
    rows = [[Cell(cell) for cell in [_field(line, by.value), *_cells(line)]] for line in lines]
    if isinstance(total := totals.get("total"), dict):
        days = f"{_field(totals, 'from')} to {_field(totals, 'to')}"
        rows.append([Cell(cell, BOLD_CODE) for cell in [days, *_cells(total)]])
    print_table((by.value.upper(), *NUMBER_COLUMNS), rows, right=frozenset(NUMBER_COLUMNS))


def _cells(line: dict[str, Any]) -> list[str]:
    generations, tokens = _within(line, "generations"), _within(line, "usage")
    names = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
    return [
        *(_field(generations, name) for name in ("completed", "failed", "cancelled", "deleted")),
        *(_field(tokens, name) for name in names),
        _cost(line),
    ]


def _cost(line: dict[str, Any]) -> str:
    costs = line.get("cost")
    told = [
        f"{_field(cost, 'amount')} {_field(cost, 'currency')}"
        for cost in (costs if isinstance(costs, list) else [])
        if isinstance(cost, dict)
    ]
    return (", ".join(told) or "-") + ("+" if line.get("unpriced") else "")


def _within(line: dict[str, Any], name: str) -> dict[str, Any]:
    value = line.get(name)
    return value if isinstance(value, dict) else {}


def _field(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    return "" if value is None else exact_line(str(value))
