"""The commands that look at generations or end them, and then are done: `show`, `list`, `cancel`."""

import json as json_text
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from midstream.address import DEFAULT_URL, Key, Url, url_option
from midstream.output.part import annotation, call, file
from midstream.output.table import Cell, print_table
from midstream.program import typed
from midstream.terminal import dimmed, exact_line, one_line, printable
from shared.log.attempt_model import full_name
from shared.one_line import json_escaped

Id = Annotated[str, typer.Argument(metavar="ID", help="The generation.")]
COLOUR_OF_STATE = {"completed": 32, "failed": 31, "cancelled": 33, "running": 36, "queued": 34}


class State(StrEnum):
    """How a generation stands."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


def show(
    generation_id: Id,
    json: Annotated[bool, typer.Option("--json", help="Write the snapshot as JSON.")] = False,
    files: Annotated[
        Path | None,
        typer.Option(file_okay=False, exists=True, help="Save the answer's files in this folder, and say their names."),
    ] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Show a generation as it stands: state, attempts, usage, tool calls and the text so far."""
    from midstream.client.http_client import HttpClient

    with HttpClient(url, key) as client:
        snapshot = client.snapshot(generation_id)
    if files is not None:
        from midstream.output.files import save

        for name in save(files, generation_id, objects(snapshot, "parts")):
            print(name)
    elif json:
        write_json(snapshot)
    else:
        _print_snapshot(snapshot)


def list_generations(
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 20,
    before: Annotated[str | None, typer.Option(metavar="ID", help="Only older ones than this.")] = None,
    state: Annotated[list[State] | None, typer.Option(help="Only those in this state, or in one of these.")] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Only those with this metadata, or with all of it.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write each as a line of JSON.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """List generations, newest first."""
    filters = [("state", one.value) for one in state or ()] + [_metadata(one) for one in metadata or ()]
    from midstream.client.http_client import HttpClient

    with HttpClient(url, key) as client:
        page = client.generations(limit, before, filters)
        address = url_option(client.url)
    generations = objects(page, "data")
    if json:
        for entry in generations:
            write_json(entry)
        return
    rows = [
        [Cell(field(entry, "id")), _state(entry), Cell(field(entry, "model")), Cell(field(entry, "created"))]
        for entry in generations
    ]
    print_table(("ID", "STATE", "MODEL", "CREATED"), rows, right=frozenset())
    if page.get("next"):
        asked = [f"--state={one.value}" for one in state or ()] + [
            f"--metadata={one_line(one)}" for one in metadata or ()
        ]
        older = typed("list", "--before", one_line(str(page["next"])), *asked, *address)
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
    from midstream.client.http_client import HttpClient

    with HttpClient(url, key) as client:
        answer = client.cancel(generation_id)
    if json:
        write_json(answer)
    else:
        print(field(answer, "state"))


def _metadata(pair: str) -> tuple[str, str]:
    """Returns the parameter for NAME=VALUE."""
    name, equals, value = pair.partition("=")
    if not (name and equals):
        raise typer.BadParameter("is NAME=VALUE", param_hint="--metadata")
    return f"metadata.{name}", value


def _print_snapshot(snapshot: dict[str, Any]) -> None:
    rows = list(_rows(snapshot))
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        print(dimmed(f"{name:<{width}}", sys.stdout), value, sep="  ")
    for part in objects(snapshot, "parts"):
        if line := _line(part):
            print(dimmed(line, sys.stdout))
        for fields in objects(part, "annotations"):
            print(dimmed(annotation(fields), sys.stdout))
    if text := snapshot.get("text"):
        # As it is, so that it can be copied.
        print("", printable(str(text)), sep="\n")


def _rows(snapshot: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("id", "state", "model", "created", "ended", "finish_reason", "last_event_id"):
        if snapshot.get(name) is not None:
            yield name.replace("_", " "), _state(snapshot).shown if name == "state" else field(snapshot, name)
    if snapshot.get("answered_by") not in (None, snapshot.get("model")):
        yield "answered by", field(snapshot, "answered_by")
    for attempt in objects(snapshot, "attempts"):
        yield "attempt", f"{field(attempt, 'number')} ({field(attempt, 'reason')}) {_model(attempt)}"
    for name in ("response", "usage", "cost", "error", "metadata"):
        if isinstance(fields := snapshot.get(name), dict) and fields:
            known = ((key, value) for key, value in fields.items() if value is not None)
            yield name, ", ".join(f"{exact_line(str(key))} {exact_line(str(value))}" for key, value in known)
    times = {name: field(snapshot, name) for name in ("queued_ms", "time_to_first_token_ms", "tokens_per_second")}
    if any(times.values()):
        yield "times", ", ".join(f"{name} {value}" for name, value in times.items() if value)
    if snapshot.get("json_error") is not None:
        yield "no JSON", field(snapshot, "json_error")
    if isinstance(raw := snapshot.get("raw"), dict) and raw.get("count"):
        yield "raw events", field(raw, "count")


def _model(attempt: dict[str, Any]) -> str:
    # The API may be of a version that says it without the provider.
    return exact_line(full_name(str(attempt.get("provider")), str(attempt.get("model"))))


def _line(part: dict[str, Any]) -> str | None:
    """Returns a part that is not among the text, in one line; None for one that is, and for reasoning."""
    kind, name = part.get("kind"), field(part, "name")
    if kind == "tool_call":
        if "arguments_text" in part:
            return call(name, str(part["arguments_text"]), str(part.get("arguments_error") or "not complete"))
        return call(name, json_text.dumps(part.get("arguments"), ensure_ascii=False))
    if kind == "tool_result":
        return f"tool result {name} {field(part, 'text')}"
    if kind == "file":
        whole = part.get("complete") is not False
        return file(str(part.get("media_type") or ""), part.get("size"), str(part.get("url") or ""), whole=whole)
    return f"refusal {field(part, 'text')}" if kind == "refusal" else None


def _state(entry: dict[str, Any]) -> Cell:
    state = field(entry, "state")
    return Cell(state, COLOUR_OF_STATE.get(state, 0))


def field(entry: dict[str, Any], name: str) -> str:
    """Returns a value of an object in one line; nothing where it has none."""
    value = entry.get(name)
    return "" if value is None else exact_line(str(value))


def objects(entry: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Returns the objects of a list in an object; what else may be there is left out."""
    value = entry.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def write_json(value: dict[str, Any]) -> None:
    """Writes one line of JSON to stdout."""
    sys.stdout.buffer.write(json_escaped(json_text.dumps(value, ensure_ascii=False).encode("utf-8", "replace")) + b"\n")
    sys.stdout.buffer.flush()
