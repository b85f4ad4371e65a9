"""How this program was started: a hint that is a command must run when it is pasted."""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence


def typed(*words: str) -> str:
    """Returns a command line for a shell that begins as the one that was typed, and goes on with these words.

    A relative path stays one: the line is for the folder in which we were started.
    """
    return shlex.join([*beginning(sys.argv, sys.orig_argv), *words])


def beginning(argv: Sequence[str], orig_argv: Sequence[str]) -> list[str]:
    """Returns the words before a command's own, of `sys.argv` and `sys.orig_argv` as Python has set them."""
    program = argv[0]
    name = os.path.basename(program)
    is_script = os.sep in program and name != "__main__.py" and os.access(program, os.X_OK)
    if not is_script or os.path.isdir(program):
        # `python -m midstream`, `python -c …`: what comes before our own words was for the interpreter.
        return list(orig_argv[: len(orig_argv) - len(argv) + 1])
    # A script that the shell has found on the PATH is given to the kernel with its folder.
    return [name] if shutil.which(name) == program else [program]
