"""Logprobs: only for who wants them, the same in each protocol, and understood by the SDKs."""

from typing import Any
from urllib.parse import quote

import openai
import pytest
from google import genai
from google.genai.types import GenerateContentConfig

from simulator.logprobs import MAX_ALTERNATIVES, alternatives, chat_entry, gemini_result, logprob

MODEL = "lorem?deltas=4&rate=0"


@pytest.mark.parametrize(
    ("wanted", "top", "number"),
    [(True, 3, 3), (True, None, 0), (True, 99, MAX_ALTERNATIVES), (True, -1, 0), (None, 3, None), (False, 3, None)],
)
def test_how_many_alternatives(wanted: object, top: object, number: int | None) -> None:
    assert alternatives(wanted, top) == number


def test_a_token_has_the_same_each_time() -> None:
    entry = chat_entry("é", 2)
    assert entry == chat_entry("é", 2)
    assert (entry["logprob"], entry["bytes"]) == (logprob("é"), [195, 169])
    assert [one["logprob"] for one in entry["top_logprobs"]] == [logprob("é"), logprob("é") - 1]
    assert gemini_result("é", 0)["chosenCandidates"][0]["logProbability"] == logprob("é")
    assert "topCandidates" not in gemini_result("é", 0)


async def test_chat(chat: openai.AsyncOpenAI) -> None:
    asked: Any = {"model": MODEL, "messages": [{"role": "user", "content": "x"}], "logprobs": True, "top_logprobs": 1}
    stream = await chat.chat.completions.create(stream=True, **asked)
    choices = [chunk.choices[0] async for chunk in stream]
    said = [(c.delta.content, c.logprobs.content) for c in choices if c.logprobs and c.logprobs.content]
    assert [text for text, _ in said] == [tokens[0].token for _, tokens in said]
    whole = (await chat.chat.completions.create(**asked)).choices[0]
    assert whole.logprobs
    assert whole.logprobs.content == [token for _, tokens in said for token in tokens]
    assert "".join(token.token for token in whole.logprobs.content or ()) == whole.message.content


async def test_responses(chat: openai.AsyncOpenAI) -> None:
    include: Any = ["message.output_text.logprobs"]
    async with chat.responses.stream(model=MODEL, input="x", include=include, top_logprobs=1) as stream:
        events = [event async for event in stream]
        response = await stream.get_final_response()
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    assert [event.logprobs[0].token for event in deltas] == [event.delta for event in deltas]
    content: Any = response.output[0]
    assert [token.token for token in content.content[0].logprobs] == [event.delta for event in deltas]


async def test_gemini(gemini: genai.Client) -> None:
    config = GenerateContentConfig(response_logprobs=True, logprobs=1)
    stream = await gemini.aio.models.generate_content_stream(model=quote(MODEL, safe=""), contents="x", config=config)
    candidates: list[Any] = [chunk.candidates[0] async for chunk in stream if chunk.candidates]
    weighed = [candidate for candidate in candidates if candidate.logprobs_result]
    assert len(weighed) == 4
    for candidate in weighed:
        (chosen,) = candidate.logprobs_result.chosen_candidates
        assert chosen.token == candidate.content.parts[0].text
        assert candidate.logprobs_result.top_candidates[0].candidates[0].token == chosen.token
