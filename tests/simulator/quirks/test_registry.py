"""All quirks: each can be had over HTTP in each protocol it claims, and is in the documentation."""

import pytest

from simulator.quirks.registry import QUIRKS, chosen
from tests.quirk_table import DOCUMENT, written_anew
from tests.simulator.quirks.asked import ALL, LOREM, Asker, same, shown_by

PAIRS = [
    (protocol, quirk.name)
    for quirk in QUIRKS.values()
    for protocol in quirk.protocols
    # A body without an end is test_ends.py's.
    if quirk.afterwards is None
]


@pytest.mark.parametrize(("protocol", "quirk"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
async def test_each_can_be_had_in_each_protocol_it_claims(ask: Asker, protocol: str, quirk: str) -> None:
    script, prompt = shown_by(quirk)
    odd = await ask(protocol, script, quirk, prompt)
    usual = await ask(protocol, script, "", prompt)
    assert (odd.status == 200) != bool(QUIRKS[quirk].refusals)
    name = f"&quirk={quirk}".encode()
    assert same(odd.body).replace(name, b"") != same(usual.body) or odd.content_type != usual.content_type


@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize(
    "script", ["lorem?deltas=0", "lorem?deltas=1", "tools?deltas=2", "refusal?", "demo?deltas=30", "echo?"]
)
async def test_each_goes_with_every_script(ask: Asker, protocol: str, script: str) -> None:
    for quirk in (name for pair, name in PAIRS if pair == protocol and name != "large-image"):
        # The body ends as HTTP wants it, or this raises.
        odd = await ask(protocol, f"{script}&rate=0", quirk)
        assert (odd.status == 200) != bool(QUIRKS[quirk].refusals), quirk


@pytest.mark.parametrize("protocol", ALL)
async def test_a_protocol_that_has_it_not_says_so(ask: Asker, protocol: str) -> None:
    for quirk in QUIRKS.values():
        if protocol not in quirk.protocols:
            answer = await ask(protocol, LOREM, quirk.name)
            assert answer.status == 400
            says = f"parameter 'quirk' has '{quirk.name}', which is for {quirk.protocols[0]}"
            assert says.encode() in answer.body


def test_the_documentation_has_each_with_what_it_says() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert written_anew(text) == text, "run `python -m tests.quirk_table`"


def test_several_come_in_the_order_in_which_they_can_be_applied() -> None:
    names = ("sse-as-json", "done-word", "tool-name-late", "keepalive-comment")
    assert [quirk.name for quirk in chosen(names, "openai_chat")] == [
        "tool-name-late",
        "keepalive-comment",
        "done-word",
        "sse-as-json",
    ]
    assert chosen((), "openai_chat") == ()


def test_names_are_short_and_sentences_end() -> None:
    for name, quirk in QUIRKS.items():
        assert name == quirk.name
        assert len(name) <= 28
        assert quirk.says.endswith(".")
        assert quirk.protocols
