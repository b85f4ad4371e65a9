"""Chat Completions streams, as OpenAI and the endpoints that imitate it send them, over real HTTP."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from openai import AsyncOpenAI

from shared.config.protocols import Protocol
from shared.config.provider_settings import ProviderSettings
from shared.log.events import Annotation, Delta, Raw, Response, Usage, UsageReport
from shared.request.generation_request import GenerationRequest
from tests.worker.providers.openai_chat.conftest import Read
from tests.worker.providers.upstream import Upstream, outcome
from worker.providers.openai_chat.request import body
from worker.providers.provider import Provider

DONE = b"data: [DONE]\n\n"


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: %s\n\n" % json.dumps({**head, "choices": choices, **fields}).encode()


def call(index: int | None, arguments: str | None = None, **fields: Any) -> dict[str, Any]:
    function = {"arguments": arguments} if arguments is not None else {}
    if "name" in fields:
        function["name"] = fields.pop("name")
    return {"tool_calls": [{**({} if index is None else {"index": index}), **fields, "function": function}]}


STOP = chunk({}, "stop") + DONE


async def test_a_kind_ends_where_another_begins(read: Read) -> None:
    got = await read(
        chunk({"role": "assistant", "content": ""})
        + chunk({"reasoning_content": "Hm"})
        + chunk({"reasoning": "m.", "content": ""})
        + chunk({"content": "Because "})
        + chunk({"content": "of light."})
        + STOP
    )
    assert got.parts() == [{"kind": "reasoning", "text": "Hmm."}, {"kind": "text", "text": "Because of light."}]
    assert (got.completed.finish_reason, got.completed.raw_finish_reason) == ("stop", "stop")
    assert got.completed.response_id == "chatcmpl-1"


async def test_a_refusal_is_a_part_of_its_own(read: Read) -> None:
    got = await read(chunk({"refusal": "I can"}) + chunk({"refusal": "not."}) + STOP)
    assert got.parts() == [{"kind": "refusal", "text": "I cannot."}]


async def test_parallel_tool_calls_interleave(read: Read) -> None:
    got = await read(
        chunk({"content": "Looking."})
        + chunk(call(0, "", id="a", name="rain", type="function"))
        + chunk(call(1, "", id="b", name="wind", type="function"))
        + chunk(call(0, '{"x"'))
        + chunk(call(1, '{"y":2}'))
        + chunk(call(0, ":1}"))
        + chunk({}, "tool_calls")
        + DONE
    )
    tool = {"kind": "tool_call", "executor": "client"}
    assert got.parts() == [
        {"kind": "text", "text": "Looking."},
        {**tool, "call_id": "a", "name": "rain", "text": '{"x":1}'},
        {**tool, "call_id": "b", "name": "wind", "text": '{"y":2}'},
    ]
    assert got.completed.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "indexes",
    [
        pytest.param((0, 0), id="one index for all"),
        pytest.param((None, None), id="no index"),
    ],
)
async def test_tool_calls_are_told_apart_by_id_where_the_index_does_not(read: Read, indexes: tuple[Any, Any]) -> None:
    got = await read(
        chunk(call(indexes[0], "{", id="a", name="rain"))
        + chunk(call(indexes[0], "}"))
        + chunk(call(indexes[1], "[]", id="b", name="rain"))
        + chunk({}, "tool_calls")
        + DONE
    )
    assert [(part["call_id"], part["text"]) for part in got.parts()] == [("a", "{}"), ("b", "[]")]


async def test_an_id_and_name_that_repeat_start_nothing(read: Read) -> None:
    pieces = [chunk(call(0, text, id="a", name="rain")) for text in ("{", "}")]
    got = await read(*pieces, chunk({}, "tool_calls") + DONE)
    assert [(part["call_id"], part["name"], part["text"]) for part in got.parts()] == [("a", "rain", "{}")]


async def test_the_old_function_call_is_a_tool_call(read: Read) -> None:
    got = await read(
        chunk({"function_call": {"name": "rain", "arguments": "{"}})
        + chunk({"function_call": {"arguments": "}"}})
        + chunk({}, "function_call")
        + DONE
    )
    assert [(part["call_id"], part["name"], part["text"]) for part in got.parts()] == [("call_0", "rain", "{}")]
    assert got.completed.finish_reason == "tool_calls"


async def test_usage_comes_after_the_finish_reason(read: Read) -> None:
    counted = {
        "prompt_tokens": 20,
        "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 16, "cache_write_tokens": 2, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    got = await read(chunk({"content": "x"}, "stop", usage=None) + chunk(usage=counted) + DONE)
    assert got.completed.usage == Usage(20, 9, 16, 2, 5)


async def test_usage_in_every_chunk_is_reported_once_and_ends_with_the_last(read: Read) -> None:
    pieces = [chunk({"content": "x"}, usage={"prompt_tokens": 3, "completion_tokens": n}) for n in range(1, 9)]
    got = await read(*pieces, STOP)
    assert [event.usage for event in got.events if isinstance(event, UsageReport)] == [Usage(3, 1)]
    assert got.completed.usage == Usage(3, 8)


async def test_usage_stands_in_the_choice_or_is_empty_at_the_end(read: Read) -> None:
    counted = {"prompt_tokens": 5, "completion_tokens": 9}
    choice = {"index": 0, "delta": {}, "finish_reason": "stop", "usage": counted}
    for last in (b"", chunk(usage={}), chunk(usage={"prompt_tokens": 0, "completion_tokens": 0})):
        got = await read(chunk({"content": "x"}) + chunk(choices=[choice]) + last + DONE)
        assert got.completed.usage == Usage(5, 9)
    got = await read(chunk({"content": "x", "usage": counted}) + STOP)
    assert got.completed.usage == Usage(5, 9)


async def test_no_usage_is_no_usage(read: Read) -> None:
    assert (await read(chunk({"content": "x"}) + STOP)).completed.usage is None


@pytest.mark.parametrize(
    ("raw", "unified"),
    [
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("unheard_of", "other"),
    ],
)
async def test_finish_reasons(read: Read, raw: str, unified: str) -> None:
    completed = (await read(chunk({"content": "x"}, ""), chunk({}, raw) + DONE)).completed
    assert (completed.finish_reason, completed.raw_finish_reason) == (unified, raw)


async def test_what_is_unknown_is_kept(read: Read) -> None:
    other = chunk(choices=[{"index": 1, "delta": {"content": "no"}, "finish_reason": "length"}])
    strange = {"content": "yes", "hologram": {"id": 1}, "nothing": None}
    fragment = {
        "tool_calls": [{"index": 0, "id": "a", "function": {"name": "rain", "zeal": 2}, "extra_content": {"x": 1}}]
    }
    got = await read(other + chunk(strange) + chunk({"hologram": 2}) + chunk(fragment) + STOP)
    assert [part["kind"] for part in got.parts()] == ["text", "tool_call"]
    assert got.parts()[0]["text"] == "yes"
    assert got.completed.raw_finish_reason == "stop"
    choice, *rest = got.raw()
    assert (choice["choices"][0]["index"], choice["choices"][0]["delta"]["content"]) == (1, "no")
    assert rest == [
        {"delta": {"hologram": {"id": 1}}},
        {"delta": {"hologram": 2}},
        {"delta": {"tool_calls": [{"index": 0, "extra_content": {"x": 1}}]}},
        {"delta": {"tool_calls": [{"index": 0, "function": {"zeal": 2}}]}},
    ]


async def test_what_is_unknown_about_an_answer_is_kept_when_it_changes(read: Read) -> None:
    def said(text: str, **fields: Any) -> bytes:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": None, "logprobs": None}
        return chunk(choices=[{**choice, "native_finish_reason": fields.pop("native", None)}], **fields)

    got = await read(
        said("a", provider="Groq", citations=["https://example.com/"])
        + said("b", provider="Groq", citations=["https://example.com/"], system_fingerprint="fp")
        + said("c", provider="Azure", native="end_turn", unheard=None)
        + STOP
    )
    assert got.parts() == [{"kind": "text", "text": "abc"}]
    first = {"provider": "Groq", "citations": ["https://example.com/"]}
    assert got.raw() == [first, {"provider": "Azure", "native_finish_reason": "end_turn"}]


def together(n: int) -> bytes:
    """Together's way: the text twice, and the token's number."""
    delta = {"token_id": 1000 + n, "role": "assistant", "content": f"w{n} ", "tool_calls": None}
    return chunk(choices=[{"index": 0, "text": f"w{n} ", "seed": None, "delta": delta, "finish_reason": None}])


def beside(n: int) -> dict[str, Any]:
    """What some say beside each token."""
    return {
        "timings": {"predicted_n": n, "predicted_ms": 15.2 * n},
        "citations": ["https://example.com/"] * n,
        "tokens_per_second": 50 + n,
        "stamp": {"region": "eu"},
    }


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(together, id="Together"),
        pytest.param(lambda n: chunk({"content": f"w{n} "}, **beside(n)), id="about the answer"),
        pytest.param(lambda n: chunk({"content": f"w{n} ", "token": n, "type": "text"}), id="numbers and stamps"),
        pytest.param(lambda n: chunk({"content": f"w{n} ", "so_far": "w" * (n + 1)}), id="a text so far"),
        pytest.param(lambda n: chunk(choices=[{"delta": {"content": f"w{n} "}, "rank": n}]), id="about the choice"),
    ],
)
async def test_the_log_stays_in_proportion(read: Read, said: Callable[[int], bytes]) -> None:
    got = await read(b"".join(map(said, range(200))) + STOP)
    assert got.parts() == [{"kind": "text", "text": "".join(f"w{n} " for n in range(200))}]
    assert len(got.raw()) <= 3


async def test_what_changes_with_every_token_is_there_with_its_last_value(read: Read) -> None:
    got = await read(b"".join(chunk({"content": "x", "token": n}, **beside(n)) for n in range(9)) + STOP)
    last: dict[str, Any] = {}
    for raw in got.raw():
        last |= raw
    assert last == {**beside(8), "delta": {"token": 8}}


async def test_a_growing_message_beside_each_delta_adds_nothing_to_the_log(read: Read) -> None:
    pieces = []
    for n in range(1, 300):
        choice = {"index": 0, "delta": {"content": "word "}, "message": {"role": "assistant", "content": "word " * n}}
        pieces.append(chunk(choices=[choice]))
    got = await read(b"".join(pieces) + STOP)
    assert (got.parts(), got.raw()) == ([{"kind": "text", "text": "word " * 299}], [])


async def test_what_the_answer_is_called(read: Read) -> None:
    """Azure's first chunk has empty names; some endpoints give every chunk another id."""
    headers = {"content-type": "text/event-stream", "x-request-id": "req_1"}
    got = await read(
        chunk({}, id="", model="", prompt_filter_results=[])
        + chunk({"content": "x"})
        + chunk({}, "stop", id="other")
        + DONE,
        headers=headers,
    )
    responses = [event for event in got.events if isinstance(event, Response)]
    assert responses[-1] == Response(response_id="chatcmpl-1", model="m", request_id="req_1")
    assert got.completed.response_id == "chatcmpl-1"
    assert isinstance(got.events[0], Response)


async def test_groq_says_its_own_things(read: Read) -> None:
    counted = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    got = await read(
        chunk({"role": "assistant"}, x_groq={"id": "req_9"})
        + chunk({"reasoning": "Hm."})
        + chunk({"content": "x"})
        + chunk({}, "stop", x_groq={"id": "req_9", "usage": counted})
        + DONE
    )
    assert got.response.request_id == "req_9"
    assert got.completed.usage == Usage(3, 4)
    assert [part["kind"] for part in got.parts()] == ["reasoning", "text"]
    failed = await read(chunk({"content": "x"}) + chunk({}, x_groq={"error": "over capacity"}) + STOP)
    assert failed.failure.code == "provider_error"


def detail(kind: str, index: int | None = 0, **fields: Any) -> dict[str, Any]:
    return {"type": f"reasoning.{kind}", "index": index, "format": "openai-responses-v1", **fields}


async def test_openrouter_reasoning_has_what_its_maker_wants_back(read: Read) -> None:
    claude = {"format": "anthropic-claude-v1"}
    got = await read(
        chunk({"reasoning": "Sum", "reasoning_details": [detail("summary", summary="Sum", id="rs_1")]})
        + chunk({"reasoning": "med.", "reasoning_details": [detail("summary", summary="med.", id="rs_1")]})
        + chunk({"reasoning_details": [detail("encrypted", data="b3BhcXVl", id="rs_1")]})
        + chunk({"reasoning": "Hm.", "reasoning_details": [detail("text", 1, text="Hm.", **claude)]})
        + chunk({"content": "", "reasoning_details": [detail("text", 1, text="", signature="c2ln", **claude)]})
        + chunk({"reasoning_details": [detail("text", 2, text="New.", **claude), {"type": "reasoning.dream"}, 5]})
        + chunk({"content": "So."})
        + STOP
    )
    openai = {"item_id": "rs_1", "provider": "openrouter/openai-responses-v1"}
    assert got.parts() == [
        {"kind": "reasoning", "text": "Summed.", "summary": True, "item_id": "rs_1"},
        {"kind": "reasoning", "text": "", "encrypted": "b3BhcXVl", **openai},
        {"kind": "reasoning", "text": "Hm.", "signature": "c2ln", "provider": "openrouter/anthropic-claude-v1"},
        {"kind": "reasoning", "text": "New."},
        {"kind": "text", "text": "So."},
    ]
    assert got.raw() == [
        {"delta": {"reasoning_details": [{"type": "reasoning.dream"}]}},
        {"delta": {"reasoning_details": [5]}},
    ]


async def test_litellm_reasoning_has_its_signature(read: Read) -> None:
    def block(text: str, signature: str | None = None) -> dict[str, Any]:
        return {"type": "thinking", "thinking": text, "signature": signature}

    def again(block: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return {"provider_specific_fields": {"thinking_blocks": [block], "nothing": None, **fields}}

    got = await read(
        chunk({"reasoning_content": "Hm", "thinking_blocks": [block("Hm")], **again(block("Hm"))})
        + chunk({"reasoning_content": "m.", "thinking_blocks": [block("m.")], **again(block("m."), citation={"a": 1})})
        + chunk({"reasoning_content": "", "thinking_blocks": [block("", "c2ln")]})
        + chunk({"thinking_blocks": [{"type": "redacted_thinking", "data": "cmVk"}, {"type": "nap"}]})
        + chunk({"content": "So."})
        + STOP
    )
    assert got.parts() == [
        {"kind": "reasoning", "text": "Hmm.", "signature": "c2ln", "provider": "litellm"},
        {"kind": "reasoning", "text": "", "encrypted": "cmVk", "provider": "litellm"},
        {"kind": "text", "text": "So."},
    ]
    assert got.raw() == [
        {"delta": {"provider_specific_fields": {"citation": {"a": 1}}}},
        {"delta": {"thinking_blocks": [{"type": "nap"}]}},
    ]


async def test_what_is_read_goes_back_as_it_came(read: Read, ask: Callable[..., GenerationRequest]) -> None:
    """From an answer's events into the next request: OpenRouter gets its own list again."""
    sent = [
        detail("summary", summary="Summed.", id="rs_1"),
        detail("encrypted", data="b3BhcXVl", id="rs_1"),
        detail("text", 1, text="Hm.", signature="c2ln", format="anthropic-claude-v1"),
    ]
    got = await read(chunk({"reasoning_details": sent}) + chunk({"content": "So."}) + STOP)
    names = ("text", "summary", "signature", "encrypted", "item_id", "provider")
    reasoning = [
        {"provider": "openrouter/openai-responses-v1"} | {name: part[name] for name in names if name in part}
        for part in got.parts()
        if part["kind"] == "reasoning"
    ]
    message = {"role": "assistant", "content": "So.", "reasoning": reasoning}
    endpoint = ProviderSettings.model_validate({"preset": "openrouter"})
    (back,) = body(ask(messages=[message]), "m", endpoint, official=False)["messages"]
    assert back["reasoning_details"] == [{k: v for k, v in item.items() if k != "index"} for item in sent]


async def test_reasoning_that_is_no_text_is_kept(read: Read) -> None:
    got = await read(chunk({"reasoning": {"effort": "low"}, "content": "x"}) + STOP)
    assert got.parts() == [{"kind": "text", "text": "x"}]
    assert got.raw() == [{"delta": {"reasoning": {"effort": "low"}}}]


async def test_mistral_content_is_a_list(read: Read) -> None:
    def thinking(*texts: str) -> dict[str, Any]:
        return {"type": "thinking", "thinking": [{"type": "text", "text": text} for text in texts]}

    reference = {"type": "reference", "reference_ids": [1]}
    got = await read(
        chunk({"content": [thinking("H", "m")]}, p="abc")
        + chunk({"content": [thinking("m.")]})
        + chunk({"content": [{"type": "text", "text": "So"}, reference]})
        + chunk({"content": "."})
        + chunk({"content": [{"type": "hologram"}, {"type": "thinking", "thinking": [reference]}]})
        + chunk({}, "model_length")
        + DONE
    )
    assert got.parts() == [
        {"kind": "reasoning", "text": "Hmm."},
        {"kind": "text", "text": "So.", "annotations": [reference]},
    ]
    odd = {"type": "thinking", "thinking": [reference]}
    assert got.raw() == [{"delta": {"content": [{"type": "hologram"}]}}, {"delta": {"content": [odd]}}]
    assert got.completed.finish_reason == "length"


async def test_citations_are_annotations_of_the_text(read: Read) -> None:
    citation = {"type": "url_citation", "url_citation": {"url": "https://example.com/", "start_index": 0}}
    got = await read(chunk({"content": "Blue."}) + chunk({"annotations": [citation, 5]}) + STOP)
    assert got.parts() == [{"kind": "text", "text": "Blue.", "annotations": [citation]}]
    assert got.raw() == [{"delta": {"annotations": [5]}}]


async def test_images_are_files(read: Read) -> None:
    images = [
        {"type": "image_url", "index": 0, "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "image_url", "index": 1, "image_url": {"url": "https://example.com/a.png"}},
        {"type": "picture"},
    ]
    got = await read(chunk({"content": "Look."}) + chunk({"images": images}) + STOP)
    assert got.parts() == [
        {"kind": "text", "text": "Look."},
        {"kind": "file", "text": "aGk=", "media_type": "image/png"},
        {"kind": "file", "text": "", "url": "https://example.com/a.png"},
    ]
    assert got.raw() == [{"delta": {"images": [{"type": "picture"}]}}]
    bad = await read(chunk({"images": [{"image_url": {"url": "data:image/png;base64,a"}}]}) + STOP)
    assert bad.failure.code == "invalid_response"


@pytest.mark.parametrize("cuts", [(1, 2, 3), (3, 6), (5,), ()], ids=str)
async def test_sound_is_one_file_however_it_is_encoded(read: Read, cuts: tuple[int, ...]) -> None:
    sound = bytes(range(250, 256)) + b"sound"
    places = [0, *cuts, len(sound)]
    pieces = [base64.b64encode(sound[start:end]).decode() for start, end in itertools.pairwise(places)]
    got = await read(
        chunk({"audio": {"id": "audio_1", "transcript": "Pe"}})
        + b"".join(chunk({"audio": {"id": "audio_1", "data": piece}}) for piece in pieces)
        + chunk({"audio": {"transcript": "ep."}})
        + chunk({"audio": {"expires_at": 1}})
        + STOP
    )
    text, file = got.parts()
    assert text == {"kind": "text", "text": "Peep."}
    assert (file["kind"], file["item_id"]) == ("file", "audio_1")
    assert base64.b64decode(file["text"], validate=True) == sound
    assert got.raw() == [{"delta": {"audio": {"expires_at": 1}}}]


async def test_sound_that_is_cut(read: Read) -> None:
    got = await read(chunk({"audio": {"id": "a", "data": "aGk"}}) + STOP)
    assert got.failure.code == "incomplete_stream"
    assert (await read(chunk({"audio": {"data": "?!?!"}}) + STOP)).failure.code == "invalid_response"


async def test_a_whole_call_in_one_chunk_with_its_arguments_as_a_value(read: Read) -> None:
    """Ollama's way; and with finish_reason `stop`, although the caller is to act."""
    calls = [{"index": n, "id": f"c{n}", "function": {"name": "rain", "arguments": {"x": n}}} for n in (0, 1)]
    got = await read(chunk({"tool_calls": calls}) + STOP)
    assert [(part["call_id"], json.loads(part["text"])) for part in got.parts()] == [("c0", {"x": 0}), ("c1", {"x": 1})]
    assert (got.completed.finish_reason, got.completed.raw_finish_reason) == ("tool_calls", "stop")


async def test_a_call_without_id_and_without_arguments(read: Read) -> None:
    got = await read(
        chunk({"tool_calls": [{"function": {"name": "rain", "arguments": ""}}]}) + chunk({}, "tool_calls") + DONE
    )
    tool = {"kind": "tool_call", "call_id": "call_0", "name": "rain", "executor": "client"}
    assert got.parts() == [{**tool, "text": ""}]


async def test_a_price_and_other_counts_are_kept_once(read: Read) -> None:
    counted = {"prompt_tokens": 3, "completion_tokens": 2, "cost": 0.25, "prompt_tokens_details": {"audio_tokens": 1}}
    got = await read(chunk({"content": "x"}, usage=counted | {"cost": 0.1}) + chunk({}, "stop", usage=counted) + DONE)
    assert got.raw() == [{"usage": counted}]
    assert isinstance(got.events[-2], Raw)


async def test_usage_that_counts_nothing_we_know(read: Read) -> None:
    assert (await read(chunk(usage={"prompt_tokens": "many"}) + STOP)).completed.usage is None


async def test_a_finish_reason_that_is_an_error(read: Read) -> None:
    got = await read(chunk({"content": "x"}) + chunk({}, "error") + DONE)
    assert (got.failure.code, got.failure.retryable) == ("provider_error", True)


async def test_an_error_object_instead_of_a_chunk(read: Read) -> None:
    """vLLM and Mistral."""
    error = {"object": "error", "message": "PROMPT", "type": "BadRequestError", "param": None, "code": 400}
    got = await read(chunk({"content": "x"}) + b"data: %s\n\n" % json.dumps(error).encode() + DONE)
    assert (got.failure.code, got.failure.retryable) == ("bad_request", False)
    assert "PROMPT" not in str(got.failure)


async def test_an_emoji_cut_in_two_passes_as_two_surrogates(read: Read) -> None:
    got = await read(chunk({"content": "\ud83d"}) + chunk({"content": "\ude00"}) + STOP)
    assert [event.delta for event in got.events if isinstance(event, Delta)] == ["\ud83d", "\ude00"]


async def test_text_arrives_as_it_is(read: Read) -> None:
    text = "\u2028 \r\n \0 😀 \x85 data: x\n\n"
    raw = json.dumps({"choices": [{"delta": {"content": text}}]}, ensure_ascii=False).encode()
    got = await read(b"data: " + raw + b"\n\n" + STOP)
    assert got.parts()[0]["text"] == text


async def test_bytes_that_are_not_utf_8_are_replaced(read: Read) -> None:
    got = await read(b'data: {"choices":[{"delta":{"content":"a\xffb"}}]}\n\n' + STOP)
    assert got.parts()[0]["text"] == "a\ufffdb"


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"data: [DONE]", id="no line end"),
        pytest.param(b"data:[DONE]\n", id="no blank line"),
        pytest.param(b": bye\n\n", id="a comment"),
    ],
)
async def test_a_finish_reason_is_enough_where_done_never_comes(read: Read, tail: bytes) -> None:
    got = await read(chunk({"content": "x"}) + chunk({}, "stop") + tail)
    assert got.error is None
    assert got.parts() == [{"kind": "text", "text": "x"}]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((), id="nothing at all"),
        pytest.param((chunk({"content": "x"}),), id="clean end"),
        pytest.param((chunk({"content": "x"}), chunk({"content": "y"})[:-20]), id="half an event"),
        pytest.param((chunk({"content": "x"}), chunk({"content": "y"})[:-5]), id="half a brace"),
        pytest.param((chunk({"content": "x"}), DONE), id="done without a finish reason"),
        pytest.param((chunk({"content": "x"}, "stop"), chunk(usage={"prompt_tokens": 1})[:-9]), id="half the usage"),
        pytest.param((chunk({"content": "x"}, "stop"), b"data: [D"), id="half the marker"),
    ],
)
async def test_an_end_without_the_terminal_marker_is_an_error(read: Read, pieces: tuple[bytes, ...]) -> None:
    got = await read(*pieces)
    assert (got.failure.code, got.failure.retryable) == ("incomplete_stream", True)
    assert [part["text"] for part in got.parts()] == (["x"] if pieces else [])


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        ({"message": "PROMPT", "type": "server_error", "code": None}, "provider_error", True),
        ({"message": "PROMPT", "code": 429}, "rate_limit", True),
        ({"message": "PROMPT", "code": "502"}, "provider_error", True),
        ({"message": "PROMPT", "type": "BadRequestError", "code": 400}, "bad_request", False),
        ({"message": "PROMPT", "code": "context_length_exceeded"}, "context_length", False),
        ("PROMPT", "provider_error", True),
    ],
)
async def test_an_error_in_the_stream(read: Read, error: Any, code: str, retryable: bool) -> None:
    got = await read(chunk({"content": "x"}) + b"data: %s\n\n" % json.dumps({"error": error}).encode() + STOP)
    assert (got.failure.code, got.failure.retryable) == (code, retryable)
    assert "PROMPT" not in str(got.failure)
    assert got.parts() == [{"kind": "text", "text": "x"}]


@pytest.mark.parametrize(
    "bad",
    [
        b'{"choices":[',
        b'"choices":[{"delta":{"content":"x"}}]',
        b'{"choices":[{"delta":{"content":"x"}}',
        b'{"x":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
    ],
)
async def test_an_event_that_is_no_chunk(read: Read, bad: bytes) -> None:
    got = await read(chunk({"content": "x"}) + b"data: " + bad + b"\n\n" + STOP)
    assert (got.failure.code, got.failure.retryable) == ("invalid_response", True)
    assert got.parts() == [{"kind": "text", "text": "x"}]


RICH = (
    b": comment\n\n"
    + chunk({"role": "assistant", "content": "", "refusal": None}, provider="Acme")
    + chunk({"reasoning": "H\u00f6h", "reasoning_details": [detail("text", text="H\u00f6h", id="r")]})
    + chunk({"reasoning_details": [detail("text", signature="c2ln"), detail("encrypted", 1, data="b3BhcXVl")]})
    + chunk({"content": "Zw\u00f6lf "})
    + chunk({"content": "😀\u2028"}).replace(b"\n", b"\r\n")
    + chunk({"annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.com/\u00e9"}}]})
    + chunk({"images": [{"image_url": {"url": "data:image/png;base64,aGk="}}], "hologram": "\u00e9"})
    + chunk({"audio": {"id": "a", "data": "aGk=", "transcript": "h\u00ef"}})
    + chunk({"audio": {"data": "aGk="}})
    + chunk(call(0, "", id="a", name="rain", type="function"))
    + chunk(call(1, "", id="b", name="wind", type="function"))
    + chunk(call(1, '{"y": 2}'))
    + chunk(call(0, '{"x": "\\u00e9"}'))
    + chunk({}, "tool_calls")
    + chunk(usage={"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12, "cost": 0.1})
    + DONE
)


async def test_the_sdk_accumulates_the_same(read: Read, upstream: Upstream) -> None:
    got = await read(RICH)
    async with AsyncOpenAI(api_key="k", base_url=f"{upstream.url}/v1", max_retries=0) as client:
        asked: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        async with client.chat.completions.stream(**asked) as stream:
            completion = await stream.get_final_completion()
    message, usage = completion.choices[0].message, completion.usage
    parts = got.parts()
    calls = [part for part in parts if part["kind"] == "tool_call"]
    # The SDK keeps what is said in sound apart from the text.
    assert message.audio is not None
    assert (
        "".join(part["text"] for part in parts if part["kind"] == "text")
        == f"{message.content}{message.audio.transcript}"
    )
    assert [(part["call_id"], part["name"], part["text"]) for part in calls] == [
        (made.id, made.function.name, made.function.arguments) for made in message.tool_calls or ()
    ]
    assert got.completed.raw_finish_reason == completion.choices[0].finish_reason
    assert got.completed.response_id == completion.id
    assert usage is not None
    assert got.completed.usage == Usage(usage.prompt_tokens, usage.completion_tokens)


@pytest.mark.parametrize("script", ["lorem", "tools", "reasoning", "refusal"])
async def test_the_simulator_says_the_same_to_the_sdk(
    script: str, simulator: str, adapter: Callable[[Protocol, str], Provider], ask: Callable[..., GenerationRequest]
) -> None:
    model = f"{script}?rate=0&seed=3&cached=2"
    got = await outcome(adapter("openai-chat", simulator), ask(), model)
    async with AsyncOpenAI(api_key="k", base_url=f"{simulator}/v1", max_retries=0) as client:
        asked: dict[str, Any] = {"messages": [{"role": "user", "content": "Why is the sky blue?"}]}
        options: dict[str, Any] = {"stream_options": {"include_usage": True}}
        async with client.chat.completions.stream(model=model, **asked, **options) as stream:
            completion = await stream.get_final_completion()
    message = completion.choices[0].message.model_dump()
    expected = [
        {"kind": kind, "text": message[field]}
        for kind, field in (("reasoning", "reasoning_content"), ("text", "content"), ("refusal", "refusal"))
        if message.get(field)
    ]
    for made in message.get("tool_calls") or ():
        function = made["function"]
        expected.append({"kind": "tool_call", "text": function["arguments"], "call_id": made["id"]})
        expected[-1] |= {"name": function["name"], "executor": "client"}
    assert got.parts() == expected
    assert got.completed.raw_finish_reason == completion.choices[0].finish_reason
    assert completion.usage is not None
    assert completion.usage.completion_tokens_details is not None
    reasoning = completion.usage.completion_tokens_details.reasoning_tokens or 0
    counted = (completion.usage.prompt_tokens, completion.usage.completion_tokens)
    assert got.completed.usage == Usage(*counted, cached_tokens=2, reasoning_tokens=reasoning)


@pytest.mark.parametrize(
    "last",
    [
        chunk(choices=[], finish_reason="stop"),
        chunk({}, finish_reason="stop"),
        chunk({"finish_reason": "stop"}),
        chunk(choices=[{"index": 0, "message": {"finish_reason": "stop"}}]),
    ],
)
async def test_a_finish_reason_beside_the_choice_or_in_what_it_adds(read: Read, last: bytes) -> None:
    got = await read(chunk({"content": "x"}), last, DONE)
    assert (got.error, got.completed.raw_finish_reason, got.raw()) == (None, "stop", [])
    lost = await read(chunk({"content": "x"}), last.replace(b'"stop"', b'"abort"'), DONE)
    assert (lost.failure.code, lost.failure.retryable) == ("provider_error", True)


async def test_reasoning_that_is_the_number_zero(read: Read) -> None:
    for name in ("reasoning_content", "reasoning"):
        got = await read(chunk({name: 1}), chunk({name: 0}), chunk({"content": "x"}), STOP)
        assert got.parts()[0] == {"kind": "reasoning", "text": "10"}


async def test_citations_say_whose_shape_they_have(read: Read) -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "https://example.org/"}}
    got = await read(chunk({"content": "x"}) + chunk({"annotations": [cited]}) + STOP)
    assert [event.protocol for event in got.events if isinstance(event, Annotation)] == ["openai-chat"]
