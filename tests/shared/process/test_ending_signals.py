"""Which signals end a process: a hang-up too, unless nohup(1) has it ignored."""

from __future__ import annotations

import signal

from shared.process.ending_signals import ending_signals


def test_a_hang_up_that_is_ignored_ends_nothing() -> None:
    assert set(ending_signals()) == {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert set(ending_signals()) == {signal.SIGINT, signal.SIGTERM}
    finally:
        signal.signal(signal.SIGHUP, before)
