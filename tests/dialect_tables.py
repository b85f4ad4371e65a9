"""The tables in docs/dialects.md: what becomes of each field of a request, from the tables that the dialects read by.

`python -m tests.dialect_tables` writes them anew. Of a field that is read, its words stand here; a test says that none
lacks them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from api.dialects.ai_sdk import request_fields as ai_sdk
from api.dialects.anthropic_messages import fields as messages
from api.dialects.openai_chat import request_fields as chat
from api.dialects.openai_responses import fields as responses

DOCUMENT = Path(__file__).parents[1] / "docs/dialects.md"
PASSED = "passed on; elsewhere"
SAME = "the same"

CHAT_WORDS = {
    "background": "the same, which is Midstream's: whether the provider may run it in its own background",
    "conversation": "the same, which is Midstream's: the conversation that it belongs to",
    "max_completion_tokens": "`max_tokens`",
    "messages": "`messages`. 400 for sound, a `file_id`, and the forms `function` and `function_call`",
    "modalities": '`["text"]`, else 400',
    "n": "1, else 400: send the request several times",
    "previous": "the same, which is Midstream's: a generation to go on from",
    "stream": "whether the answer is streamed",
    "stream_options": "`include_usage`: whether the stream ends with the usage",
    "tool_choice": "the same; `allowed_tools` leaves only the functions that it names",
    "tools": (
        "functions are `tools`. Tools that the provider runs are passed on; elsewhere 400. A tool of type "
        "`custom` is 400"
    ),
    "top_k": "the same, though Chat has none",
}

RESPONSES_WORDS = {
    "background": "the answer is the object as it stands, at once; 400 with `store: false`",
    "conversation": (
        'the same, by its id or as `{"id"}`: it goes on from [the newest response of it](#responses), unless '
        "`previous_response_id` names another"
    ),
    "include": (
        "`message.output_text.logprobs` is `logprobs`; `reasoning.encrypted_content` is there in any case. "
        "Others are passed on; elsewhere those of OpenAI's tools are ignored, and unknown ones 400"
    ),
    "input": "`messages`. 400 for a `file_id`, sound, and items that only OpenAI knows",
    "instructions": "the first of `messages`, with the role `system`",
    "max_output_tokens": "`max_tokens`",
    "previous_response_id": "`previous`",
    "reasoning": (
        "`effort` is `reasoning_effort`, the rest passed on; elsewhere `summary` and `generate_summary` are "
        "ignored, others 400"
    ),
    "store": (
        "with `false` the answer is there for 600 s after its end, as long as a retry may come, unless `ttl` "
        "says otherwise"
    ),
    "stream": "whether the answer is streamed",
    "text": "`format` is `response_format`, `verbosity` the same; the rest is passed on; elsewhere 400",
    "tool_choice": (
        "the same; `allowed_tools` leaves only the functions that it names; other kinds are passed on; elsewhere 400"
    ),
    "tools": "functions are `tools`; all others are passed on; elsewhere 400",
    "top_logprobs": "the same, with `logprobs`",
    "truncation": "`disabled`; `auto` is passed on; elsewhere 400",
}

MESSAGES_WORDS = {
    "messages": "`messages`; [what of it cannot be said](#anthropic-messages)",
    "metadata": "`user_id` is `user`; any other member is 400",
    "output_config": (
        "`format` is `response_format`. `effort` and `task_budget` are passed on; elsewhere `effort` is "
        "`reasoning_effort` (`max` is `xhigh`), and `task_budget` 400"
    ),
    "output_format": "`response_format`, as the beta had it",
    "service_tier": (
        "the same; elsewhere `standard_only` is `default`, and what the provider has no word for is ignored"
    ),
    "stop_sequences": "`stop`",
    "stream": "whether the answer is streamed",
    "system": "the first of `messages`, with the role `system`",
    "thinking": (
        "`enabled` is `reasoning_budget`; elsewhere an `effort` in `output_config` counts before it. "
        "`disabled` is `reasoning_effort: none`. `adaptive`, `between_tools`, `display` and `block_binding` "
        "are passed on; elsewhere `adaptive` says nothing, and `between_tools` is as `disabled`"
    ),
    "tool_choice": "`tool_choice`, and `parallel_tool_calls`",
    "tools": (
        "tools with an `input_schema` are `tools`. Anthropic's own, and fields that only its models know, are"
        " passed on; elsewhere 400"
    ),
}

AI_SDK_WORDS = {
    "id": "`conversation`; required",
    "messageId": "says nothing: it is which of the page's messages is made anew",
    "messages": "`messages`; [what of them cannot be said](#ai-sdk)",
    "system": "the first of `messages`, with the role `system`",
    "tool_choice": SAME,
    "toolChoice": '`tool_choice`; `{"type": "tool", "toolName"}` is the function of this name',
    "tools": (
        "`tools`: by their names, each with `description` and `inputSchema` or `parameters`, or listed as in Chat "
        "Completions"
    ),
    "trigger": "says nothing: the messages have what is asked",
}


def reason(said: str, subject: str = "") -> str:
    """Why, as the end of a sentence."""
    words = said.rstrip(".")
    if not words.startswith("Midstream"):
        words = words[0].lower() + words[1:]
    return f"{subject}{words}"


def the_same(names: Iterable[str]) -> dict[str, str]:
    """Words of the fields that a native request has under the same name."""
    return dict.fromkeys(names, SAME)


def chat_rows() -> dict[str, str]:
    """What becomes of the fields of Chat Completions."""
    found = the_same(chat.SAME - responses.OWN)
    found |= dict.fromkeys(chat.NEUTRAL, f"{SAME}; elsewhere what asks for nothing, such as 0, is left out")
    found["reasoning_effort"] += "; `max` is passed on; elsewhere `xhigh`"
    found |= dict.fromkeys(chat.READ | chat.MAPPED.keys(), "")
    found |= {name: f"400: {reason(said, 'it ')}" for name, said in chat.REFUSED.items()}
    found |= {name: f"{PASSED} 400: {reason(said, 'it ')}" for name, said in chat.REFUSED_ELSEWHERE.items()}
    found |= {name: f"{PASSED} ignored: {reason(said)}" for name, said in chat.IGNORED.items()}
    found |= {name: f"ignored: {reason(said)}" for name, said in chat.IGNORED_WITHIN.items()}
    found["store"] += "; with `false` the answer is there for 600 s after its end, unless `ttl` says otherwise"
    return found | CHAT_WORDS


def responses_rows() -> dict[str, str]:
    """What becomes of the fields of Responses."""
    found = dict.fromkeys(responses.MAPPED, "") | the_same(("model", *responses.SAME))
    for name in ("frequency_penalty", "presence_penalty"):
        found[name] = "the same, which OpenAI's own has not; 0 is left out"
    found |= {name: f"400: {reason(said, 'it ')}" for name, said in responses.REFUSED.items()}
    found |= {name: f"{PASSED} 400: {reason(said, 'it ')}" for name, said in responses.REFUSED_ELSEWHERE.items()}
    found["image"] += "; ignored where its `context_compression` is `auto` or absent"
    found |= {name: f"{PASSED} ignored: {reason(said, 'it ')}" for name, said in responses.IGNORED_ELSEWHERE.items()}
    found["prompt_cache_options"] += "; with `prewarm` 400"
    found |= {name: f"ignored: {reason(said, 'it ')}" for name, said in responses.IGNORED.items()}
    return found | RESPONSES_WORDS


def messages_rows() -> dict[str, str]:
    """What becomes of the fields of Messages."""
    found = dict.fromkeys(messages.MAPPED, "")
    found |= the_same(("model", "max_tokens", "temperature", "top_p", "top_k"))
    found |= {name: f"400: {reason(said, 'it ')}" for name, said in messages.REFUSED.items()}
    found |= {name: f"{PASSED} 400: {reason(said, 'it ')}" for name, said in messages.PASSED_OR_REFUSED.items()}
    found["context_management"] += "; edits that only clear are ignored"
    found |= {name: f"{PASSED} ignored: {reason(said, 'it ')}" for name, said in messages.PASSED_OR_IGNORED.items()}
    found |= {name: f"ignored: {reason(said)}" for name, said in messages.IGNORED.items()}
    return found | MESSAGES_WORDS


def ai_sdk_rows() -> dict[str, str]:
    """What becomes of the fields of the AI SDK."""
    found = dict.fromkeys(ai_sdk.SENT | ai_sdk.READ, "") | the_same(ai_sdk.SAME - responses.OWN)
    found |= {name: f"`{ours}`" for name, ours in ai_sdk.MAPPED.items()}
    return found | AI_SDK_WORDS


TABLES = {
    "| field of Chat Completions | what becomes of it |": chat_rows,
    "| field of Responses | what becomes of it |": responses_rows,
    "| field of Messages | what becomes of it |": messages_rows,
    "| field of the AI SDK | what becomes of it |": ai_sdk_rows,
}
"""The tables by their heads."""


def grouped(rows: Mapping[str, str]) -> list[tuple[str, str]]:
    """The rows by name; fields of which the same is said are one row."""
    found: dict[str, list[str]] = {}
    for name, words in sorted(rows.items()):
        found.setdefault(words, []).append(f"`{name}`")
    return [(", ".join(names), words) for words, names in found.items()]


def written_anew(text: str) -> str:
    """The document with its tables as the dialects have them."""
    for header, rows in TABLES.items():
        before, found, rest = text.partition(f"{header}\n")
        if not found:
            raise ValueError(f"{DOCUMENT} has no table {header}")
        lines = rest.splitlines(keepends=True)
        end = next((n for n, line in enumerate(lines) if not line.startswith("|")), len(lines))
        table = "".join(f"| {names} | {words} |\n" for names, words in grouped(rows()))
        text = f"{before}{header}\n|---|---|\n{table}{''.join(lines[end:])}"
    return text


def main() -> int:
    """The command."""
    DOCUMENT.write_text(written_anew(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
