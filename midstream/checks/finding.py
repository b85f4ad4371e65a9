"""What `midstream doctor` finds: one line each."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from rich.console import Console
from rich.text import Text

from midstream.terminal import exact_line
from shared.one_line import json_escaped

Level = Literal["ok", "warn", "fail"]
COLOUR_OF_STATUS: dict[Level, str] = {"ok": "green", "warn": "yellow", "fail": "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: `advice` says what to do, and is empty where nothing is wrong."""

    level: Level
    subject: str
    state: str
    advice: str = ""
    stops: bool = field(default=False, kw_only=True)
    """Whether an API or a worker refuses to start for it."""


def report(findings: Iterable[Finding]) -> int:
    """Prints them on stdout; returns 2 if a process would refuse its settings, else 1 if any is a failure, else 0."""
    console = Console(soft_wrap=True, highlight=False)
    code = 0
    for finding in findings:
        code = max(code, _code(finding))
        line = Text(f"{finding.level:<5}", COLOUR_OF_STATUS[finding.level])
        rest = exact_line(f"{finding.subject}: {finding.state}" + (f": {finding.advice}" if finding.advice else ""))
        console.print(line.append(rest, "default"))
    return code


def report_json(findings: Iterable[Finding], status: Callable[[], dict[str, Any] | None]) -> int:
    """Prints them as one JSON object on stdout, with what `status` returns once all are found; returns the same."""
    found = list(findings)
    code = max(map(_code, found), default=0)
    told = [{name: getattr(one, name) for name in ("level", "subject", "state", "advice")} for one in found]
    document = {"ok": code == 0, "findings": told, "status": status()}
    text = msgspec.json.encode(document)
    print((json_escaped(text) if sys.stdout.isatty() else text).decode())
    return code


def _code(finding: Finding) -> int:
    return 2 if finding.stops else int(finding.level == "fail")
