"""Fields of a message, one part at a time."""

from __future__ import annotations

from typing import get_args

from openai.types import CompletionUsage

from api.dialects.openai_chat import message
from shared.log.events import FinishReason, Usage
from shared.log.snapshots import PartSoFar


def test_every_finish_reason_has_a_word() -> None:
    assert set(message.FINISH_REASONS) == set(get_args(FinishReason))


def test_usage_in_all_its_fields() -> None:
    usage = Usage(
        10, 20, 3, 4, 5,
        audio_input_tokens=1, audio_output_tokens=2, cache_write_5m_tokens=1, cache_write_1h_tokens=3,
        server_tool_calls={"web_search_requests": 2},
    )  # fmt: skip
    fields = message.usage_fields(usage)
    assert fields == {
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "total_tokens": 30,
        "prompt_tokens_details": {
            "cached_tokens": 3,
            "cache_write_tokens": 4,
            "audio_tokens": 1,
            "cache_creation_token_details": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 3},
        },
        "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 2},
        "server_tool_use": {"web_search_requests": 2},
    }
    CompletionUsage.model_validate(fields)
    assert message.usage_fields(Usage())["prompt_tokens_details"] == {"cached_tokens": 0, "cache_write_tokens": 0}


def test_a_file_without_a_name_of_its_kind_that_has_an_address_is_shown_by_it() -> None:
    shown = message.image(PartSoFar("file", url="https://e.com/a"), 2)
    assert shown == {"type": "image_url", "image_url": {"url": "https://e.com/a"}, "index": 2}


def test_a_document_is_shown_as_what_it_is() -> None:
    document = PartSoFar("file", media_type="application/pdf", pieces=["aGk="])
    assert not message.is_sound(document)
    assert message.image(document, 0)["image_url"] == {"url": "data:application/pdf;base64,aGk="}


def test_what_names_no_provider_is_of_use_to_nobody() -> None:
    assert message.signed_call(PartSoFar("tool_call", signature="S")) == {}
    assert not message.is_opaque(PartSoFar("reasoning", encrypted="E"))
    assert message.details(PartSoFar("reasoning", signature="S"), 0) == []


def test_a_family_is_the_pieces_of_one_item() -> None:
    one, two, other = (PartSoFar("reasoning", item_id=name) for name in ("a", "a", "b"))
    alone = PartSoFar("reasoning")
    parts = [one, other, two, alone, PartSoFar("text", item_id="a")]
    assert message.family(two, parts) == [one, two]
    assert message.family(alone, parts) == [alone]
