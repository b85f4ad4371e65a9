"""Seeded text: the same seed and size give the same pieces on every machine."""

from random import Random
from typing import Final

_LATIN: Final = (
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et "
    "dolore magna aliqua enim ad minim veniam quis nostrud exercitation ullamco laboris nisi aliquip ex ea "
    "commodo consequat duis aute irure in reprehenderit voluptate velit esse cillum eu fugiat nulla pariatur "
    "excepteur sint occaecat cupidatat non proident sunt culpa qui officia deserunt mollit anim id est"
)
_WORDS: Final = _LATIN.split()

# What breaks careless readers: astral emoji, joined and modified sequences, a line separator that is no SSE
# line end, line ends inside JSON, NUL, combining marks, right-to-left, a byte order mark in the middle.
EXOTIC: Final = (
    "\U0001f600",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "\u2028",
    "\r\n",
    "\0",
    "\U0001f3f3\ufe0f\u200d\U0001f308",
    "e\u0301",
    "\u65e5\u672c\u8a9e",
    "\u05e9\u05dc\u05d5\u05dd",
    '"\\\t',
    "\ufeff",
    "\r",
)

HIGH: Final = "\ud83d"
LOW: Final = "\ude00"


def words(seed: int, count: int, *, unicode: bool = False) -> list[str]:
    """`count` pieces, each one word with the space or full stop after it; every fifth exotic if `unicode`."""
    random = Random(seed)
    pieces = [word + " " for word in random.choices(_WORDS, k=count)]
    start = 0
    while start < count:
        end = min(start + random.randint(6, 14), count) - 1
        pieces[start] = pieces[start].capitalize()
        pieces[end] = pieces[end].rstrip() + (". " if end < count - 1 else ".")
        start = end + 1
    if unicode:
        for turn, at in enumerate(range(0, count, 5)):
            pieces[at] += EXOTIC[turn % len(EXOTIC)]
    return pieces


def prose(seed: int, characters: int, *, unicode: bool = False) -> str:
    """Text of exactly `characters` code points."""
    # A piece has three characters at least; most have six or more, so this is seldom drawn twice.
    count = characters // 6 + 16
    while len(text := "".join(words(seed, count, unicode=unicode))) < characters:
        count += characters // 12 + 16
    return text[:characters]


def prose_of_bytes(seed: int, size: int, *, unicode: bool = False) -> str:
    """Text of `size` UTF-8 bytes, or up to three fewer where the cut falls inside a character."""
    return prose(seed, size, unicode=unicode).encode()[:size].decode(errors="ignore")


def chunks(text: str, size: int) -> list[str]:
    """`text` cut every `size` code points."""
    return [text[at : at + size] for at in range(0, len(text), size)]


def evenly(text: str, count: int) -> list[str]:
    """`text` cut into `count` pieces of nearly equal length, fewer where it has fewer characters."""
    count = min(count, len(text))
    return [text[len(text) * n // count : len(text) * (n + 1) // count] for n in range(count)]


def split_surrogates(pieces: list[str]) -> list[str]:
    """Put emoji whose two halves end one piece and begin the next, and one lone half, into `pieces`.

    JSON permits each (RFC 8259, section 8.2), and providers that cut text by UTF-16 units send them.
    """
    pieces = list(pieces)
    for at in range(3, len(pieces) - 1, 10):
        pieces[at] += HIGH
        pieces[at + 1] = LOW + pieces[at + 1]
    if len(pieces) > 8:
        pieces[7] += HIGH
    return pieces
