"""What a figure depends on: the machine, the versions and the commit it was measured with."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parent.parent


def describe(packages: Sequence[str]) -> dict[str, Any]:
    """For a report: processor, cores, load over the last minute, Python, these packages' versions, and the commit."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in packages},
        "commit": _commit(),
    }


def calibrate() -> float:
    """CPU time of a fixed piece of work, in ms: on a shared machine it varies, and no load average says so."""
    begun = time.process_time()
    sum(number * number % 7 for number in range(300_000))
    return (time.process_time() - begun) * 1000


def stolen(stat: Path = Path("/proc/stat")) -> tuple[int, int]:
    """CPU time that a host gave to others while something here was ready to run, and all that was wanted here.

    In ticks since the start, as in proc(5); both 0 where no such file is.
    """
    try:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.read_text().split(maxsplit=9)[1:9])
    except OSError:
        return 0, 0
    return steal, user + nice + system + irq + softirq + steal


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str | None:
    """The commit, with `+` where files differ from it; None outside of a repository with one."""
    # What the parts before this one wrote is no difference. Nor is a file that git does not know: a clone has none.
    changed = ["--untracked-files=no", "--", ".", ":(exclude)bench/results", ":(exclude)docs"]
    commit, difference = _git("rev-parse", "--short=12", "HEAD"), _git("status", "--porcelain", *changed)
    return commit and commit + ("+" if difference else "")


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=10, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
