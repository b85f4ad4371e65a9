"""One part of the log as it grows here: its text stays the JSON that the log has it in."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET

from shared.log.events import Part, PartKind

_text = msgspec.json.Decoder(str).decode

OF_THE_BEGINNING = ("call_id", "item_id", "name", "executor", "summary", "media_type", "url")
OF_THE_END = ("signature", "encrypted", "provider")
"""What the events of a part's beginning and end say of it, as far as it is told."""


class Said:
    """A part. Its deltas' JSON strings, without their quotes, make the JSON string of its text."""

    __slots__ = (
        "after", "annotations", "before", "call_id", "closed", "encrypted", "ended", "executor", "grown", "index",
        "item", "item_id", "kind", "left", "logprobs", "media_type", "name", "opened", "over", "provider", "signature",
        "summary", "told", "told_annotations", "told_logprobs", "url",
    )  # fmt: skip

    def __init__(self, kind: PartKind) -> None:
        self.kind = kind
        self.grown = bytearray()
        self.item: Any = None
        """The item it is in; None where the protocol has no word for it."""
        self.index = 0
        """Its place among the parts of its item."""
        self.ended = False
        self.over = False
        """Whether nothing more is expected: it has ended, and was not resumed since."""
        self.left = False
        """Whether the attempt that said it broke off, and none has gone on with it so far."""
        self.opened = False
        """Whether its beginning was told."""
        self.closed = False
        """Whether its end was told."""
        self.before = self.after = b""
        """What stands around a delta in its frame; empty while a delta makes no frame, or not only one."""
        self.told = self.told_annotations = self.told_logprobs = 0
        """How much of its text, its annotations and its likelihoods was told."""
        self.annotations: list[dict[str, Any]] = []
        self.logprobs: list[dict[str, Any]] = []
        self.call_id: str | None = None
        self.item_id: str | None = None
        self.name: str | None = None
        self.executor: Literal["client", "provider"] | None = None
        self.summary: bool | None = None
        self.media_type: str | None = None
        self.url: str | None = None
        self.signature: str | None = None
        self.encrypted: str | None = None
        self.provider: str | None = None

    def hush(self) -> None:
        """Has no delta of it told, until it is its turn again."""
        self.before = self.after = b""

    @property
    def raw(self) -> msgspec.Raw:
        """Returns its text as JSON."""
        return msgspec.Raw(b'"%b"' % bytes(self.grown))

    @property
    def text(self) -> str:
        """Returns its text."""
        return _text(b'"%b"' % bytes(self.grown))

    def learn(self, part: Part) -> None:
        """Takes what the event of its beginning says."""
        for name in OF_THE_BEGINNING:
            if (value := getattr(part, name)) is not UNSET:
                setattr(self, name, value)
