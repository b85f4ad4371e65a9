"""Children that end with their parent, even when the parent is killed with SIGKILL and can say nothing."""

import os
import signal
import sys
from collections.abc import Sequence

# The parent may die between the fork and the prctl: then the child is already somebody else's, and leaves.
_EXEC = """
import ctypes, os, sys
parent, ending, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
PR_SET_PDEATHSIG = 1
if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, ending, 0, 0, 0) != 0:
    sys.exit(f"cannot tie {command[0]} to its parent: {os.strerror(ctypes.get_errno())}")
if os.getppid() != parent:
    sys.exit(f"{command[0]} is not started: its parent is gone")
try:
    os.execv(command[0], command)
except OSError as error:
    sys.exit(f"cannot run {command[0]}: {error.strerror}")
"""


def ending_with_parent(command: Sequence[str], ending: signal.Signals = signal.SIGKILL) -> list[str]:
    """Returns a command line that runs `command` (its first word a full path) and gets `ending` when its parent ends.

    Linux only, by prctl(2) PR_SET_PDEATHSIG, which survives execve(2); elsewhere the command comes back as it
    is. The kernel counts the *thread* that starts the child as its parent, so start it from one that stays. A
    small interpreter sets the signal and becomes the command: `preexec_fn` is unsafe beside threads.
    """
    if not sys.platform.startswith("linux"):
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _EXEC, str(os.getpid()), str(int(ending)), *command]
