"""The grammar of model names: `<script>?<parameter>=<value>&…` says what the simulator answers."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final
from urllib.parse import parse_qsl

from simulator.faults import Fault, parse_fault

MAX_DELTAS: Final = 1_000_000
MAX_BYTES: Final = 16 * 1024 * 1024

NAMES: Final = ("demo", "lorem", "echo", "reasoning", "tools", "refusal", "clock")

STAND_IN: Final = "demo"
"""What answers for a model that clients of a vendor name: they ask for `gpt-5`, and need not know of scripts."""
_OF_A_VENDOR: Final = re.compile(r"[A-Za-z](?=.*[-/0-9])[A-Za-z0-9._/:@-]*")
"""The form of such a name, as `gpt-5`, `o3` or `meta-llama/Llama-3-70b`: no script's, and no script's misspelt."""

DEFAULT_RATE: Final = 50.0
"""Deltas per second."""
READABLE_RATE: Final = 30.0
"""The same for `demo`, which people read as it comes."""


class UnknownScriptError(ValueError):
    """The model name names no script."""


class BadParameterError(ValueError):
    """A parameter of the model name is unknown or malformed; `parameter` is its name."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(f"parameter '{parameter}' {message}")
        self.parameter = parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One parsed model name. Immutable, so that what it says can be cached by it."""

    model: str
    """The whole model name as requested."""
    name: str
    rate: float = DEFAULT_RATE
    """Deltas per second; 0 sends as fast as the client reads."""
    ttft: float = 0.0
    """Milliseconds from the request to the first delta."""
    deltas: int | None = None
    """Number of deltas, for `demo` the most; None leaves it to the script."""
    seed: int = 0
    chunk: int | None = None
    """Characters per delta (`lorem`, `echo`)."""
    bytes: int | None = None
    """UTF-8 length of the whole text, about (`lorem`)."""
    extras: bool = False
    """A server-side tool, an annotation and an event of unknown type come too (Responses)."""
    unicode: bool = False
    surrogates: bool = False
    echo_prefix: bool = False
    """An answer that goes on from the request's prefix repeats it first, as some servers do."""
    cached: int | None = None
    """Prompt tokens reported as read from a cache; None reports a quarter of the prompt."""
    fault: Fault | None = None
    times: int | None = None
    """Fault and quirk are for the first `times` requests of this model name only; None is for all."""
    retry_after: str | None = None
    """Value of the `retry-after` header of an HTTP status fault, in seconds."""
    quirk: tuple[str, ...] = ()
    """Names of what is odd about the answer; `simulator.quirks` knows them."""
    key: str = ""
    """Names the request in the journal, and separates counts of `times`."""


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        number = float(value)
        if not isfinite(number) or not low <= number <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return number

    return read


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not (value.isascii() and value.lstrip("-").isdigit()) or not low <= int(value[:20]) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return read


def _flag(value: str) -> bool:
    if value not in ("0", "1"):
        raise ValueError("must be 0 or 1")
    return value == "1"


def _seconds(value: str) -> str:
    _number(0, 86_400)(value)
    return value


def _names(value: str) -> tuple[str, ...]:
    names = tuple(value.split(","))
    if not all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names):
        raise ValueError("must be names of quirks with commas between them")
    return names


_PARAMETERS: Final[dict[str, Callable[[str], object]]] = {
    "rate": _number(0, 1_000_000),
    "ttft": _number(0, 3_600_000),
    "deltas": _whole(0, MAX_DELTAS),
    "seed": _whole(0, 2**63 - 1),
    "chunk": _whole(1, 65_536),
    "bytes": _whole(0, MAX_BYTES),
    "extras": _flag,
    "unicode": _flag,
    "surrogates": _flag,
    "echo_prefix": _flag,
    "cached": _whole(0, 2**31 - 1),
    "fault": parse_fault,
    "times": _whole(1, 2**31 - 1),
    "retry_after": _seconds,
    "quirk": _names,
    "key": str,
}

_ONLY_FOR: Final = {
    "chunk": ("lorem", "echo"),
    "bytes": ("lorem",),
    "unicode": ("lorem",),
    "surrogates": ("lorem",),
    # A quirk is made from the delta after the one that is due, and a clock says when it was written.
    "quirk": tuple(name for name in NAMES if name != "clock"),
}


def parse_script(model: str) -> Script:
    """Read a model name. Raises `UnknownScriptError` or `BadParameterError`."""
    name, _, query = model.partition("?")
    if name not in NAMES:
        if not _OF_A_VENDOR.fullmatch(name):
            raise UnknownScriptError(name)
        name = STAND_IN
    values: dict[str, Any] = {}
    for parameter, value in parse_qsl(query, keep_blank_values=True):
        read = _PARAMETERS.get(parameter)
        if read is None or name not in _ONLY_FOR.get(parameter, NAMES):
            raise BadParameterError(parameter, f"is not one that '{name}' has")
        if parameter in values:
            raise BadParameterError(parameter, "is given twice")
        try:
            values[parameter] = read(value)
        except ValueError as error:
            reason = str(error) if str(error).startswith("must") else "must be a number"
            raise BadParameterError(parameter, reason) from None
    if name == "demo":
        values.setdefault("rate", READABLE_RATE)
    script = Script(model=model, name=name, **values)
    _check(script)
    return script


def _check(script: Script) -> None:
    """Refuse combinations that could not be honoured; ignoring one would hide a mistake in a test."""
    if script.times is not None and script.fault is None and not script.quirk:
        raise BadParameterError("times", "needs 'fault' or 'quirk'")
    if script.retry_after is not None and script.fault is None:
        raise BadParameterError("retry_after", "needs 'fault'")
    if script.retry_after is not None and script.fault is not None and script.fault.status is None:
        raise BadParameterError("retry_after", "needs a fault that is an HTTP status")
    if script.name == "tools" and script.deltas is not None and script.deltas < 2:
        raise BadParameterError("deltas", "must be at least 2 for 'tools'")
    if script.surrogates and script.deltas is not None and script.deltas < 10:
        raise BadParameterError("deltas", "must be at least 10 with 'surrogates'")
    if script.surrogates and script.bytes is not None and script.bytes < 40 * (script.chunk or 4):
        raise BadParameterError("bytes", "is too small for 'surrogates'")
    if script.bytes is not None and script.deltas is not None and script.chunk is not None:
        raise BadParameterError("chunk", "follows from 'bytes' and 'deltas': leave one out")
    if script.chunk is not None and script.deltas is not None and script.chunk * script.deltas > MAX_BYTES:
        raise BadParameterError("chunk", f"times 'deltas' must be at most {MAX_BYTES}")
