"""What a finish reason is worth, where a protocol has a terminal marker that may never come."""

import json
from collections.abc import Sequence

from shared.log.events import FinishReason
from worker.providers.errors import problem
from worker.providers.provider import ProviderEvent, adds

MEANINGS: dict[str, FinishReason] = {
    **dict.fromkeys(
        ("stop", "eos", "eos_token", "end", "end_turn", "stop_sequence", "complete", "completed", "done"), "stop"
    ),
    **dict.fromkeys(
        ("length", "model_length", "max_length", "max_tokens", "max_output_tokens", "model_context_window_exceeded"),
        "length",
    ),
    **dict.fromkeys(("tool_calls", "tool_call", "tool_use", "function_call"), "tool_calls"),
    **dict.fromkeys(
        (
            "content_filter", "content_filtered", "guardrail_intervened", "sensitive", "refusal", "safety",
            "recitation", "blocklist", "prohibited_content", "spii", "model_armor", "image_safety",
            "image_prohibited_content", "image_recitation",
        ),
        "content_filter",
    ),
    **dict.fromkeys(("pause_turn", "continuation"), "paused"),
}  # fmt: skip
"""Finish reasons of all protocols and of what imitates them, in lower case: gateways mix them."""

BROKEN_OFF = frozenset({"error", "abort", "aborted", "network_error", "insufficient_system_resource"})
"""Finish reasons of an answer that was not ended but lost: vLLM's `abort`, Z.ai's `network_error`, DeepSeek's
`insufficient_system_resource` (their API references), OpenRouter's `error`."""

_NO_REASONS = frozenset({"", "null", "none", "undefined", "finish_reason_unspecified"})


def reason_of(name: str, given: object) -> str | None:
    """Returns a finish reason as provider `name` said it; None where it is none, as an empty one in every chunk.

    Raises ProviderError for one that says that the answer broke off.
    """
    if not isinstance(given, str) or (word := _word(given)) in _NO_REASONS:
        return None
    if word in BROKEN_OFF:
        raise problem(name, "provider_error", f"in the stream, finish_reason {word}")
    return given


def meaning(reason: str | None, *, called: bool) -> FinishReason:
    """Returns what a finish reason means, in any case of letters, with or without a text after a colon.

    Of an answer with a call that the caller runs, `stop` means that; some say so of every answer, OpenAI of a forced
    call. Without a call `tool_calls` means nothing.
    """
    found = MEANINGS.get(_word(reason or ""), "other")
    if found == "stop" and called:
        return "tool_calls"
    return "other" if found == "tool_calls" and not called else found


def is_call(reason: str | None) -> bool:
    """Says whether a finish reason says that tools are called, and nothing else."""
    return MEANINGS.get(_word(reason or "")) == "tool_calls"


def _word(reason: str) -> str:
    return reason.partition(":")[0].strip().lower()


class Finish:
    """The finish reason of one answer. Some endpoints stamp one on every chunk: what is said after it takes it back."""

    def __init__(self) -> None:
        self.reason: str | None = None
        """The last one that came."""
        self.stands = False
        """It came, and nothing of the answer after it: silence or a clean end now completes the answer."""
        self.certain = False
        """It also came with the counts or by itself, and none was ever taken back: a broken connection does it too."""
        self.expects_more = False
        """What came last is no end of an answer: only the end of the body completes it."""
        self._taken_back = False
        self._counted = False
        """Counts came with it or after it."""

    def is_end(self, *, said: bool) -> bool:
        """Says whether silence completes the answer, of which something was `said` or not.

        A stop before the first word and without counts may be the stamp of an endpoint that thinks.
        """
        if self.expects_more:
            return False
        return self.stands and (said or self._counted or meaning(self.reason, called=False) != "stop")

    def check(self, name: str, unfinished: bytes, missing: str) -> None:
        """Looks whether a stream of provider `name` that ended without its terminal marker may be whole.

        Raises ProviderError where it was cut, or the finish reason, which it calls `missing`, never came.
        """
        if unfinished.strip() and not self.certain:
            raise problem(name, "incomplete_stream", "half an event")
        if not self.stands:
            raise problem(name, "incomplete_stream", f"no {missing}")

    def read(self, reason: str | None, events: Sequence[ProviderEvent], *, counts: bool) -> None:
        """Notes what one event had: its finish reason, what came of it, and whether it counts tokens."""
        if not (reason or self.reason):
            return
        added = adds(events)
        self._counted = self._counted or counts
        if added and self.stands:
            self._taken_back = True
        if reason:
            self.reason, self.stands = reason, True
        elif added:
            self.stands = False
        alone = counts or not added
        self.certain = self.stands and not self._taken_back and (alone if reason else self.certain or alone)


def is_json(text: str) -> bool:
    """Says whether a JSON text is whole; so are no text and white space, as they are not half of a value."""
    try:
        json.loads(text or "{}")
    except (ValueError, RecursionError):
        return not text.strip()
    return True


def is_done(data: bytes) -> bool:
    """Says whether an event is the word that ends OpenAI's streams, which others spell as they like."""
    return len(data) < 32 and data.strip(b' \t"').upper() in (b"[DONE]", b"DONE")
