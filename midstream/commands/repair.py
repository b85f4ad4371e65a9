"""`midstream repair`: makes a damaged append-only file of the embedded server readable again, and keeps a copy.

A power cut can leave bytes at the end of the file that are no commands, and the server then refuses to start. What
mends it is part of the server's program, which looks at the name under which it is started (server.c, `main`).
"""

import shutil
import subprocess
import time
from pathlib import Path

from midstream.errors import StartError
from midstream.processes.folder_lock import FolderLock
from midstream.processes.valkey import find_binary
from midstream.program import typed

AOF_FOLDER = "appendonlydir"
REPAIR_TIMEOUT_S = 3600.0
"""Seconds: the whole file is read once."""


def run(data_dir: Path) -> int:
    """Repairs the file, and says on stdout what was done; returns 0 where it can be read now.

    Raises StartError where it cannot be, or the folder is in use.
    """
    files = data_dir.absolute() / AOF_FOLDER
    _appended(files)  # before the lock, which would make a folder of a wrong name
    with FolderLock(data_dir):
        *earlier, last = _appended(files)
        if damaged := next((file for file in earlier if not _is_whole(file)), None):
            raise StartError(f"{damaged} is damaged, and not the last file: put a backup of {files} in its place")
        if _is_whole(last):
            print(f"{last} ends as it should, so nothing was changed; what is damaged before it needs a backup")
            return 0
        copy = files.with_name(f"{AOF_FOLDER}-{time.strftime('%Y%m%dT%H%M%S')}")
        try:
            shutil.copytree(files, copy)
        except OSError as error:
            shutil.rmtree(copy, ignore_errors=True)
            raise StartError(
                f"cannot copy {files} beside it ({_why(error)}): nothing was changed; make room there"
            ) from None
        before = last.stat().st_size
        if not (_is_whole(last, "--fix") and _is_whole(last)):
            raise StartError(
                f"{last} cannot be mended: put a backup of {files} in its place; as it was it is in {copy}"
            )
        print(f"cut {before - last.stat().st_size} bytes off {last}, which can be read now; a copy is {copy}")
        print(f"`{typed('up')}` starts with it")
    return 0


def _why(error: OSError) -> str | None:
    """Returns the reason of a failed copy; for a tree the error lists source, destination and reason of each file."""
    return str(error.args[0][0][2]) if isinstance(error, shutil.Error) else error.strerror


def _appended(files: Path) -> list[Path]:
    """Returns the files to which commands were appended, in order, by the manifest. Raises StartError without any."""
    try:
        lines = next(files.glob("*.manifest")).read_text().splitlines()
        rows = [line.split() for line in lines if line.endswith(" type i")]
        found = [files / row[1] for row in sorted(rows, key=lambda row: int(row[3]))]
        found[0].stat()
    except (StopIteration, OSError, ValueError, IndexError):
        raise StartError(f"no append-only file can be found in {files}: name the folder with --data-dir") from None
    return found


def _is_whole(file: Path, *options: str) -> bool:
    """Says whether the server's own checker reads a file to its end.

    The checker does not get the manifest, with which Valkey 9.1's takes its own base file for a damaged one.
    """
    binary = find_binary()
    name = "redis-check-aof" if "redis" in binary.name else "valkey-check-aof"
    try:
        checked = subprocess.run(
            [name, *options, str(file)],
            executable=binary,
            input=b"y\n",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=REPAIR_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StartError(f"cannot run {binary} ({type(error).__name__}); reinstall it") from None
    return checked.returncode == 0
