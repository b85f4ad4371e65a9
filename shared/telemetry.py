"""Logging for the api, the worker and the command line: lines on stderr, without prompts, answers or secrets."""

from __future__ import annotations

import logging
import sys


def configure_logging(level: str) -> None:
    """Log at `level` and above to stderr; a second call changes the level only."""
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root.addHandler(handler)
    root.setLevel(level.upper())
    # Libraries that log request lines would show what was asked.
    for name in ("httpx", "httpx2", "httpcore", "openai", "anthropic", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
