from itertools import pairwise

import pytest

from simulator.texts import EXOTIC, HIGH, LOW, chunks, evenly, prose, prose_of_bytes, split_surrogates, words


def test_the_seed_decides_the_text() -> None:
    assert words(1, 50) == words(1, 50)
    assert words(1, 50) != words(2, 50)
    # Pinned, so that another machine or version cannot quietly say something else.
    assert "".join(words(1, 8)) == "Sed proident excepteur et ex laboris velit. Sint."


@pytest.mark.parametrize("size", [0, 1, 7, 1000, 100_001])
@pytest.mark.parametrize("unicode", [False, True])
def test_sizes(size: int, unicode: bool) -> None:
    assert len(prose(3, size, unicode=unicode)) == size
    assert size - 3 <= len(prose_of_bytes(3, size, unicode=unicode).encode()) <= size


def test_unicode_has_everything_exotic() -> None:
    text = "".join(words(1, 100, unicode=True))
    assert [piece for piece in EXOTIC if piece not in text] == []
    assert text != "".join(words(1, 100))


@pytest.mark.parametrize("count", [1, 3, 7, 50])
def test_cutting_loses_nothing(count: int) -> None:
    text = "".join(words(2, 9, unicode=True))
    assert "".join(chunks(text, count)) == text
    pieces = evenly(text, count)
    assert "".join(pieces) == text
    assert len(pieces) == min(count, len(text))
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 1


def test_surrogates_split_pairs_and_leave_one_alone() -> None:
    pieces = split_surrogates(words(1, 30))
    pairs = [(a, b) for a, b in pairwise(pieces) if a.endswith(HIGH) and b.startswith(LOW)]
    assert len(pairs) == 3
    healed = "".join(pieces).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert healed.count("\U0001f600") == 3
    assert healed.count("\ufffd") == 1
    assert healed.replace("\U0001f600", "").replace("\ufffd", "") == "".join(words(1, 30))
