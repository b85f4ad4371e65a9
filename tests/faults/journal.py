"""The journal of a worker under test: what it appended and what the log answered, to be compared with the log."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import msgspec

from shared.log.guarded_log import Batch, Claim, Reply
from worker.writing.observer import Observer

JOURNAL_VARIABLE = "JOURNAL_OF_TESTS"
"""Names the file, for `python -m tests.faults.worker`."""


class Journal(Observer):
    """JSON lines at the end of a file, each in one write, so that SIGKILL loses none. Ids and hashes, never texts.

    A hash is the first 16 hexadecimal digits of the SHA-256 of an event's bytes.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def claimed(self, generation_id: str, claim: Claim) -> None:
        self._write(
            kind="claim", at=time.time(), id=generation_id, start=claim.start, token=claim.token,
            number=claim.number, last=str(claim.last),
        )  # fmt: skip

    def appended(self, batch: Batch, reply: Reply, sent: float) -> None:
        self._write(
            kind="append", at=time.time(), sent=sent, id=batch.generation_id, token=batch.token,
            previous=str(batch.previous), first=batch.first,
            events=[(type, hashlib.sha256(data).hexdigest()[:16]) for type, data in batch.events],
            outcome=reply.outcome, last=str(reply.last),
        )  # fmt: skip

    def _write(self, **line: object) -> None:
        os.write(self._file, msgspec.json.encode(line) + b"\n")
