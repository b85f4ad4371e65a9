"""`python -m tests.faults.worker`: `midstream worker`, and a journal of it in the file that JOURNAL_OF_TESTS names."""

from __future__ import annotations

import os
from pathlib import Path

from shared.config.settings import load
from shared.process.file_descriptors import raise_limit
from tests.faults.journal import JOURNAL_VARIABLE, Journal
from worker.main import run

COMMAND = ("-m", "tests.faults.worker")


if __name__ == "__main__":
    raise_limit()
    run(load(), Journal(Path(os.environ[JOURNAL_VARIABLE])))
