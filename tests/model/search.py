"""Searches of the model: every state of a variant, by Spin; those that tests will ask for are begun before."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

MODEL = Path(__file__).with_name("protocol.pml")
COMPILER = shutil.which("cc") or shutil.which("gcc")
SPIN = shutil.which("spin")
SECONDS = 600

PLACES = {
    1: "a claim that Redis forgot is restored",
    2: "attempts are exhausted",
    3: "a cancel waits for the claim",
    4: "a viewer is reset",
    5: "a zombie is fenced",
    6: "a lost reply is found out",
    7: "an attempt is sent again from its start",
    8: "an attempt is handed over",
}
"""SEEN in protocol.pml."""


@dataclass(frozen=True)
class Variant:
    """The model with some switches: searched to its first error, or with `on` past all of them."""

    switches: tuple[str, ...]
    ours: bool = False
    """Whether it is searched to its end: a counterexample is found sooner than an optimizing compiler is done."""
    on: bool = False


@dataclass(frozen=True)
class Search:
    """What one exhaustive search found."""

    errors: int
    complete: bool
    states: int
    broken: list[str]
    """The assertions that failed; none where it was a cycle, or nothing."""
    seen: set[int]
    """Keys of PLACES that it came to; only known where there was no error."""


_begun: dict[Variant, Future[Search]] = {}
_pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spin")


def begin(variants: Iterable[Variant]) -> None:
    """Search these in the background, one after the other, with what other tests leave of the processor."""
    for variant in variants:
        if variant not in _begun:
            _begun[variant] = _pool.submit(_search, variant)


def stop() -> None:
    """Begin no more."""
    _pool.shutdown(wait=False, cancel_futures=True)


def found(variant: Variant) -> Search:
    """The result, now or once it is there."""
    begin([variant])
    return _begun[variant].result(SECONDS)


def _search(variant: Variant) -> Search:
    assert SPIN is not None
    assert COMPILER is not None
    defines = [f"-D{switch}" for switch in variant.switches]
    live = "LIVENESS" in variant.switches
    # Weak fairness keeps a copy of the state for each process; the verifier must be told of more than it guesses.
    kind = ["-DNFAIR=3"] if live else ["-DSAFETY"]
    kind += ["-O1" if variant.ours else "-O0", "-w", "-DCOLLAPSE", "-DVECTORSZ=2048", "-DMEMLIM=4000"]
    flags = [*(["-a", "-f"] if live else ["-E"]), *(["-c0"] if variant.on else []), "-m800000", "-w22"]
    with tempfile.TemporaryDirectory() as folder:
        _run(folder, SPIN, "-a", *defines, str(MODEL))
        _run(folder, COMPILER, *kind, "-o", "pan", "pan.c")
        said = _run(folder, "./pan", *flags)
        code = Path(folder, "pan.m").read_text()
    errors = re.search(r"errors: (\d+)", said)
    states = re.search(r"(\S+) states, stored", said)
    assert errors is not None, said
    assert states is not None, said
    result = Search(
        errors=int(errors[1]),
        complete=not re.search(r"depth too small|out of memory|reached -DMEMLIM", said),
        states=int(float(states[1])),
        broken=sorted(set(re.findall(r"assertion violated (.*) \(at depth", said))),
        # Each place stands in several inlined copies; it was reached unless all of them are in the list of those not.
        seen={
            n
            for n in PLACES
            if errors[1] == "0" and said.count(f'"assert(({n}!=0))"') < code.count(f"spin_assert(({n}!=0)")
        },
    )
    print(" ".join(defines), result)
    return result


def _run(folder: str, *command: str) -> str:
    nicely = ("nice", "-n", "5", *command)
    done = subprocess.run(nicely, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
