"""Cores, CPU time and memory of processes, as Linux counts them."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SERVER_CORE = 0
"""What is measured runs here, all of it."""
LOAD_CORE = 1
"""The provider, the load and this program."""


OPEN_FILES = 100_000


def prepare() -> None:
    """Put this program, which makes events too, beside the load, and let it and what it starts open many files.

    Raises SystemExit where the machine has no two cores.
    """
    cores = os.sched_getaffinity(0)
    if not {SERVER_CORE, LOAD_CORE} <= cores:
        raise SystemExit(f"bench: needs the cores {SERVER_CORE} and {LOAD_CORE}, and has {sorted(cores)}")
    os.sched_setaffinity(0, {LOAD_CORE})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard == resource.RLIM_INFINITY or hard > OPEN_FILES else OPEN_FILES
    try:
        # Only root may raise the hard limit.
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, most), most))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started inside runs on this core only, where there are as many."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core % (os.cpu_count() or 1)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pin(pid: int, core: int) -> None:
    """Move a running process, its threads and its children to this core."""
    for member in tree(pid):
        for thread in _numbers(Path(f"/proc/{member}/task")):
            os.sched_setaffinity(thread, {core})


def tree(pid: int) -> list[int]:
    """The process and all that it started and that still runs."""
    children: dict[int, list[int]] = {}
    for number in _numbers(Path("/proc")):
        try:
            stat = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(number)
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found


def used(pid: int) -> float:
    """Seconds of CPU that the process and its children have used."""
    return sum(_clock(member) for member in tree(pid))


def used_by(processes: Mapping[str, int]) -> dict[str, float]:
    """The same for several, by name."""
    return {name: used(pid) for name, pid in processes.items()}


def memory(pids: Iterable[int]) -> int:
    """Bytes of memory that these processes have for themselves, and their shares of what they share (PSS)."""
    return sum(_pss(pid) for pid in pids)


def socket_memory() -> int:
    """Bytes that the kernel holds in buffers of TCP sockets, over the whole machine."""
    for line in Path("/proc/net/sockstat").read_text(encoding="utf-8").splitlines():
        if line.startswith("TCP:"):
            return int(line.split()[-1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _clock(pid: int) -> float:
    # clock_getcpuclockid(3): the CPU clock of another process, in ns; /proc has it in hundredths of a second.
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0


def _numbers(folder: Path) -> list[int]:
    try:
        return [int(path.name) for path in folder.iterdir() if path.name.isdigit()]
    except OSError:
        return []
