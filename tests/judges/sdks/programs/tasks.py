"""Takes tasks as lines of JSON, each on a thread of its own, and answers each with one line of what it saw.

Shared by the programs beside it, which run in environments that have one client each and nothing of ours.
"""

from __future__ import annotations

import json
import sys
import threading
import urllib.request
from collections.abc import Callable
from typing import Any

Task = dict[str, Any]
Seen = dict[str, Any]
OUT, sys.stdout = sys.stdout, sys.stderr
"""What a client prints is none of our lines."""
WRITING = threading.Lock()
DEEPEST = 12

PLACE = {
    "type": "object",
    "properties": {"query": {"type": "string"}, "place": {"type": "string"}, "limit": {"type": "integer"}},
    "required": ["query", "place", "limit"],
    "additionalProperties": False,
}
"""What the tools of the tests take."""
TOOLS = ("look_up", "book")
RESULT = "Nothing was found."


def run(program: Callable[[Task, Seen], None]) -> None:
    """Each line of standard input is a task: where, which model, and what to do."""
    threads = []
    for line in sys.stdin:
        threads.append(threading.Thread(target=_carry_out, args=(program, json.loads(line)), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join()


def _carry_out(program: Callable[[Task, Seen], None], task: Task) -> None:
    seen: Seen = {"n": task["n"], "text": "", "reasoning": "", "calls": [], "ended": False, "error": None}
    try:
        program(task, seen)
    except BaseException as error:  # whatever a client raises is what is judged
        seen["error"] = described(error)
    with WRITING:
        print(json.dumps(seen, default=str), file=OUT, flush=True)


def described(error: BaseException) -> dict[str, Any]:
    """An exception: its classes and those of what caused it, and the HTTP status where one of them has it."""
    names: list[str] = []
    status = None
    cause: BaseException | None = error
    while cause is not None and len(names) < DEEPEST:
        names += [kind.__name__ for kind in type(cause).__mro__ if kind.__module__ != "builtins"] or [
            type(cause).__name__
        ]
        status = status or getattr(cause, "status_code", None)
        cause = cause.__cause__ or cause.__context__
    return {"class": type(error).__name__, "classes": names, "status": status, "words": str(error)[:300]}


def resume(task: Task, path: str, after: int) -> list[str]:
    """The five lines of docs/clients.md: the data of the events after event number `after`."""
    request = urllib.request.Request(f"{task['url']}{path}?stream=true&starting_after={after}")
    request.add_header("Authorization", f"Bearer {task['key']}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        lines = [line.decode().rstrip("\r\n") for line in answer]
    return [line[6:] for line in lines if line.startswith("data: ") and line != "data: [DONE]"]


def cancel(task: Task, generation: str) -> str:
    """Cancels as a program in no dialect does: the tail of the name is the generation's."""
    tail = generation.replace("-", "_").rpartition("_")[2]
    request = urllib.request.Request(f"{task['url']}/v1/generations/gen_{tail}/cancel", method="POST")
    request.add_header("Authorization", f"Bearer {task['key']}")
    with urllib.request.urlopen(request, timeout=60):
        return "cancelled"


def arguments(text: str) -> Any:
    """The arguments of a call, parsed."""
    return json.loads(text) if isinstance(text, str) else text
