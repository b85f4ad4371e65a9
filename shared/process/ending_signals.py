"""The signals that end a process in order."""

import signal


def ending_signals() -> list[signal.Signals]:
    """Returns SIGINT, SIGTERM and SIGHUP (the terminal is gone); not SIGHUP where it is ignored, as under nohup(1).

    A background job of a script begins with SIGINT ignored, and must still end by it.
    """
    hangup = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    return [signal.SIGINT, signal.SIGTERM, *hangup]
