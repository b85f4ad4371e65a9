"""The commands that look at generations or end them, and then are done: `show`, `list`, `cancel`."""

from __future__ import annotations

import json as json_text
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from midstream.address import DEFAULT_URL, Key, Url, url_option
from midstream.program import typed
from midstream.terminal import one_line, printable

if TYPE_CHECKING:
    from rich.console import Console

Id = Annotated[str, typer.Argument(metavar="ID", help="The generation.")]
STYLES = {"completed": "green", "failed": "red", "cancelled": "yellow", "running": "cyan", "queued": "blue"}
PIPE_WIDTH = 200
"""Columns where stdout is no terminal: enough that no id is cut."""


def show(
    generation_id: Id,
    json: Annotated[bool, typer.Option("--json", help="Write the snapshot as JSON.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Show a generation as it stands: state, attempts, usage, tool calls and the text so far."""
    from midstream.client import Client

    with Client(url, key) as client:
        snapshot = client.snapshot(generation_id)
    if json:
        _write_json(snapshot)
    else:
        _print_snapshot(_console(), snapshot)


def list_generations(
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 20,
    before: Annotated[str | None, typer.Option(metavar="ID", help="Only older ones than this.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Write each as a line of JSON.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """List generations, newest first."""
    from rich.table import Table
    from rich.text import Text

    from midstream.client import Client

    with Client(url, key) as client:
        page = client.generations(limit, before)
        address = url_option(client.url)
    generations = [entry for entry in page.get("data", []) if isinstance(entry, dict)]
    if json:
        for entry in generations:
            _write_json(entry)
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("ID", "STATE", "MODEL", "CREATED"):
        table.add_column(heading, no_wrap=heading != "MODEL", overflow="fold")
    for entry in generations:
        table.add_row(
            Text(_field(entry, "id")),
            _state(entry),
            Text(_field(entry, "model")),
            Text(_field(entry, "created")),
        )
    _console().print(table)
    if page.get("next"):
        older = typed("list", "--before", one_line(str(page["next"])), *address)
        print(f"older ones: {older}", file=sys.stderr)


def cancel(
    generation_id: Id,
    json: Annotated[bool, typer.Option("--json", help="Write the answer as JSON.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """End a generation, for every viewer, and print the state it is in then.

    One that has ended already stays as it ended.
    """
    from midstream.client import Client

    with Client(url, key) as client:
        answer = client.cancel(generation_id)
    if json:
        _write_json(answer)
    else:
        print(_field(answer, "state"))


def _print_snapshot(console: Console, snapshot: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name in ("id", "state", "model", "created", "ended", "finish_reason", "last_event_id"):
        if snapshot.get(name) is not None:
            table.add_row(name.replace("_", " "), _state(snapshot) if name == "state" else Text(_field(snapshot, name)))
    for attempt in _list(snapshot, "attempts"):
        told = f"{_field(attempt, 'number')} ({_field(attempt, 'reason')}) {_field(attempt, 'model')}"
        table.add_row("attempt", Text(told))
    for name in ("response", "usage", "cost", "error", "metadata"):
        if isinstance(fields := snapshot.get(name), dict) and fields:
            known = {key: value for key, value in fields.items() if value is not None}
            told = ", ".join(f"{one_line(str(key))} {one_line(str(value))}" for key, value in known.items())
            table.add_row(name, Text(told))
    if snapshot.get("json_error") is not None:
        table.add_row("no JSON", Text(_field(snapshot, "json_error")))
    if isinstance(raw := snapshot.get("raw"), dict) and raw.get("count"):
        table.add_row("raw events", Text(_field(raw, "count")))
    console.print(table)
    for part in _list(snapshot, "parts"):
        if line := _line(part):
            console.print(Text(line), style="dim")
    if text := snapshot.get("text"):
        console.print()
        # As it is, so that it can be copied: no wrapping, no markup.
        console.print(Text(printable(str(text))), soft_wrap=True)


def _line(part: dict[str, Any]) -> str | None:
    """A part that is not among the text, in one line; None for one that is, and for reasoning."""
    kind, name = part.get("kind"), _field(part, "name")
    if kind == "tool_call":
        if "arguments_text" in part:
            error = f" ({_field(part, 'arguments_error')})" if "arguments_error" in part else " (not complete)"
            return f"tool call {name} {_field(part, 'arguments_text')}{error}"
        return f"tool call {name} {one_line(json_text.dumps(part.get('arguments'), ensure_ascii=False))}"
    if kind == "tool_result":
        return f"tool result {name} {_field(part, 'text')}"
    if kind == "file":
        size = f"{_field(part, 'size')} bytes" if "size" in part else ""
        return " ".join(told for told in ("file", _field(part, "media_type"), size, _field(part, "url")) if told)
    return f"refusal {_field(part, 'text')}" if kind == "refusal" else None


def _console() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def _state(entry: dict[str, Any]) -> Any:
    from rich.text import Text

    state = _field(entry, "state")
    return Text(state, style=STYLES.get(state, ""))


def _field(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    return "" if value is None else one_line(str(value))


def _list(snapshot: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = snapshot.get(name)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _write_json(value: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json_text.dumps(value, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
    sys.stdout.buffer.flush()
