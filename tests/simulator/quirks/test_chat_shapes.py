"""Chunks of Chat whose message or choice is elsewhere, or more than once."""

import json

from tests.simulator.quirks.asked import CHAT, LOREM, TOOLS, Asker


async def test_message_in_place_of_delta(ask: Asker) -> None:
    usual, odd = await ask(CHAT, TOOLS), await ask(CHAT, TOOLS, "message-for-delta")
    assert [choice["message"] for choice in odd.choices] == usual.deltas
    assert not any("delta" in choice for choice in odd.choices)


async def test_one_event_has_all(ask: Asker) -> None:
    whole = json.loads((await ask(CHAT, TOOLS, stream=False)).body)["choices"][0]
    for quirk in ("message-in-one", "message-beside-empty"):
        odd = await ask(CHAT, TOOLS, quirk)
        (choice,) = odd.choices
        assert choice["message"]["content"] == whole["message"]["content"]
        assert [call["function"] for call in choice["message"]["tool_calls"]] == [
            call["function"] for call in whole["message"]["tool_calls"]
        ]
        assert choice["finish_reason"] == "tool_calls"
        assert choice.get("delta", {"content": ""})["content"] == ""
        assert ("delta" in choice) == (quirk == "message-beside-empty")
        assert odd.data[0]["object"] == "chat.completion"
        assert odd.data[1]["usage"]["completion_tokens"] == 12
        assert odd.body.endswith(b"data: [DONE]\n\n")


async def test_the_whole_message_comes_once_more(ask: Asker) -> None:
    usual, odd = await ask(CHAT, TOOLS), await ask(CHAT, TOOLS, "message-once-more")
    last = odd.choices[-1]
    assert [choice.get("delta") for choice in odd.choices[:-1]] == usual.deltas[:-1]
    assert last["message"]["content"] == usual.text
    assert [call["function"]["name"] for call in last["message"]["tool_calls"]] == ["get_weather", "get_time"]
    assert last["finish_reason"] == "tool_calls"
    assert "delta" not in last


async def test_the_message_so_far_stands_beside_each_delta(ask: Asker) -> None:
    usual, odd = await ask(CHAT, LOREM), await ask(CHAT, LOREM, "message-so-far")
    so_far = ""
    for choice in odd.choices:
        so_far += choice["delta"].get("content", "")
        assert choice["message"] == {"role": "assistant", "content": so_far or None}
    assert so_far == odd.text == usual.text


async def test_what_changes_with_every_token(ask: Asker) -> None:
    together, llama = await ask(CHAT, LOREM, "text-beside-delta"), await ask(CHAT, LOREM, "timings")
    said = [choice for choice in together.choices if choice["delta"].get("content")]
    assert len(said) == 6
    assert all(choice["text"] == choice["delta"]["content"] for choice in said)
    assert len({choice["delta"]["token_id"] for choice in said}) == 6
    timings = [data["timings"]["predicted_n"] for data in llama.data]
    assert timings == sorted(set(timings))
    assert len(timings) == len(llama.data)


async def test_the_index_of_the_only_choice(ask: Asker) -> None:
    one, counting = await ask(CHAT, LOREM, "choice-index-one"), await ask(CHAT, LOREM, "choice-index-counting")
    assert {choice["index"] for choice in one.choices} == {1}
    assert [choice["index"] for choice in counting.choices] == list(range(8))
    assert one.text == counting.text
