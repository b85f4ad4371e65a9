"""Counts by modality: sound is told apart, and nothing that is no count is believed."""

from __future__ import annotations

from typing import Any

import pytest

from shared.log.events import MAX_TOKENS, Usage, UsageReport
from tests.worker.providers.gemini.test_reader import COUNTS, NAMED, Read, event, raws
from worker.providers.gemini.modalities import Modalities


def of(**counts: int) -> list[dict[str, Any]]:
    return [{"modality": name, "tokenCount": count} for name, count in counts.items()]


@pytest.mark.parametrize(
    ("counted", "sound"),
    [
        ({}, (None, None)),
        ({"promptTokensDetails": of(TEXT=4), "candidatesTokensDetails": of(IMAGE=2)}, (None, None)),
        ({"promptTokensDetails": of(TEXT=4, AUDIO=3), "candidatesTokensDetails": of(audio=2)}, (3, 2)),
        ({"promptTokensDetails": of(AUDIO=3), "toolUsePromptTokensDetails": of(AUDIO=4)}, (7, None)),
        ({"promptTokensDetails": [1, {"modality": "AUDIO"}, {"modality": "AUDIO", "tokenCount": "9"}]}, (None, None)),
        ({"promptTokensDetails": of(AUDIO=-1), "candidatesTokensDetails": of(AUDIO=MAX_TOKENS + 1)}, (None, None)),
        ({"promptTokensDetails": {"modality": "AUDIO", "tokenCount": 3}}, (None, None)),
    ],
)
def test_sound(counted: dict[str, Any], sound: tuple[int | None, int | None]) -> None:
    modalities = Modalities()
    modalities.take(counted)
    modalities.take({})
    assert (modalities.audio_input or None, modalities.audio_output or None) == sound


async def test_they_are_in_the_usage_and_kept_whole(read: Read) -> None:
    def heard(**counts: Any) -> bytes:
        candidate = {"content": {"parts": [{"text": "a"}]}, "index": 0, "finishReason": counts.pop("reason", None)}
        return event({"candidates": [candidate], "usageMetadata": COUNTS | counts, **NAMED})

    asked = {"promptTokensDetails": of(TEXT=1, AUDIO=3)}
    got = await read(heard(**asked) + heard(reason="STOP", **asked, candidatesTokensDetails=of(AUDIO=2)))
    assert [e.usage for e in got.events if isinstance(e, UsageReport)] == [Usage(4, 2, audio_input_tokens=3)]
    assert got.completed.usage == Usage(4, 2, audio_input_tokens=3, audio_output_tokens=2)
    assert raws(got) == [{"usageMetadata": COUNTS | asked | {"candidatesTokensDetails": of(AUDIO=2)}}]
