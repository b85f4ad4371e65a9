"""The command line that all parts share."""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from bench.cpu import prepare


def parser(description: str | None, subjects: Sequence[str] = (), rounds: int = 3) -> ArgumentParser:
    """One with `--only`, `--rounds` and `--json`; makes ready for measuring, as every part begins with this."""
    prepare()
    made = ArgumentParser(description=description, formatter_class=RawDescriptionHelpFormatter)
    if subjects:
        made.add_argument(
            "--only", action="append", choices=subjects, metavar="NAME", help=f"of {', '.join(subjects)}; repeatable"
        )
    made.add_argument("--rounds", type=int, default=rounds, help=f"runs of each, of which the median counts ({rounds})")
    made.add_argument("--json", type=Path, metavar="FILE", help="also keep the figures here")
    return made
