"""How much one request may have."""

MAX_MESSAGES = 10_000
MAX_PARTS = 10_000
"""Content parts, tool calls and pieces of reasoning that the messages of one request have in all."""
MAX_EXTRA_ENTRIES = 256
"""Entries of `extra`, and characters of an entry's name."""
MAX_TTL_S = 2_592_000
"""Seconds (30 days) for which a log is kept at most."""
MAX_DEPTH = 64
"""JSON nesting that a request may have; deeper ones are refused before they are parsed into values."""
MAX_TITLE_CHARS = 200
"""Characters of a conversation's title."""
