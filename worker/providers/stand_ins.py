"""Words that stand for others which a provider refuses."""

import re
from collections.abc import Callable, Iterable


def stand_ins(words: Iterable[str], legal: re.Pattern[str], candidate: Callable[[str, int], str]) -> dict[str, str]:
    """Returns what stands for those of the words that are refused: no two alike, and none that is a word already.

    `candidate` proposes one for a word, another at each try. The same word has the same stand-in, unless that is taken:
    what a provider has cached of a conversation stays of use.
    """
    known = dict.fromkeys(words)
    taken = {word for word in known if legal.fullmatch(word)}
    if len(taken) == len(known):
        return {}
    found: dict[str, str] = {}
    for word in known:
        if word in taken:
            continue
        tries = 0
        while (proposed := candidate(word, tries)) in taken:
            tries += 1
        taken.add(proposed)
        found[word] = proposed
    return found
