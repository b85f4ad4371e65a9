"""Headers that the SDKs take from the environment by themselves, for whatever address they ask.

Only what an endpoint's `api_key_env` names goes to it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

HEADER_VARIABLES = ("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS")


@contextmanager
def without_ambient_headers() -> Iterator[None]:
    """Takes these variables from the environment while inside: a client reads them when it is made."""
    kept = {name: os.environ.pop(name) for name in HEADER_VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
