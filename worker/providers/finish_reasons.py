"""What a finish reason is worth, where a protocol has a terminal marker that may never come."""

import json
from collections.abc import Sequence

from worker.providers.errors import problem
from worker.providers.provider import ProviderEvent, adds


class Finish:
    """The finish reason of one answer. Some endpoints stamp one on every chunk: what is said after it takes it back."""

    def __init__(self) -> None:
        self.reason: str | None = None
        """The last one that came."""
        self.stands = False
        """It came, and nothing of the answer after it: silence or a clean end now completes the answer."""
        self.certain = False
        """It also came with the counts or by itself, and none was ever taken back: a broken connection does it too."""
        self._taken_back = False
        self._counted = False
        """Counts came with it or after it."""

    def is_end(self, *, said: bool) -> bool:
        """Says whether silence completes the answer, of which something was `said` or not.

        A stop before the first word and without counts may be the stamp of an endpoint that thinks.
        """
        return self.stands and (said or self._counted or (self.reason or "").lower() != "stop")

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
