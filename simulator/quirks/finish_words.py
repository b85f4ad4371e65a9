"""The same end in the words of other protocols, and ends that do not fit what was said."""

from typing import Final

from simulator.quirks.event import Event
from simulator.quirks.quirk import CHAT, GEMINI, MESSAGES, Change, Quirk, each
from simulator.quirks.reasons import WITH_REASON, reason_of, set_reason


def _word(word: str) -> Change:
    def changed(event: Event) -> None:
        if reason_of(event) is not None:
            set_reason(event, word)

    return each(changed)


def _spelled(name: str, word: str, who: str, own: str = "") -> Quirk:
    """In all protocols but the one whose `own` word it is."""
    protocols = [protocol for protocol in WITH_REASON if protocol != own]
    return Quirk(f"finish-as-{name}", f"The last reason is `{word}` ({who}).", dict.fromkeys(protocols, _word(word)))


QUIRKS: Final = (
    _spelled("end", "end", "gateways"),
    _spelled("end-turn", "end_turn", "gateways in front of Claude, Bedrock", MESSAGES),
    _spelled("capital-stop", "STOP", "gateways in front of Gemini", GEMINI),
    _spelled("small-stop", "stop", "gateways in front of Chat", CHAT),
    _spelled("tool-use", "tool_use", "gateways in front of Claude; with the script `tools`", MESSAGES),
    _spelled("tool-calls", "tool_calls", "gateways in front of Chat; with the script `tools`", CHAT),
    _spelled("context-window", "model_context_window_exceeded", "gateways in front of Claude, Z.ai"),
    _spelled("max-tokens", "MAX_TOKENS", "gateways in front of Gemini"),
    _spelled("length", "length", "gateways in front of Chat"),
    _spelled("sensitive", "sensitive", "Z.ai"),
    _spelled("safety", "SAFETY", "gateways in front of Gemini"),
    _spelled("filter-text", "content_filter: hate", "gateways that say which rule it was"),
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
