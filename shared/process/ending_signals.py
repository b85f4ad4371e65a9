"""The signals that end a process in order."""

import signal


def ending_signals() -> list[signal.Signals]:
    """SIGINT, SIGTERM and, unless whoever started us has it ignored as nohup(1) does, SIGHUP: the terminal is gone.

    SIGINT is ignored in each background job of a script, which must still end by it.
    """
    hangup = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    return [signal.SIGINT, signal.SIGTERM, *hangup]
