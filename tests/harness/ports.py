"""TCP ports for the servers of tests, which are told theirs before they start."""

from __future__ import annotations

import itertools
import os
import random
import socket

FIRST, BLOCK, BLOCKS = 20_000, 1_000, 12
"""Below those that Linux gives by itself (32,768 and on), so that no other socket takes one in between."""


def _block() -> int:
    """Each of xdist's workers has a block of its own; others take a random one of the rest."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    return int(worker[2:]) % (BLOCKS // 2) if worker.startswith("gw") else random.randrange(BLOCKS // 2, BLOCKS)


_begin = FIRST + BLOCK * _block()
_turn = itertools.count(random.randrange(BLOCK))


def free_port() -> int:
    """A port on 127.0.0.1 on which nobody listens, and which was not given here for a long time."""
    for _ in range(BLOCK):
        port = _begin + next(_turn) % BLOCK
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("all ports are taken")
