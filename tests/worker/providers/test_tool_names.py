"""Names of tools, as each protocol takes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config.protocols import PROTOCOLS, Protocol
from worker.providers.tool_names import NAME_RULES, legal_names

LONG = "n" * 64


@pytest.mark.parametrize(
    ("protocol", "names", "expected"),
    [
        ("openai-chat", ["get_time", "a-B_9", LONG, "9"], []),
        ("openai-chat", ["calendar.update", "files/read", "get time", "zeit é"],
         ["calendar_update", "files_read", "get_time", "zeit__"]),
        ("openai-responses", ["a.b"], ["a_b"]),
        ("anthropic", [LONG + LONG, "a.b"], ["a_b"]),
        ("gemini", ["calendar.update", "a:b", "_x-1"], []),
        ("gemini", ["files/read", "9lives", "-x", ".x"], ["files_read", "_9lives", "_-x", "_.x"]),
        # What reads best may be taken, or be that of two.
        ("anthropic", ["a.b", "a_b"], ["a_b_????????"]),
        ("anthropic", ["a.b", "a/b"], ["a_b", "a_b_????????"]),
        ("openai-chat", [LONG + "n", LONG + "nn"], ["n" * 55 + "_????????"] * 2),
        ("gemini", ["9" * 64], ["_" + "9" * 54 + "_????????"]),
    ],
)  # fmt: skip
def test_only_what_is_refused_is_replaced(protocol: Protocol, names: list[str], expected: list[str]) -> None:
    replaced = legal_names(names, NAME_RULES[protocol])
    assert len(replaced) == len({*replaced.values()}) == len(expected)
    for stand_in, pattern in zip(replaced.values(), expected, strict=True):
        assert len(stand_in) == len(pattern)
        assert all(wanted in ("?", letter) for wanted, letter in zip(pattern, stand_in, strict=True))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(names=st.lists(st.text(min_size=1, max_size=140) | st.text("a._/ ", min_size=1, max_size=3), max_size=8))
def test_any_names(protocol: Protocol, names: list[str]) -> None:
    rule = NAME_RULES[protocol]
    replaced = legal_names(names, rule)
    sent = {replaced.get(name, name) for name in names}
    assert len(sent) == len({*names})
    assert all(rule.legal.fullmatch(name) and len(name) <= rule.chars for name in sent)
