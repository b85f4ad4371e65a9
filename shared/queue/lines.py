"""The lines: one for each owner, so that none who sends much starves the others. What is in Redis, and how much of it
each owner may have."""

import msgspec

from shared.config.settings import Settings
from shared.storage.keys import (
    FINISHED_KEY,
    LEASED_KEY,
    LEASES_KEY,
    LINE_OWNERS_KEY,
    LINES_KEY,
    PENDING_KEY,
    QUEUE_KEY,
    TIME_KEY,
    WAKE_KEY,
    line_key,
    running_key,
)
from shared.storage.lua_script import Argument

LINE_KEYS = [
    QUEUE_KEY,
    LEASES_KEY,
    PENDING_KEY,
    WAKE_KEY,
    LEASED_KEY,
    LINE_OWNERS_KEY,
    LINES_KEY,
    FINISHED_KEY,
    TIME_KEY,
    line_key(""),
    running_key(""),
]
"""Keys of every script that keeps the lines, in lines.lua's order. The last two are what each owner's begin with."""


class Shares:
    """How much each owner may have at a time, and how often it is served, as take.lua wants it."""

    def __init__(self, settings: Settings) -> None:
        own = {
            name: {
                "weight": limits.weight,
                **({} if limits.max_running is None else {"max_running": limits.max_running}),
            }
            for name, limits in settings.owners.items()
            if limits.weight != 1 or limits.max_running is not None
        }
        self.arguments: list[Argument] = [
            settings.concurrency,
            str(settings.max_share) if settings.many_owners else "",
            "" if settings.max_running is None else settings.max_running,
            msgspec.json.encode(own) if own else "",
        ]
