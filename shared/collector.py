"""Python's garbage collector, kept out of the way of streams."""

from __future__ import annotations

import gc


def spare_collector() -> None:
    """Take all that is loaded by now for permanent, once a process has started.

    A full collection would look through it each time, and all streams stand still meanwhile: through the SDKs'
    models for 0.2 s.
    """
    gc.collect()
    gc.freeze()
