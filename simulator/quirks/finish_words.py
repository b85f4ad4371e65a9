"""The same end in the words of other protocols, and ends that do not fit what was said."""

from dataclasses import replace
from typing import Final

from simulator.quirks.event import Event
from simulator.quirks.quirk import CHAT, GEMINI, MESSAGES, RESPONSES, Change, Quirk, each
from simulator.quirks.reasons import WITH_REASON, reason_of, set_reason


def _word(word: str) -> Change:
    def changed(event: Event) -> None:
        if reason_of(event) is not None:
            set_reason(event, word)

    return each(changed)


def _incomplete(word: str) -> Change:
    """The same where a whole response is the end."""

    def changed(event: Event) -> None:
        if event.name == "response.completed":
            event.name = event.data["type"] = "response.incomplete"
            event.data["response"] |= {"status": "incomplete", "incomplete_details": {"reason": word}}

    return each(changed)


def _spelled(name: str, word: str, who: str, own: str = "") -> Quirk:
    """In all protocols with a reason but the one whose `own` word it is."""
    protocols = [protocol for protocol in WITH_REASON if protocol != own]
    return Quirk(f"finish-as-{name}", f"The last reason is `{word}` ({who}).", dict.fromkeys(protocols, _word(word)))


def _cut(name: str, word: str, who: str) -> Quirk:
    """In all protocols: Responses has words for what did not come to its end."""
    quirk = _spelled(name, word, who)
    return replace(quirk, events={**quirk.events, RESPONSES: _incomplete(word)})


QUIRKS: Final = (
    _spelled("end", "end", "gateways"),
    _spelled("end-turn", "end_turn", "gateways in front of Claude, Bedrock", MESSAGES),
    _spelled("capital-stop", "STOP", "gateways in front of Gemini", GEMINI),
    _spelled("small-stop", "stop", "gateways in front of Chat", CHAT),
    _spelled("tool-use", "tool_use", "gateways in front of Claude; with the script `tools`", MESSAGES),
    _spelled("tool-calls", "tool_calls", "gateways in front of Chat; with the script `tools`", CHAT),
    _cut("context-window", "model_context_window_exceeded", "gateways in front of Claude, Z.ai"),
    _cut("max-tokens", "MAX_TOKENS", "gateways in front of Gemini"),
    _cut("length", "length", "gateways in front of Chat"),
    _cut("sensitive", "sensitive", "Z.ai"),
    _cut("safety", "SAFETY", "gateways in front of Gemini"),
    _cut("filter-text", "content_filter: hate", "gateways that say which rule it was"),
    Quirk(
        "stop-with-call",
        "A tool is called, and the reason is `stop` or `end_turn` (vLLM, octo-agent#647).",
        {CHAT: _word("stop"), MESSAGES: _word("end_turn")},
    ),
    Quirk("stop-sequence-with-call", "The same with `stop_sequence`.", {MESSAGES: _word("stop_sequence")}),
    Quirk(
        "call-reason-without-call",
        "The reason is `tool_calls` or `tool_use`, and no tool is called: the call was lost on the way.",
        {CHAT: _word("tool_calls"), MESSAGES: _word("tool_use")},
    ),
)
