"""The lock on a data folder: two servers never append to one file."""

import fcntl
import os
from pathlib import Path
from typing import Self

from midstream.errors import StartError


class FolderLock:
    """A lock that is ours from `take` until `release`, or until this process ends; `with` does both."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir.absolute()
        self._lock: int | None = None

    def __enter__(self) -> Self:
        self.take()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def take(self) -> None:
        """Makes the folder, and locks it where we have not. Raises StartError where it is in use or not writable."""
        if self._lock is not None:
            return
        try:
            self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StartError(
                f"cannot write to the data folder {self._data_dir} ({error.strerror}): correct its "
                "permissions or choose another with --data-dir"
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(lock, 20).decode(errors="replace").strip()
            os.close(lock)
            raise StartError(
                f"the data folder {self._data_dir} is in use by another midstream (process {holder or '?'}): "
                "stop it or choose another folder with --data-dir"
            ) from None
        self._lock = lock
        try:
            os.truncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            self.release()
            raise StartError(no_room(self._data_dir, error)) from None

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def no_room(data_dir: Path, error: OSError) -> str:
    """Returns what is wrong and what to do where the disk takes nothing."""
    return (
        f"cannot write to the disk of {data_dir} ({error.strerror}): make room on it, or choose another folder with "
        "--data-dir"
    )
