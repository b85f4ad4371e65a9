"""Instructor over Chat: structures are all that it asks for."""

# mypy: disable-error-code="import-not-found, unused-ignore, no-any-return, no-untyped-call, attr-defined"
from __future__ import annotations

from typing import Any

import instructor
from openai import OpenAI
from pydantic import BaseModel
from tasks import Seen, Task, run


class Weather(BaseModel):
    """What is asked for where the answer is to have a structure."""

    city: str
    degrees: int


class Place(BaseModel):
    """The same, asked for as a tool's arguments."""

    query: str
    place: str
    limit: int


def client_of(task: Task, mode: Any) -> Any:
    return instructor.from_openai(OpenAI(base_url=f"{task['url']}/v1", api_key=task["key"]), mode=mode)


def options_of(task: Task) -> dict[str, Any]:
    return {"model": task["model"], "messages": [{"role": "user", "content": task["prompt"]}], "max_retries": 0}


def parse(task: Task, seen: Seen) -> None:
    client = client_of(task, instructor.Mode.JSON_SCHEMA)
    seen["parsed"] = client.chat.completions.create(**options_of(task), response_model=Weather).model_dump()
    seen["ended"] = True


def create(task: Task, seen: Seen) -> None:
    """In its usual mode, in which one tool carries the structure."""
    client = client_of(task, instructor.Mode.PARALLEL_TOOLS if task.get("tools") else instructor.Mode.TOOLS)
    kind: Any = list[Place] if task.get("tools") else Place
    found = client.chat.completions.create(**options_of(task), response_model=kind)
    seen["calls"] = [["Place", one.model_dump()] for one in (found if task.get("tools") else [found])]
    seen["ended"] = True


def stream(task: Task, seen: Seen) -> None:
    client = client_of(task, instructor.Mode.JSON_SCHEMA)
    for part in client.chat.completions.create_partial(**options_of(task), response_model=Weather):
        seen["parsed"] = part.model_dump()
    seen["ended"] = True


def program(task: Task, seen: Seen) -> None:
    """One behaviour."""
    globals()[task["do"]](task, seen)


if __name__ == "__main__":
    run(program)
