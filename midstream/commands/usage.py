"""The command that tells what was used: `usage`."""

from typing import Annotated, Any, Literal

import typer

from midstream.address import DEFAULT_URL, Key, Url
from midstream.commands.show import field, objects, write_json
from midstream.output.table import Cell, print_table

NUMBER_COLUMNS = (
    "COMPLETED", "FAILED", "CANCELLED", "DELETED", "INPUT", "CACHED", "OUTPUT", "REASONING", "FIRST-MS", "TOKENS/S",
    "COST",
)  # fmt: skip
BOLD_CODE = 1
By = Literal["day", "model"]


def usage(
    since: Annotated[
        str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="First day, in UTC. [29 days before --to]")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="Last day, included. [today]")] = None,
    by: Annotated[By, typer.Option(help="What to tell apart.")] = "model",
    owner: Annotated[
        str | None, typer.Option(help="Another's usage, or '*' for that of all; the key needs the scope `admin`.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write the answer as JSON.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Show what generations have used, yours or with `--owner` others': how many ended how, tokens, speed, and cost.

    FIRST-MS and TOKENS/S are the means of completed generations. A plus sign behind a cost: attempts whose price is
    unknown come on top.
    """
    from midstream.client.http_client import HttpClient

    with HttpClient(url, key) as client:
        totals = client.usage(by, since, until, owner)
    if json:
        write_json(totals)
    else:
        _print(totals, by)
        if owner == "*":
            print()
            _print({"data": totals.get("owners")}, "owner")


def _print(totals: dict[str, Any], by: str) -> None:
    rows = [[Cell(cell) for cell in [field(line, by), *_cells(line)]] for line in objects(totals, "data")]
    if isinstance(total := totals.get("total"), dict):
        days = f"{field(totals, 'from')} to {field(totals, 'to')}"
        rows.append([Cell(cell, BOLD_CODE) for cell in [days, *_cells(total)]])
    print_table((by.upper(), *NUMBER_COLUMNS), rows, right=frozenset(NUMBER_COLUMNS))


def _cells(line: dict[str, Any]) -> list[str]:
    generations, tokens = _within(line, "generations"), _within(line, "usage")
    names = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
    return [
        *(field(generations, name) for name in ("completed", "failed", "cancelled", "deleted")),
        *(field(tokens, name) for name in names),
        *(field(line, name) or "-" for name in ("mean_time_to_first_token_ms", "mean_tokens_per_second")),
        _cost(line),
    ]


def _cost(line: dict[str, Any]) -> str:
    costs = [f"{field(cost, 'amount')} {field(cost, 'currency')}" for cost in objects(line, "cost")]
    return (", ".join(costs) or "-") + ("+" if line.get("unpriced") else "")


def _within(line: dict[str, Any], name: str) -> dict[str, Any]:
    value = line.get(name)
    return value if isinstance(value, dict) else {}
