"""What of a message is new, beside deltas, alone, whole, growing or in pieces."""

from __future__ import annotations

import pytest

from worker.providers.openai_chat.heard import Heard


@pytest.mark.parametrize(
    ("deltas", "messages", "said"),
    [
        pytest.param(["Hello ", "there"], ["Hello there"], [""], id="once more"),
        pytest.param(["Hello "], ["Hello there"], ["there"], id="and more"),
        pytest.param(["Hello ", "there"], ["Hello ", "Hello there"], ["", ""], id="lags"),
        pytest.param(["\nHello", " there \n"], ["Hello there"], [""], id="stripped"),
        pytest.param(["Hello ", "there"], ["there"], [""], id="its end"),
        pytest.param(["Hello"], ["Bye"], [None], id="contradicts"),
        pytest.param([], ["Hello there", "Hello there"], ["Hello there", ""], id="whole, twice"),
        pytest.param([], ["Hel", "Hello", "Hello there"], ["Hel", "lo", " there"], id="grows"),
        pytest.param([], ["Hel", "lo", " there", ""], ["Hel", "lo", " there", ""], id="pieces"),
        pytest.param([], ["ha", "ha", "ha", "!"], ["ha", "", "", "haha!"], id="equal pieces"),
        pytest.param([], ["ha", "ha", ""], ["ha", "", "ha"], id="equal pieces, and the end"),
        pytest.param([], ["Hel", "Hello", "Hello", ""], ["Hel", "lo", "", ""], id="grew, and the end"),
        pytest.param([], ["x" * 99, "x" * 99, ""], ["x" * 99, "", ""], id="whole, twice, and the end"),
        pytest.param([], ["a", "b", "ab"], ["a", "b", ""], id="pieces, then whole"),
        pytest.param([], ["a", "b", "ab", "c"], ["a", "b", "", "abc"], id="pieces that repeat"),
    ],
)
def test_what_is_new(deltas: list[str], messages: list[str], said: list[str | None]) -> None:
    heard = Heard()
    for delta in deltas:
        heard.add(delta)
    assert heard.any is bool(deltas)
    assert [heard.rest(message) for message in messages] == said
    assert heard.any


def test_deltas_and_a_growing_message_beside_each() -> None:
    heard, text = Heard(), ""
    for piece in ("word ", "word ", "other "):
        heard.add(piece)
        text += piece
        assert heard.rest(text) == ""
    assert heard.collect() == text


def test_what_a_message_said_is_no_delta() -> None:
    heard = Heard()
    heard.add("Hel")
    heard.collect(by_delta=False)
    assert heard.rest("lo") == "lo"
