"""What wakes the main thread."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from midstream.conversing.bell import Bell


def test_whoever_rings_ends_the_wait_once(bell: Bell) -> None:
    threading.Timer(0.01, bell.ring).start()
    assert bell.wait() == []
    bell.ring()
    bell.ring()
    assert bell.wait() == []
    reading, writing = os.pipe()
    os.write(writing, b"x")
    # The rings before are used up: what can be read is what has ended this wait.
    assert bell.wait(reading) == [reading]
    os.close(reading)
    os.close(writing)


def test_a_bell_that_nobody_hears_takes_any_number_of_rings(bell: Bell) -> None:
    for _ in range(100_000):
        bell.ring()
    assert bell.wait() == []


def test_a_thread_may_ring_when_it_is_over() -> None:
    with Bell() as bell:
        pass
    bell.ring()


def test_ctrl_c_rings_and_the_second_one_interrupts(bell: Bell) -> None:
    before = signal.getsignal(signal.SIGINT)
    with bell.at_ctrl_c() as pressed:
        assert not pressed()
        os.kill(os.getpid(), signal.SIGINT)
        assert bell.wait() == []
        assert pressed()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
