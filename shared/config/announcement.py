"""What a program says before it sends anything: which file its settings are from, and to which address each key goes.

A folder that somebody else has prepared could have both decided otherwise than its user thinks.
"""

import os
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from shared.config.settings import Settings


def announcement(settings: Settings, environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Yields a line for the settings file, if any, and one for each key that is set and each address it goes to."""
    if settings.sources.file:
        yield f"settings are from {settings.sources.path.absolute()}"
    ways = {
        (entry.api_key_env, entry.address): None
        for entry in settings.endpoints().values()
        if environment.get(entry.api_key_env or "")
    }
    for name, address in ways:
        parts = urlsplit(address)
        yield f"{name} goes to {parts.scheme}://{parts.netloc}{parts.path}"
